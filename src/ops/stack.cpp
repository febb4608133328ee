// Joins that first give their operands the dims they need: hstack, vstack, dstack, column_stack.
#include "ops/elementwise.h"
#include "rushlight/shape.h"

namespace rushlight {

Tensor atleast_1d(const Tensor& self) { return self.dim() == 0 ? reshape(self, DimVector{1}) : self; }

Tensor atleast_2d(const Tensor& self) {
  if (self.dim() == 0) return reshape(self, DimVector{1, 1});
  return self.dim() == 1 ? unsqueeze(self, 0) : self;
}

Tensor atleast_3d(const Tensor& self) {
  if (self.dim() == 0) return reshape(self, DimVector{1, 1, 1});
  if (self.dim() == 1) return unsqueeze(unsqueeze(self, 0), -1);
  return self.dim() == 2 ? unsqueeze(self, -1) : self;
}

namespace {

// What cat is called with.
struct Operands {
  TensorList tensors;
  int64_t dim = 0;
};

Operands prepare(const char* operation, std::span<const Tensor> tensors, Tensor (*prepare_one)(const Tensor&),
                 int64_t dim) {
  if (tensors.empty()) fail(operation, " expects a non-empty TensorList");
  Operands o;
  o.dim = dim;
  for (const Tensor& t : tensors) o.tensors.push_back(prepare_one(t));
  return o;
}

Operands for_hstack(std::span<const Tensor> tensors) {
  Operands o = prepare("hstack", tensors, atleast_1d, 0);
  o.dim = o.tensors[0].dim() == 1 ? 0 : 1;
  return o;
}
Operands for_vstack(std::span<const Tensor> tensors) { return prepare("vstack", tensors, atleast_2d, 0); }
Operands for_dstack(std::span<const Tensor> tensors) { return prepare("dstack", tensors, atleast_3d, 2); }
Operands for_column_stack(std::span<const Tensor> tensors) {
  return prepare(
      "column_stack", tensors, [](const Tensor& t) { return t.dim() <= 1 ? reshape(t, DimVector{t.numel(), 1}) : t; },
      1);
}

Tensor join(const Operands& o) { return cat(o.tensors, o.dim); }
const Tensor& join_out(const Tensor& out, const Operands& o) { return cat_out(out, o.tensors, o.dim); }

}  // namespace

Tensor hstack(std::span<const Tensor> tensors) { return join(for_hstack(tensors)); }
Tensor vstack(std::span<const Tensor> tensors) { return join(for_vstack(tensors)); }
Tensor dstack(std::span<const Tensor> tensors) { return join(for_dstack(tensors)); }
Tensor column_stack(std::span<const Tensor> tensors) { return join(for_column_stack(tensors)); }
const Tensor& hstack_out(const Tensor& out, std::span<const Tensor> tensors) {
  return join_out(out, for_hstack(tensors));
}
const Tensor& vstack_out(const Tensor& out, std::span<const Tensor> tensors) {
  return join_out(out, for_vstack(tensors));
}
const Tensor& dstack_out(const Tensor& out, std::span<const Tensor> tensors) {
  return join_out(out, for_dstack(tensors));
}
const Tensor& column_stack_out(const Tensor& out, std::span<const Tensor> tensors) {
  return join_out(out, for_column_stack(tensors));
}

}  // namespace rushlight
