// Copies in another order, diagonals and triangles.
#include "bindings/python.h"
#include "rushlight/shape.h"

namespace rushlight::python {

void register_rearrange() {
  def(
      "flip(Tensor input, int[*] dims)", [](Args& a) { return wrap(flip(a.tensor(0), a.ints(1))); }, kBoth,
      "A copy with the order of elements reversed along dims.");
  def("fliplr(Tensor input)", [](Args& a) { return wrap(fliplr(a.tensor(0))); }, kBoth, "A copy with dim 1 reversed.");
  def("flipud(Tensor input)", [](Args& a) { return wrap(flipud(a.tensor(0))); }, kBoth, "A copy with dim 0 reversed.");
  def(
      "rot90(Tensor input, int k=1, int[] dims=(0,1))",
      [](Args& a) { return wrap(rot90(a.tensor(0), a.integer(1, 1), a.has(2) ? a.ints(2) : DimVector{0, 1})); }, kBoth,
      "A copy rotated by k quarter turns from the first towards the second of two dims.");
  def(
      "roll(Tensor input, int[1] shifts, int[1]? dims=())",
      [](Args& a) { return wrap(roll(a.tensor(0), a.ints(1), a.has(2) ? a.ints(2) : DimVector())); }, kBoth,
      "A copy with the elements shifted along dims (or along the flattened tensor); those that leave at the end come "
      "back at the start.");
  def(
      "repeat(Tensor self, int[*] repeats)", [](Args& a) { return wrap(repeat(a.tensor(0), a.ints(1))); }, kMethod,
      "repeat(*repeats)\n\nCopies of the tensor side by side, repeats[d] of them along dim d; more counts than dims "
      "add "
      "leading dims.");
  def(
      "tile(Tensor self, int[*] dims)", [](Args& a) { return wrap(tile(a.tensor(0), a.ints(1))); }, kMethod,
      "repeat with missing leading counts taken as 1.");
  def(
      "tile(Tensor input, int[*] dims)", [](Args& a) { return wrap(tile(a.tensor(0), a.ints(1))); }, kFunction,
      "Copies of the tensor side by side; missing leading counts are 1.");
  def_op(
      "constant_pad_nd(Tensor input, int[] pad, Scalar value=0)",
      [](const Args& a) { return constant_pad_nd(a.tensor(0), a.ints(1), a.scalar(2, 0)); }, kFunction,
      "A copy with elements of one value around it. pad: (before, after) of the last dim, then of the one before it "
      "and "
      "so on; negative numbers cut off.");

  def_op(
      "diag(Tensor input, int diagonal=0, *, Tensor? out=None)",
      [](const Args& a) {
        const Tensor& t = a.tensor(0);
        if (a.has(2) && a.tensor(2).dtype() != t.dtype())
          fail("Expected out tensor to have dtype ", t.dtype(), ", but got ", a.tensor(2).dtype(), " instead");
        return diag(t, a.integer(1, 0));
      },
      kBoth, "The diagonal of a matrix as a vector, or the matrix with a vector on its diagonal.");
  def(
      "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1)",
      [](Args& a) { return wrap(diag_embed(a.tensor(0), a.integer(1, 0), a.integer(2, -2), a.integer(3, -1))); }, kBoth,
      "The last dim spread over the diagonals of new matrices; all else is 0.");
  def(
      "diagflat(Tensor input, int offset=0)", [](Args& a) { return wrap(diagflat(a.tensor(0), a.integer(1, 0))); },
      kBoth, "A matrix with the flattened elements on its diagonal.");
  def(
      "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1)",
      [](Args& a) { return wrap(diagonal(a.tensor(0), a.integer(1, 0), a.integer(2, 0), a.integer(3, 1))); }, kBoth,
      "A view of the diagonals of two dims, as a new last dim.");
  def_op(
      "tril(Tensor input, int diagonal=0, *, Tensor? out=None)",
      [](const Args& a) { return tril(a.tensor(0), a.integer(1, 0)); }, kBoth,
      "Copies of matrices with 0 above the diagonal.");
  def_op(
      "triu(Tensor input, int diagonal=0, *, Tensor? out=None)",
      [](const Args& a) { return triu(a.tensor(0), a.integer(1, 0)); }, kBoth,
      "Copies of matrices with 0 below the diagonal.");
  def(
      "tril_(Tensor self, int diagonal=0)",
      [](Args& a) {
        tril_(a.tensor(0), a.integer(1, 0));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "triu_(Tensor self, int diagonal=0)",
      [](Args& a) {
        triu_(a.tensor(0), a.integer(1, 0));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "trace(Tensor input)", [](Args& a) { return wrap(trace(a.tensor(0))); }, kBoth,
      "The sum of the diagonal of a matrix.");
}

}  // namespace rushlight::python
