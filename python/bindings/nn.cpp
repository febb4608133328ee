#include "bindings/python.h"

namespace rushlight::python {

void register_nn() {
  def("linear(Tensor input, Tensor weight, Tensor? bias=None)",
      [](Args& a) { return wrap(linear(a.tensor(0), a.tensor(1), a.tensor_or_none(2))); }, kNN);
  def("mse_loss(Tensor input, Tensor target, int reduction=1)",
      [](Args& a) { return wrap(mse_loss(a.tensor(0), a.tensor(1), a.integer(2, 1))); }, kNN);
  def("l1_loss(Tensor input, Tensor target, int reduction=1)",
      [](Args& a) { return wrap(l1_loss(a.tensor(0), a.tensor(1), a.integer(2, 1))); }, kNN);
  def("nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100)", [](Args& a) {
    return wrap(nll_loss(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.integer(3, 1), a.integer(4, -100)));
  }, kNN);
  def("cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100, float label_smoothing=0)",
      [](Args& a) {
        return wrap(cross_entropy_loss(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.integer(3, 1), a.integer(4, -100), a.number(5)));
      }, kNN);
}

}  // namespace rushlight::python
