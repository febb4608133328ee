// Copies of views under torch's names (expand_copy, ...) and copies with a view replaced (select_scatter, ...).
#include "bindings/python.h"
#include "ops/elementwise.h"
#include "rushlight/shape.h"

namespace rushlight::python {

namespace {

TensorList copies(const char* node, const TensorList& views) {
  TensorList list;
  for (const Tensor& v : views) list.push_back(copy_of_view(node, v));
  return list;
}

// The list forms of out= return nothing; split_copy does not resize.
PyObject* several(const Args& a, int out, bool resize, const char* node, const TensorList& views) {
  if (!a.has(out)) return wrap(copies(node, views));
  const TensorList targets = a.tensors(out);
  if (targets.size() != views.size())
    fail(a.function, "_out() expected an out= argument of size ", views.size(), ", got size ", targets.size());
  for (size_t i = 0; i < targets.size(); ++i)
    if (!resize && !equal(targets[i].sizes(), views[i].sizes()))
      fail("The size of ", targets[i].sizes(), " of out number ", i, " must match the size ", views[i].sizes());
  const TensorList results = copies(node, views);
  finish_outs(a.function, targets, results);
  return none();
}

}  // namespace

void register_view_copy() {
#define RL_COPY(signature, node, view) \
  def_op(signature ", *, Tensor? out=None)", [](const Args& a) { return copy_of_view(node, view); }, kFunction)
  def_op(
      "expand_copy(Tensor input, int[] size, *, bool implicit=False, Tensor? out=None)",
      [](const Args& a) { return copy_of_view("ExpandBackward0_copy", expand(a.tensor(0), a.ints(1))); }, kFunction);
  RL_COPY("view_copy(Tensor input, int[] size", "ViewBackward0_copy", reshape(a.tensor(0), a.ints(1)));
  RL_COPY("view_copy(Tensor input, dtype dtype", "ViewBackward0_copy", view_dtype(a.tensor(0), *a.dtype(1)));
  RL_COPY("alias_copy(Tensor input", "AliasBackward0_copy", alias(a.tensor(0)));
  RL_COPY("detach_copy(Tensor input", "AliasBackward0_copy", detach(a.tensor(0)));
  RL_COPY("as_strided_copy(Tensor input, int[] size, int[] stride, int? storage_offset=None", "AsStridedBackward0_copy",
          as_strided(a.tensor(0), a.ints(1), a.ints(2), a.integer_or_none(3)));
  RL_COPY("permute_copy(Tensor input, int[] dims", "PermuteBackward0_copy", permute(a.tensor(0), a.ints(1)));
  RL_COPY("t_copy(Tensor input", "TBackward0_copy", t(a.tensor(0)));
  RL_COPY("transpose_copy(Tensor input, int dim0, int dim1", "TransposeBackward0_copy",
          transpose(a.tensor(0), a.integer(1), a.integer(2)));
  RL_COPY("squeeze_copy(Tensor input", "SqueezeBackward0_copy", squeeze(a.tensor(0)));
  RL_COPY("squeeze_copy(Tensor input, int[1] dim", "SqueezeBackward1_copy", squeeze(a.tensor(0), IntSpan(a.ints(1))));
  RL_COPY("unsqueeze_copy(Tensor input, int dim", "UnsqueezeBackward0_copy", unsqueeze(a.tensor(0), a.integer(1)));
  RL_COPY("slice_copy(Tensor input, int dim=0, int? start=None, int? end=None, int step=1", "SliceBackward0_copy",
          slice(a.tensor(0), a.integer(1, 0), a.integer_or_none(2), a.integer_or_none(3), a.integer(4, 1)));
  RL_COPY("select_copy(Tensor input, int dim, int index", "SelectBackward0_copy",
          select(a.tensor(0), a.integer(1), a.integer(2)));
  RL_COPY("unfold_copy(Tensor input, int dimension, int size, int step", "UnfoldBackward0_copy",
          unfold(a.tensor(0), a.integer(1), a.integer(2), a.integer(3)));
  RL_COPY("diagonal_copy(Tensor input, int offset=0, int dim1=0, int dim2=1", "DiagonalBackward0_copy",
          diagonal(a.tensor(0), a.integer(1, 0), a.integer(2, 0), a.integer(3, 1)));
  RL_COPY("view_as_real_copy(Tensor input", "ViewAsRealBackward0_copy", view_as_real(a.tensor(0)));
  RL_COPY("view_as_complex_copy(Tensor input", "ViewAsComplexBackward0_copy", view_as_complex(a.tensor(0)));
#undef RL_COPY
  def_op(
      "narrow_copy(Tensor input, int dim, int start, int length, *, Tensor? out=None)",
      [](const Args& a) {
        return copy_of_view("NarrowCopyBackward0", narrow(a.tensor(0), a.integer(1), a.integer(2), a.integer(3)));
      },
      kBoth);
  def(
      "unbind_copy(Tensor input, int dim=0, *, Tensor[]? out=None) -> tuple[Tensor, ...]",
      [](Args& a) { return several(a, 2, true, "UnbindBackward0_copy", unbind(a.tensor(0), a.integer(1))); },
      kFunction);
  def(
      "split_copy(Tensor input, int split_size, int dim=0, *, Tensor[]? out=None) -> tuple[Tensor, ...]",
      [](Args& a) {
        return several(a, 3, false, "SplitBackward0_copy", split(a.tensor(0), a.integer(1), a.integer(2)));
      },
      kFunction);
  def(
      "split_with_sizes_copy(Tensor input, int[] split_sizes, int dim=0, *, Tensor[]? out=None) -> tuple[Tensor, ...]",
      [](Args& a) {
        return several(a, 3, true, "SplitWithSizesBackward0_copy",
                       split_with_sizes(a.tensor(0), a.ints(1), a.integer(2)));
      },
      kFunction);

  def_op(
      "select_scatter(Tensor input, Tensor src, int dim, int index)",
      [](const Args& a) { return select_scatter(a.tensor(0), a.tensor(1), a.integer(2), a.integer(3)); }, kBoth,
      "A copy in which select(dim, index) is src.");
  def_op(
      "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1, *, Tensor? "
      "out=None)",
      [](const Args& a) {
        return slice_scatter(a.tensor(0), a.tensor(1), a.integer(2, 0), a.integer_or_none(3), a.integer_or_none(4),
                             a.integer(5, 1));
      },
      kBoth, "A copy in which the slice start:end:step of a dim is src.");
  def_op(
      "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1)",
      [](const Args& a) {
        return diagonal_scatter(a.tensor(0), a.tensor(1), a.integer(2, 0), a.integer(3, 0), a.integer(4, 1));
      },
      kBoth, "A copy in which diagonal(offset, dim1, dim2) is src.");
  def_op(
      "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None)",
      [](const Args& a) {
        return as_strided_scatter(a.tensor(0), a.tensor(1), a.ints(2), a.ints(3), a.integer_or_none(4));
      },
      kBoth, "A copy in which as_strided(size, stride, storage_offset) is src.");
}

}  // namespace rushlight::python
