#include "bindings/python.h"
#include "rushlight/conj.h"
#include "rushlight/shape.h"

namespace rushlight::python {

namespace {

// split(int) and split(list) share a name.
PyObject* split_call(Args& a) {
  PyObject* sizes = a.object(1);
  const int64_t dim = a.integer(2);
  if (PyTuple_Check(sizes) || PyList_Check(sizes)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sizes); ++i)
      if (!is_int(PySequence_Fast_GET_ITEM(sizes, i)))
        fail<TypeError>(
            "split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints, but found "
            "element of type ",
            type_name(PySequence_Fast_GET_ITEM(sizes, i)), " at pos ", i);
    return wrap(split_with_sizes(a.tensor(0), a.ints(1), dim));
  }
  if (!is_int(sizes))
    fail<TypeError>("split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints, not ",
                    type_name(sizes));
  return wrap(split(a.tensor(0), a.integer(1), dim));
}

PyObject* tensor_split_call(Args& a) {
  const Tensor& where = a.tensor(1);
  if (where.dtype() != DType::Int64)
    fail("tensor_split expected tensor_indices_or_sections to have dtype of long, but got ", where.dtype());
  if (where.dim() > 1)
    fail(
        "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got "
        "a tensor with ",
        where.dim(), " dims");
  if (where.dim() == 0) return wrap(tensor_split(a.tensor(0), where.item().to_int(), a.integer(2)));
  const Tensor list = contiguous(resolve_lazy(where));
  return wrap(
      tensor_split(a.tensor(0), IntSpan(list.data_ptr<int64_t>(), static_cast<size_t>(list.numel())), a.integer(2)));
}

template <TensorList (*F)(const Tensor&, int64_t)>
PyObject* into_sections(Args& a) {
  return wrap(F(a.tensor(0), a.integer(1)));
}
template <TensorList (*F)(const Tensor&, IntSpan)>
PyObject* at_indices(Args& a) {
  return wrap(F(a.tensor(0), a.ints(1)));
}

}  // namespace

void register_split() {
  def("split(Tensor tensor, object split_size_or_sections, int dim=0) -> tuple[Tensor, ...]", split_call, kFunction,
      "Views of consecutive parts of a dim: of one size (the last may be smaller), or of the listed sizes.");
  def("split(Tensor self, object split_size, int dim=0) -> tuple[Tensor, ...]", split_call, kMethod,
      "Views of consecutive parts of a dim: of one size (the last may be smaller), or of the listed sizes.");
  def("split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(split_with_sizes(a.tensor(0), a.ints(1), a.integer(2))); });
  def(
      "chunk(Tensor input, int chunks, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(chunk(a.tensor(0), a.integer(1), a.integer(2))); }, kBoth,
      "Views of at most `chunks` parts of equal size (the last may be smaller).");
  def(
      "unbind(Tensor input, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(unbind(a.tensor(0), a.integer(1))); }, kBoth, "Views of all slices of a dim.");
  def("unsafe_split(Tensor input, int split_size, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(unsafe_split(a.tensor(0), a.integer(1), a.integer(2))); });
  def("unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(unsafe_split_with_sizes(a.tensor(0), a.ints(1), a.integer(2))); });
  def("unsafe_chunk(Tensor input, int chunks, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(unsafe_chunk(a.tensor(0), a.integer(1), a.integer(2))); });
  def(
      "tensor_split(Tensor input, int[] indices, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(tensor_split(a.tensor(0), a.ints(1), a.integer(2))); }, kBoth,
      "Views of parts of a dim: cut at the indices, or into a number of sections whose sizes differ by at most 1.");
  def("tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> tuple[Tensor, ...]",
      tensor_split_call);
  def("tensor_split(Tensor input, int sections, int dim=0) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(tensor_split(a.tensor(0), a.integer(1), a.integer(2))); });
  def("hsplit(Tensor input, int sections) -> tuple[Tensor, ...]", into_sections<hsplit>, kBoth,
      "tensor_split along dim 1 (0 of vectors); sections must be of equal size.");
  def("hsplit(Tensor input, int[] indices) -> tuple[Tensor, ...]", at_indices<hsplit>);
  def("vsplit(Tensor input, int sections) -> tuple[Tensor, ...]", into_sections<vsplit>, kBoth,
      "tensor_split along dim 0; sections must be of equal size.");
  def("vsplit(Tensor input, int[] indices) -> tuple[Tensor, ...]", at_indices<vsplit>);
  def("dsplit(Tensor input, int sections) -> tuple[Tensor, ...]", into_sections<dsplit>, kBoth,
      "tensor_split along dim 2; sections must be of equal size.");
  def("dsplit(Tensor input, int[] indices) -> tuple[Tensor, ...]", at_indices<dsplit>);
}

}  // namespace rushlight::python
