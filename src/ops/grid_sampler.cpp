#include "rushlight/grid_sampler.h"

#include "cpu/grid_sampler.h"
#include "ops/elementwise.h"

namespace rushlight {

using autograd::Grads;

namespace {

void check_grid(const Tensor& input, const Tensor& grid, int64_t interpolation, int64_t padding) {
  check_cpu("grid_sampler", input);
  check_cpu("grid_sampler", grid);
  if (input.dim() == 0 || grid.dim() == 0 || input.sizes()[0] != grid.sizes()[0])
    fail("grid_sampler(): expected grid and input to have same batch size, but got input with sizes ", input.sizes(),
         " and grid with sizes ", grid.sizes());
  const int64_t dims = input.dim() - 2;
  if (grid.sizes().back() != dims)
    fail("grid_sampler(): expected grid to have size ", dims, " in last dimension, but got grid with sizes ",
         grid.sizes());
  if ((dims != 2 && dims != 3) || grid.dim() != input.dim())
    fail("grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ",
         input.sizes(), " and grid with sizes ", grid.sizes());
  for (int64_t d = 2; d < input.dim(); ++d)
    if (input.sizes()[d] == 0)
      fail("grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ", input.sizes(),
           " with dimension ", d, " being empty");
  if (interpolation < 0 || interpolation > 2) fail("grid_sampler(): unknown interpolation mode ", interpolation);
  if (padding < 0 || padding > 2) fail("grid_sampler(): unknown padding mode ", padding);
  if (interpolation == 2 && dims == 3) fail("grid_sampler(): bicubic interpolation only supports 4D input");
  if (!is_differentiable(input.dtype()) || is_complex(input.dtype()))
    fail<NotImplementedError>("\"grid_sampler_", dims, "d_cpu\" not implemented for '", input.dtype(), "'");
  if (grid.dtype() != input.dtype()) fail("expected scalar type ", input.dtype(), " but found ", grid.dtype());
}

Tensor dense(const Tensor& t, DType d) {
  NoGradGuard no_grad;
  return contiguous(to(t, d));
}

cpu::GridSample problem(const Tensor& input, const Tensor& grid, int64_t interpolation, int64_t padding,
                        bool align_corners) {
  cpu::GridSample s{};
  s.input = input.data();
  s.grid = grid.data();
  s.n = input.sizes()[0];
  s.c = input.sizes()[1];
  s.dims = static_cast<int>(input.dim() - 2);
  s.points = 1;
  for (int k = 0; k < s.dims; ++k) {
    s.spatial[k] = input.sizes()[2 + k];
    s.points *= grid.sizes()[1 + k];
  }
  s.mode = static_cast<cpu::Interpolation>(interpolation);
  s.padding = static_cast<cpu::Padding>(padding);
  s.align_corners = align_corners;
  return s;
}

// A gradient that cannot be differentiated again.
Tensor only_once(const Tensor& grad, bool flat, std::initializer_list<const Tensor*> inputs) {
  bool any = false;
  for (const Tensor* t : inputs) any = any || autograd::needs(*t);
  if (any)
    autograd::record(flat ? "GridSampler2DBackwardBackward0" : "GridSampler3DBackwardBackward0", grad, inputs,
                     [flat](Grads&) {
                       fail("derivative for aten::grid_sampler_", flat ? "2d" : "3d", "_backward is not implemented");
                     });
  return grad;
}

}  // namespace

Tensor grid_sampler(const Tensor& input, const Tensor& grid, int64_t interpolation, int64_t padding,
                    bool align_corners) {
  check_grid(input, grid, interpolation, padding);
  const DType d = kernel_dtype(input.dtype());
  DimVector shape{input.sizes()[0], input.sizes()[1]};
  for (int64_t k = 1; k < grid.dim() - 1; ++k) shape.push_back(grid.sizes()[k]);
  Tensor out = empty(shape, d);
  {
    const Tensor x = dense(input, d), at = dense(grid, d);
    cpu::GridSample s = problem(x, at, interpolation, padding, align_corners);
    s.out = out.data();
    if (out.numel() != 0) cpu::grid_sample(d, s);
  }
  if (d != input.dtype()) out = to(out, input.dtype());
  const bool flat = input.dim() == 4;
  if (autograd::needs(input, grid))
    autograd::record(
        flat ? "GridSampler2DBackward0" : "GridSampler3DBackward0", out, {&input, &grid},
        [a = SavedTensor(input), b = SavedTensor(grid), interpolation, padding, align_corners, d, flat](Grads& g) {
          const Tensor input = g.unpack(a), grid = g.unpack(b);
          const Tensor x = dense(input, d), at = dense(grid, d), grad = dense(g.grad(), d);
          cpu::GridSample s = problem(x, at, interpolation, padding, align_corners);
          const Tensor of_input = g.needs(0) ? zeros(input.sizes(), d) : Tensor();
          const Tensor of_grid = g.needs(1) ? zeros(grid.sizes(), d) : Tensor();
          s.grad = grad.data();
          s.input_grad = of_input.defined() ? of_input.data() : nullptr;
          s.grid_grad = of_grid.defined() ? of_grid.data() : nullptr;
          if (grad.numel() != 0) cpu::grid_sample_grad(d, s);
          if (g.needs(0)) g[0] = only_once(of_input, flat, {&g.grad(), &input, &grid});
          if (g.needs(1)) g[1] = only_once(of_grid, flat, {&g.grad(), &input, &grid});
        });
  return out;
}

}  // namespace rushlight
