#include "rushlight/sort.h"

#include "bindings/python.h"
#include "ops/reduce.h"

namespace rushlight::python {

namespace {

TensorList list(const TensorPair& pair) { return {std::get<0>(pair), std::get<1>(pair)}; }

// out= of this family wants the very dtypes of the results.
void check_out_pair(const Args& a, int out, DType values) {
  if (!a.has(out)) return;
  const TensorList t = a.tensors(out);
  if (t.size() != 2) return;  // def_ops says what is wrong
  check_out_dtype(values, t[0]);
  check_out_dtype(DType::Int64, t[1]);
}
void check_out_one(const Args& a, int out, DType dtype) {
  if (a.has(out)) check_out_dtype(dtype, a.tensor(out));
}

}  // namespace

void register_sort() {
  const char* const sort_doc =
      "Sorts along a dim: the named tuple (values, indices).\n\nNaN counts as the largest value. Equal elements keep "
      "their order, whatever `stable` says. indices: int64.";
  def_ops(
      "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False, Tensor[]? out=None)",
      [](const Args& a) {
        check_out_pair(a, 4, a.tensor(0).dtype());
        return list(sort(a.tensor(0), a.integer(2, -1), a.flag(3)));
      },
      "values indices", kBoth, sort_doc);
  def_ops(
      "sort(Tensor input, int dim=-1, bool descending=False, *, Tensor[]? out=None)",
      [](const Args& a) {
        check_out_pair(a, 3, a.tensor(0).dtype());
        return list(sort(a.tensor(0), a.integer(1, -1), a.flag(2)));
      },
      "values indices");
  def_op(
      "argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False, Tensor? out=None)",
      [](const Args& a) {
        check_out_one(a, 4, DType::Int64);
        return argsort(a.tensor(0), a.integer(2, -1), a.flag(3));
      },
      kBoth, "The indices (int64) that sort along a dim; see sort.");
  def_op("argsort(Tensor input, int dim=-1, bool descending=False)",
         [](const Args& a) { return argsort(a.tensor(0), a.integer(1, -1), a.flag(2)); });
  def_op(
      "msort(Tensor input, *, Tensor? out=None)",
      [](const Args& a) {
        check_out_one(a, 1, a.tensor(0).dtype());
        return msort(a.tensor(0));
      },
      kBoth, "Sorts along dim 0.");
  def_ops(
      "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True, *, Tensor[]? out=None)",
      [](const Args& a) {
        check_out_pair(a, 5, a.tensor(0).dtype());
        return list(topk(a.tensor(0), a.integer(1), a.integer(2, -1), a.flag(3, true), a.flag(4, true)));
      },
      "values indices", kBoth,
      "The k largest (or smallest) elements along a dim, in order: the named tuple (values, indices).\n\nRaises "
      "RuntimeError unless 0 <= k <= size. NaN counts as the largest value.");
}

}  // namespace rushlight::python
