#include "rushlight/contract.h"

#include "bindings/python.h"

namespace rushlight::python {

void register_contract() {
  // rushlight.functional makes torch's functions of those that start with _.
  def_op(
      "_einsum(str equation, Tensor[] operands)",
      [](const Args& a) {
        const TensorList operands = a.tensors(1);
        return einsum(a.text(0), operands);
      },
      kFunction);
  def_op(
      "_tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other, *, Tensor? out=None)",
      [](const Args& a) { return tensordot(a.tensor(0), a.tensor(1), a.ints(2), a.ints(3)); }, kFunction);
  def_op(
      "_chain_matmul(Tensor[] matrices, *, Tensor? out=None)", [](const Args& a) { return chain_matmul(a.tensors(0)); },
      kFunction);
  def_op(
      "_cdist(Tensor x1, Tensor x2, float p, int mode)",
      [](const Args& a) { return cdist(a.tensor(0), a.tensor(1), a.number(2), a.integer(3)); }, kFunction);
  def_op(
      "pdist(Tensor input, float p=2)", [](const Args& a) { return pdist(a.tensor(0), a.number(1, 2)); }, kFunction,
      "p-norms of the differences between all pairs of rows i < j of [N, M]: [N * (N - 1) / 2].");
  def_op(
      "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False)",
      [](const Args& a) {
        return pairwise_distance(a.tensor(0), a.tensor(1), a.number(2, 2), a.number(3, 1e-6), a.flag(4));
      },
      kFunction, "p-norms of x1 - x2 + eps over the last dim.");
  def_op(
      "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08)",
      [](const Args& a) { return cosine_similarity(a.tensor(0), a.tensor(1), a.integer(2, 1), a.number(3, 1e-8)); },
      kFunction, "Cosines of the angles between vectors along dim; eps is the least length.");
  def_op(
      "cross(Tensor input, Tensor other, int? dim=None, *, Tensor? out=None)",
      [](const Args& a) { return cross(a.tensor(0), a.tensor(1), a.integer_or_none(2)); }, kBoth,
      "Cross products of the vectors of 3 elements along dim (default: the first dim of size 3). Other dims "
      "broadcast.");
  def_op(
      "_linalg_cross(Tensor input, Tensor other, *, int dim=-1, Tensor? out=None)",
      [](const Args& a) { return linalg_cross(a.tensor(0), a.tensor(1), a.integer(2, -1)); }, kFunction);
  def_op(
      "addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None)",
      [](const Args& a) { return addr(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3, 1), a.scalar(4, 1)); }, kAll,
      "beta * input + alpha * outer(vec1, vec2).");
}

}  // namespace rushlight::python
