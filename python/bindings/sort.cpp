#include "rushlight/sort.h"

#include "bindings/python.h"
#include "layout/layout.h"
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

// The two tensors of out=, where there are two.
bool out_pair(const Args& a, int out, TensorList& t) {
  if (!a.has(out)) return false;
  t = a.tensors(out);
  return t.size() == 2;
}

// dim and keepdim at 1 and 2, out= at 3
template <TensorPair (*F)(const Tensor&, int64_t, bool)>
TensorList median_dim(const Args& a) {
  if (TensorList t; out_pair(a, 3, t)) {
    const DType dtype = a.tensor(0).dtype();
    const char* const name =
        F == static_cast<TensorPair (*)(const Tensor&, int64_t, bool)>(median) ? "median" : "nanmedian";
    if (t[0].dtype() != dtype)
      fail("Expected tensor for 'values' to have the same type as tensor for argument #2 'self'; but type ",
           tensor_type_name(t[0].dtype()), " does not equal ", tensor_type_name(dtype),
           " (while checking arguments for ", name, ")");
    if (t[1].dtype() != DType::Int64)
      fail("Expected tensor for argument #1 'indices' to have scalar type Long; but got ",
           tensor_type_name(t[1].dtype()), " instead (while checking arguments for ", name, ")");
  }
  return list(F(a.tensor(0), a.integer(1), a.flag(2)));
}

template <TensorPair (*F)(const Tensor&, int64_t)>
TensorList running(const Args& a) {
  if (TensorList t; out_pair(a, 2, t)) {
    if (t[0].dtype() != a.tensor(0).dtype())
      fail("expected scalar_type ", scalar_type_name(a.tensor(0).dtype()), " but found ",
           scalar_type_name(t[0].dtype()));
    if (t[1].dtype() != DType::Int64) fail("expected scalar_type Long but found ", scalar_type_name(t[1].dtype()));
  }
  return list(F(a.tensor(0), a.integer(1)));
}

// q, dim, keepdim, interpolation, out= at 1, 2, 3, 4, 5
template <Tensor (*F)(const Tensor&, const Operand&, OptInt, bool, std::string_view)>
Tensor quantile_of(const Args& a) {
  if (a.has(5) && a.tensor(5).dtype() != a.tensor(0).dtype())
    fail("quantile() out tensor must be same dtype as the input tensor");
  return F(a.tensor(0), a.operand(1), a.integer_or_none(2), a.flag(3), a.has(4) ? a.text(4) : "linear");
}

// values, and inverse and counts where asked for: one tensor or a tuple.
PyObject* wrap_unique(const Unique& u, bool return_inverse, bool return_counts) {
  if (!return_inverse && !return_counts) return wrap(u.values);
  TensorList all{u.values};
  if (return_inverse) all.push_back(u.inverse);
  if (return_counts) all.push_back(u.counts);
  return wrap(all);
}

void check_search_out(const Args& a, int out, bool out_int32) {
  if (!a.has(out)) return;
  const DType dtype = a.tensor(out).dtype();
  if (dtype != (out_int32 ? DType::Int32 : DType::Int64))
    fail(
        "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on "
        "whether out_int32 flag is True, but we got output tensor's dtype ",
        scalar_type_name(dtype), " and out_int32 flag is ", out_int32 ? "True" : "False");
}

// side and right say the same thing.
bool search_right(const Args& a, int right, int side) {
  const bool flag = a.flag(right);
  if (!a.has(side)) return flag;
  const std::string text = a.text(side);
  if (text != "left" && text != "right")
    fail("torch.searchsorted(): side can only be 'left' or 'right' but got ", text);
  if (text == "left" && flag)
    fail("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
  return text == "right";
}

}  // namespace

