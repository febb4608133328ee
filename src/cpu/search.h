// Binary search in sorted rows, and membership.
#pragma once

#include "rushlight/tensor.h"

namespace rushlight::cpu {

bool can_search(DType dtype);
// out[r][j]: where values[r][j] goes into sorted[r] (r is 0 for all where `rows_of_sorted` is 1). All contiguous;
// sorted and values of one dtype for which can_search holds, out int64 or int32; sorter: null, or positions in [0, n)
// that put the rows of `sorted` in order.
struct Search {
  const char* sorted;
  const int64_t* sorter;
  int64_t rows_of_sorted, n;
  const char* values;
  int64_t rows, per_row;
  char* out;
  bool out_int32, right;
};
void search(DType dtype, const Search& s);

// out[i] = elements[i] is one of tests, != invert. Contiguous, of one dtype that has an order.
void is_in(const Tensor& elements, const Tensor& tests, bool invert, const Tensor& out);

}  // namespace rushlight::cpu
