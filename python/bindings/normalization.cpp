#include "rushlight/normalization.h"

#include "bindings/python.h"

namespace rushlight::python {

namespace {

TensorList list_of(std::tuple<Tensor, Tensor, Tensor> results) {
  auto& [out, mean, rstd] = results;
  return {out, mean, rstd};
}

}  // namespace

void register_normalization() {
  def_ops(
      "native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> "
      "(Tensor, Tensor, Tensor)",
      [](const Args& a) {
        return list_of(
            native_layer_norm(a.tensor(0), a.ints(1), a.tensor_or_none(2), a.tensor_or_none(3), a.number(4)));
      },
      "", kFunction, "The result of layer_norm, the mean and the reciprocal of the standard deviation.");
  def_op(
      "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
      "cudnn_enable=True)",
      [](const Args& a) {
        return layer_norm(a.tensor(0), a.ints(1), a.tensor_or_none(2), a.tensor_or_none(3), a.number(4, 1e-5));
      },
      kFunction, "Slices over the last dims with mean 0 and variance 1, times weight plus bias.");
  def_ops(
      "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> "
      "(Tensor, Tensor, Tensor)",
      [](const Args& a) {
        return list_of(native_group_norm(a.tensor(0), a.tensor_or_none(1), a.tensor_or_none(2), a.integer(3),
                                         a.integer(4), a.integer(5), a.integer(6), a.number(7)));
      },
      "", kFunction);
  def_op(
      "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
      "cudnn_enabled=True)",
      [](const Args& a) {
        return group_norm(a.tensor(0), a.integer(1), a.tensor_or_none(2), a.tensor_or_none(3), a.number(4, 1e-5));
      },
      kFunction, "Groups of channels with mean 0 and variance 1, times weight plus bias of the channel.");
  def_ops(
      "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "training, float momentum, float eps, *, Tensor[]? out=None) -> (Tensor, Tensor, Tensor)",
      [](const Args& a) {
        return list_of(native_batch_norm(a.tensor(0), a.tensor_or_none(1), a.tensor_or_none(2), a.tensor_or_none(3),
                                         a.tensor_or_none(4), a.flag(5), a.number(6), a.number(7)));
      },
      "", kFunction);
  def_op(
      "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "training, "
      "float momentum, float eps, bool cudnn_enabled)",
      [](const Args& a) {
        return batch_norm(a.tensor(0), a.tensor_or_none(1), a.tensor_or_none(2), a.tensor_or_none(3),
                          a.tensor_or_none(4), a.flag(5), a.number(6), a.number(7));
      },
      kFunction, "Channels with mean 0 and variance 1, times weight plus bias.");
}

}  // namespace rushlight::python
