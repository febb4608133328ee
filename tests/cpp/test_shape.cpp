// Rearranging, splitting, stacking and memory formats through the public C++ API; with sanitizers also their bounds.
#include <vector>

#include "check.h"
#include "rushlight/rushlight.h"

using namespace rushlight;

namespace {

Tensor numbered(IntSpan sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return reshape(arange(0, n, 1), sizes);
}

std::vector<int64_t> values(const Tensor& t) {
  const Tensor dense = contiguous(to(t, DType::Int64));
  return {dense.data_ptr<int64_t>(), dense.data_ptr<int64_t>() + dense.numel()};
}

// The same elements in several arrangements, small and beyond the limits from which threads take part.
std::vector<Tensor> arrangements(IntSpan sizes) {
  const Tensor t = numbered(sizes);
  const int64_t last = t.dim() - 1;
  const Tensor pair[2] = {t, t};
  return {t, transpose(clone(transpose(t, 0, last), true), 0, last), select(stack(pair, t.dim()), t.dim(), 1)};
}

void test_rearrange() {
  for (const DimVector& sizes : {DimVector{3, 4}, DimVector{2, 3, 5}, DimVector{300, 2, 200}, DimVector{1, 7}}) {
    const Tensor expected_flip = flip(numbered(sizes), DimVector{0}), model = numbered(sizes);
    for (const Tensor& t : arrangements(sizes)) {
      CHECK(values(t) == values(model));
      CHECK(values(flip(t, DimVector{0})) == values(expected_flip));
      CHECK(values(roll(roll(t, DimVector{2}, DimVector{1}), DimVector{-2}, DimVector{1})) == values(model));
      CHECK(values(roll(t, DimVector{5})) == values(roll(model, DimVector{5})));
      CHECK(values(rot90(rot90(t, 1), 3)) == values(model));
      DimVector counts(t.dim(), 2);
      const Tensor many = repeat(t, counts);
      Tensor corner = many;
      for (int64_t d = 0; d < t.dim(); ++d) corner = narrow(corner, d, t.sizes()[d], t.sizes()[d]);
      CHECK(values(corner) == values(model));
      const Tensor padded = constant_pad_nd(t, DimVector{1, 2, 3, 0}, 7);
      CHECK(values(constant_pad_nd(padded, DimVector{-1, -2, -3, 0})) == values(model));
      for (int64_t k : {-3, -1, 0, 2, 100}) {
        CHECK(values(add(tril(t, k), triu(t, k + 1))) == values(model));
        const Tensor written = clone(t);
        tril_(written, k);
        CHECK(values(written) == values(tril(model, k)));
      }
    }
  }
}

void test_parts() {
  const Tensor t = numbered(DimVector{5, 4});
  CHECK(tensor_split(t, 3).size() == 3 && tensor_split(t, DimVector{1, 9}).size() == 3);
  CHECK(values(cat(tensor_split(t, 3))) == values(t));
  CHECK(values(hstack(hsplit(t, 2))) == values(t));
  CHECK(values(cat(unsafe_split(t, 2))) == values(t));
  CHECK(values(select_scatter(t, numbered(DimVector{4}), 0, 4)).back() == 3);
  CHECK(values(slice_scatter(narrow(t, 0, 1, 3), zeros(DimVector{3, 1}, DType::Int64), 1, 3)).back() == 0);
  CHECK(values(diagonal_scatter(transpose(t, 0, 1), zeros(DimVector{4}, DType::Int64)))[5 + 1] == 0);
  CHECK(trace(t).item<int64_t>() == 0 + 5 + 10 + 15);
  CHECK(values(diag(diag(numbered(DimVector{4})))) == values(numbered(DimVector{4})));
  CHECK(combinations(numbered(DimVector{5}), 3).sizes()[0] == 10);
  const Tensor pair[2] = {numbered(DimVector{2}), numbered(DimVector{3})};
  CHECK(values(cartesian_prod(pair)) == (std::vector<int64_t>{0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2}));
  CHECK(values(kron(pair[0], pair[1])) == (std::vector<int64_t>{0, 0, 0, 0, 1, 2}));
  CHECK(block_diag(pair).sizes()[1] == 5);
}

void test_formats() {
  const Tensor t = numbered(DimVector{2, 3, 4, 5});
  const Tensor last = contiguous(t, MemoryFormat::ChannelsLast);
  CHECK(equal(last.strides(), DimVector{60, 1, 15, 3}) && values(last) == values(t));
  CHECK(is_contiguous(last, MemoryFormat::ChannelsLast) && !last.is_contiguous());
  CHECK(suggested_format(last) == MemoryFormat::ChannelsLast && suggested_format(t) == MemoryFormat::Contiguous);
  CHECK(equal(add(last, 1).strides(), last.strides()) && equal(empty_like(last).strides(), last.strides()));
  CHECK(clone(last, MemoryFormat::Contiguous).is_contiguous());
  CHECK(to(t, DType::Float32, false, MemoryFormat::ChannelsLast).strides()[1] == 1);
  CHECK_THROWS(Error, clone(select(t, 0, 0), MemoryFormat::ChannelsLast));
}

}  // namespace

int main() {
  test_rearrange();
  test_parts();
  test_formats();
  return check_result();
}
