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

// The weights of the taps as polynomials of t.
TensorList tap_weights(const Tensor& t, cpu::Interpolation mode) {
  if (mode == cpu::Interpolation::Nearest) return {ones_like(t)};
  if (mode == cpu::Interpolation::Linear) return {rsub(t, 1), t};
  constexpr double a = -0.75;
  auto near = [](const Tensor& d) { return add(mul(mul(sub(mul(d, a + 2), a + 3), d), d), 1); };
  auto far = [](const Tensor& d) { return sub(mul(add(mul(sub(mul(d, a), 5 * a), d), 8 * a), d), 4 * a); };
  return {far(add(t, 1)), near(t), near(rsub(t, 1)), far(rsub(t, 2))};
}

// The same result by differentiable operations, for gradients that are to be differentiated again.
Tensor composed(const Tensor& input, const Tensor& grid, int64_t interpolation, int64_t padding, bool align_corners) {
  const DType d = kernel_dtype(input.dtype());
  const Tensor at = dense(grid, d);
  const cpu::GridSample s = problem(input, at, interpolation, padding, align_corners);
  const int count = cpu::grid_tap_count(s.mode);
  const DimVector places{s.n, s.points};
  TensorList weights[3], index[3];
  for (int k = 0; k < s.dims; ++k) {
    const Tensor taps = empty(DimVector{count, s.n, s.points}, DType::Int64);
    const Tensor t = empty(places, d), slope = empty(places, d);
    cpu::grid_taps(d, s, k, taps.data_ptr<int64_t>(), t.data(), slope.data());
    const Tensor x = reshape(to(select(grid, -1, k), d), places);
    // t as a linear function of the coordinate
    weights[k] = tap_weights(add(mul(slope, sub(x, detach(x))), t), s.mode);
    index[k] = unbind(taps, 0);
  }
  if (s.dims == 2) {
    weights[2] = {ones(places, d)};
    index[2] = {zeros(places, DType::Int64)};
  }
  const Tensor flat = reshape(to(input, d), DimVector{s.n, s.c, -1});
  const DimVector wide{s.n, s.c, s.points};
  const int64_t width = s.spatial[s.dims - 1], area = width * s.spatial[s.dims - 2];
  Tensor sum;
  for (size_t z = 0; z < index[2].size(); ++z)
    for (size_t y = 0; y < index[1].size(); ++y)
      for (size_t x = 0; x < index[0].size(); ++x) {
        const Tensor &ix = index[0][x], &iy = index[1][y], &iz = index[2][z];
        const Tensor outside = logical_or(logical_or(lt(ix, 0), lt(iy, 0)), lt(iz, 0));
        const Tensor offset = masked_fill(add(add(mul(iz, area), mul(iy, width)), ix), outside, 0);
        const Tensor values =
            masked_fill(gather(flat, 2, expand(unsqueeze(offset, 1), wide)), unsqueeze(outside, 1), 0);
        const Tensor weight = mul(mul(weights[0][x], weights[1][y]), weights[2][z]);
        const Tensor part = mul(values, unsqueeze(weight, 1));
        sum = sum.defined() ? add(sum, part) : part;
      }
  DimVector shape{s.n, s.c};
  for (int64_t k = 1; k < grid.dim() - 1; ++k) shape.push_back(grid.sizes()[k]);
  return reshape(sum, shape);
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
    if (out.numel() != 0) cpu::grid_sample(input.dtype(), s);
  }
  if (d != input.dtype()) out = to(out, input.dtype());
  const bool flat = input.dim() == 4;
  if (autograd::needs(input, grid))
    autograd::record(
        flat ? "GridSampler2DBackward0" : "GridSampler3DBackward0", out, {&input, &grid},
        [a = SavedTensor(input), b = SavedTensor(grid), interpolation, padding, align_corners, d](Grads& g) {
          const Tensor input = g.unpack(a), grid = g.unpack(b);
          if (autograd::needs(g.grad(), input, grid) && g.grad().numel() != 0) {
            const Tensor y = composed(input, grid, interpolation, padding, align_corners);
            TensorList wanted;
            for (size_t i = 0; i < 2; ++i)
              if (g.needs(i)) wanted.push_back(i ? grid : input);
            const Tensor seed = to(g.grad(), y.dtype());
            const TensorList grads = autograd::grad({&y, 1}, wanted, {&seed, 1}, true, true, true);
            for (size_t i = 0, at = 0; i < 2; ++i)
              if (g.needs(i)) g[i] = grads[at++];
            return;
          }
          const Tensor x = dense(input, d), at = dense(grid, d), grad = dense(g.grad(), d);
          cpu::GridSample s = problem(x, at, interpolation, padding, align_corners);
          const Tensor of_input = g.needs(0) ? zeros(input.sizes(), d) : Tensor();
          const Tensor of_grid = g.needs(1) ? zeros(grid.sizes(), d) : Tensor();
          s.grad = grad.data();
          s.input_grad = of_input.defined() ? of_input.data() : nullptr;
          s.grid_grad = of_grid.defined() ? of_grid.data() : nullptr;
          if (grad.numel() != 0) cpu::grid_sample_grad(input.dtype(), s);
          if (g.needs(0)) g[0] = of_input;
          if (g.needs(1)) g[1] = of_grid;
        });
  return out;
}

}  // namespace rushlight
