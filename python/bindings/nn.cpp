#include "bindings/python.h"
#include "ops/elementwise.h"

namespace rushlight::python {

void register_nn() {
  def(
      "linear(Tensor input, Tensor weight, Tensor? bias=None)",
      [](Args& a) { return wrap(linear(a.tensor(0), a.tensor(1), a.tensor_or_none(2))); }, kNN);
  def(
      "mse_loss(Tensor input, Tensor target, int reduction=1)",
      [](Args& a) { return wrap(mse_loss(a.tensor(0), a.tensor(1), a.integer(2, 1))); }, kNN);
  def(
      "l1_loss(Tensor input, Tensor target, int reduction=1)",
      [](Args& a) { return wrap(l1_loss(a.tensor(0), a.tensor(1), a.integer(2, 1))); }, kNN);
  def(
      "nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100)",
      [](Args& a) {
        return wrap(nll_loss(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.integer(3, 1), a.integer(4, -100)));
      },
      kNN);
  def(
      "cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100, "
      "float label_smoothing=0)",
      [](Args& a) {
        return wrap(cross_entropy_loss(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.integer(3, 1),
                                       a.integer(4, -100), a.number(5)));
      },
      kNN);
  def(
      "relu(Tensor input, bool inplace=False)",
      [](Args& a) {
        if (!a.flag(1)) return wrap(relu(a.tensor(0)));
        relu_(a.tensor(0));
        return Py_NewRef(a.object(0));
      },
      kNN, "max(input, 0)");
  def(
      "relu_(Tensor input)",
      [](Args& a) {
        relu_(a.tensor(0));
        return Py_NewRef(a.object(0));
      },
      kNN);
  def("sigmoid(Tensor input)", [](Args& a) { return wrap(sigmoid(a.tensor(0))); }, kNN, "1 / (1 + exp(-input))");
  def("tanh(Tensor input)", [](Args& a) { return wrap(tanh(a.tensor(0))); }, kNN, "Hyperbolic tangent.");
  def(
      "leaky_relu(Tensor input, Scalar negative_slope=0.01, bool inplace=False)",
      [](Args& a) {
        if (!a.flag(2)) return wrap(leaky_relu(a.tensor(0), a.scalar(1, 0.01)));
        leaky_relu_(a.tensor(0), a.scalar(1, 0.01));
        return Py_NewRef(a.object(0));
      },
      kNN, "input where positive, negative_slope * input elsewhere.");
  def(
      "leaky_relu_(Tensor input, Scalar negative_slope=0.01)",
      [](Args& a) {
        leaky_relu_(a.tensor(0), a.scalar(1, 0.01));
        return Py_NewRef(a.object(0));
      },
      kNN);
  def(
      "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int reduction=1)",
      [](Args& a) {
        return wrap(binary_cross_entropy(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.integer(3, 1)));
      },
      kNN);
  def(
      "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int "
      "reduction=1)",
      [](Args& a) {
        return wrap(binary_cross_entropy_with_logits(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.tensor_or_none(3),
                                                     a.integer(4, 1)));
      },
      kFunction);
  def(
      "dropout(Tensor input, float p, bool train)",
      [](Args& a) { return wrap(dropout(a.tensor(0), a.number(1), a.flag(2))); }, kFunction,
      "Zeroes elements with probability p and scales the others by 1 / (1 - p), if train.");
  def(
      "dropout_(Tensor input, float p, bool train)",
      [](Args& a) {
        inplace_by_copy("dropout_", a.tensor(0), [&](const Tensor& x) { return dropout(x, a.number(1), a.flag(2)); });
        return Py_NewRef(a.object(0));
      },
      kFunction);
  def(
      "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)",
      [](Args& a) { return wrap(embedding(a.tensor(0), a.tensor(1), a.integer(2, -1))); }, kFunction);
}

}  // namespace rushlight::python