static void register_order() {
  def_ops(
      "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False, *, Tensor[]? out=None)",
      [](const Args& a) {
        if (TensorList t; out_pair(a, 4, t)) {
          if (t[0].dtype() != a.tensor(0).dtype()) fail("output values must be of same type as input");
          if (t[1].dtype() != DType::Int64) fail("output indices must be of scalar type Long");
          for (const Tensor& out : t)
            if (layout::overlap(out, a.tensor(0)) != layout::Overlap::None)
              fail(
                  "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                  "single memory location. Please clone() the tensor before performing the operation.");
        }
        return list(kthvalue(a.tensor(0), a.integer(1), a.integer(2, -1), a.flag(3)));
      },
      "values indices", kBoth,
      "The k-th smallest element along a dim, k from 1: the named tuple (values, indices). NaN counts as the largest "
      "value.");
  def_op(
      "median(Tensor input)", [](const Args& a) { return median(a.tensor(0)); }, kBoth,
      "The median of all elements, or along a dim the named tuple (values, indices).\n\nThe lower one of two. NaN "
      "where there is one.");
  def_ops("median(Tensor input, int dim, bool keepdim=False, *, Tensor[]? out=None)", median_dim<median>,
          "values indices");
  def_op(
      "nanmedian(Tensor input)", [](const Args& a) { return nanmedian(a.tensor(0)); }, kBoth,
      "The median of the elements that are not NaN; see median.");
  def_ops("nanmedian(Tensor input, int dim, bool keepdim=False, *, Tensor[]? out=None)", median_dim<nanmedian>,
          "values indices");
  def_ops(
      "mode(Tensor input, int dim=-1, bool keepdim=False, *, Tensor[]? out=None)",
      [](const Args& a) {
        if (TensorList t; out_pair(a, 3, t)) {
          const DType dtype = a.tensor(0).dtype();
          if (t[0].dtype() != dtype)
            fail("expected scalar type '", scalar_type_name(dtype), "' but got '", scalar_type_name(t[0].dtype()),
                 "' for values output");
          if (t[1].dtype() != DType::Int64)
            fail("expected scalar type 'Long' but got '", scalar_type_name(t[1].dtype()), "' for indices output");
        }
        return list(mode(a.tensor(0), a.integer(1, -1), a.flag(2)));
      },
      "values indices", kBoth,
      "The most frequent value along a dim, the smallest of several, and a position of it: the named tuple (values, "
      "indices).");
  def_ops("cummax(Tensor input, int dim, *, Tensor[]? out=None)", running<cummax>, "values indices", kBoth,
          "Running maxima along a dim and the last positions where they stand: the named tuple (values, indices).");
  def_ops("cummin(Tensor input, int dim, *, Tensor[]? out=None)", running<cummin>, "values indices", kBoth,
          "Running minima along a dim and the last positions where they stand: the named tuple (values, indices).");
  def_op(
      "quantile(Tensor input, Operand q, int? dim=None, bool keepdim=False, *, str interpolation='linear', Tensor? "
      "out=None)",
      quantile_of<quantile>, kBoth,
      "The q-th quantiles of all elements or along a dim; float32 and float64.\n\nq: number or tensor (0-d, or 1-d: "
      "its dim comes first in the result) in [0, 1].\ninterpolation between the two nearest elements: linear, lower, "
      "higher, midpoint or nearest. NaN where there is one.");
  def_op(
      "nanquantile(Tensor input, Operand q, int? dim=None, bool keepdim=False, *, str interpolation='linear', Tensor? "
      "out=None)",
      quantile_of<nanquantile>, kBoth, "The q-th quantiles of the elements that are not NaN; see quantile.");
  def(
      "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None)",
      [](Args& a) {
        const bool inverse = a.flag(2), counts = a.flag(3);
        return wrap_unique(
            a.has(4) ? unique_dim(a.tensor(0), a.integer(4), inverse, counts) : unique(a.tensor(0), inverse, counts),
            inverse, counts);
      },
      kBoth,
      "The distinct elements, sorted; along a dim the distinct slices.\n\nreturn_inverse: also where each element of "
      "input stands in the result; return_counts: also how often each occurs (both int64). One tensor, or a tuple.");
  def(
      "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None)",
      [](Args& a) {
        const bool inverse = a.flag(1), counts = a.flag(2);
        return wrap_unique(a.has(3) ? unique_consecutive_dim(a.tensor(0), a.integer(3), inverse, counts)
                                    : unique_consecutive(a.tensor(0), inverse, counts),
                           inverse, counts);
      },
      kBoth, "The first element (along a dim: slice) of every run of equal ones; see unique.");
}

static void register_search() {
  def_op(
      "searchsorted(Tensor sorted_sequence, Operand input, *, bool out_int32=False, bool right=False, str? side=None, "
      "Tensor? sorter=None, Tensor? out=None)",
      [](const Args& a) {
        const bool right = search_right(a, 3, 4);
        check_search_out(a, 6, a.flag(2));
        return searchsorted(a.tensor(0), a.operand(1), a.flag(2), right, a.tensor_or_none(5));
      },
      kFunction,
      "Where values go into the sorted last dim of a tensor: before equal elements, behind them if right=True or "
      "side='right'.\n\nsorter: indices (int64) that sort sorted_sequence. Result: int64, or int32 if out_int32.");
  def_op(
      "bucketize(Operand input, Tensor boundaries, *, bool out_int32=False, bool right=False, Tensor? out=None)",
      [](const Args& a) {
        check_search_out(a, 4, a.flag(2));
        return bucketize(a.operand(0), a.tensor(1), a.flag(2), a.flag(3));
      },
      kFunction, "Where values go among sorted boundaries [n]; see searchsorted.");
  const auto is_in = [](const Args& a) {
    check_out_one(a, 4, DType::Bool);
    return isin(a.operand(0), a.operand(1), a.flag(3));
  };
  def_op(
      "isin(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False, Tensor? out=None)",
      is_in, kFunction,
      "Which elements are among test_elements (invert: which are not). NaN never is. Not for bool and complex.");
  def_op("isin(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False, Tensor? out=None)",
         is_in, kFunction);
  def_op("isin(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False, Tensor? out=None)",
         is_in, kFunction);
}

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
  register_order();
  register_search();
}

}  // namespace rushlight::python
