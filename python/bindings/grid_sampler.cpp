#include "rushlight/grid_sampler.h"

#include "bindings/python.h"

namespace rushlight::python {

namespace {

Tensor sample(const Args& a, int64_t dims) {
  const Tensor &input = a.tensor(0), &grid = a.tensor(1);
  const bool same_batch = input.dim() && grid.dim() && input.sizes()[0] == grid.sizes()[0];
  if (dims && input.dim() != dims && same_batch)
    fail("grid_sampler(): expected ", dims,
         "D input and grid with same number of dimensions, but got input with sizes ", input.sizes(),
         " and grid with sizes ", grid.sizes());
  return grid_sampler(input, grid, a.integer(2), a.integer(3), a.flag(4));
}

}  // namespace

void register_grid_sampler() {
  constexpr const char* doc =
      "Values of input at the positions of grid.\n\ninterpolation_mode: 0 linear, 1 nearest, 2 cubic. padding_mode: 0 "
      "zeros, 1 border, 2 reflection.";
  def_op(
      "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)",
      [](const Args& a) { return sample(a, 0); }, kFunction, doc);
  def_op(
      "grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)",
      [](const Args& a) { return sample(a, 4); }, kFunction, doc);
  def_op(
      "_grid_sampler_2d_cpu_fallback(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool "
      "align_corners)",
      [](const Args& a) { return sample(a, 4); }, kFunction, doc);
  def_op(
      "grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)",
      [](const Args& a) { return sample(a, 5); }, kFunction, doc);
}

}  // namespace rushlight::python
