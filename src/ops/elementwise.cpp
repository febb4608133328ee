#include "ops/elementwise.h"

#include "cpu/loop_plan.h"
#include "cpu/unsigned_kernels.h"
#include "layout/layout.h"
#include "ops/inplace.h"
#include "rushlight/shape.h"

namespace rushlight {

namespace {

enum class Promotion : uint8_t { Same, Float, Bool, Real, FloatReal, Integral, Rounding };

struct Info {
  const char* name;
  const char* inplace_name;
  const char* node;
  Promotion promotion;
};

constexpr Info kUnary[] = {
#define RL_UNARY(Name, function, node, promotion, derivative, forms) \
  {#function, #function "_", node, Promotion::promotion},
#include "rushlight/elementwise.def"
};
constexpr Info kBinary[] = {
#define RL_BINARY(Name, function, node, promotion, derivative, forms) \
  {#function, #function "_", node, Promotion::promotion},
#include "rushlight/elementwise.def"
};

const Info& info(UnaryOp op) { return kUnary[static_cast<int>(op)]; }
const Info& info(BinaryOp op) { return kBinary[static_cast<int>(op)]; }

[[noreturn, gnu::cold]] void fail_dtype(const char* name, DType dtype) {
  fail<NotImplementedError>("\"", name, "\" not implemented for '", dtype, "'");
}

// Operations whose bits are the same for signed and unsigned operands.
bool modular(BinaryOp op) {
  switch (op) {
    case BinaryOp::Mul:
    case BinaryOp::Eq:
    case BinaryOp::Ne:
    case BinaryOp::BitwiseAnd:
    case BinaryOp::BitwiseOr:
    case BinaryOp::BitwiseXor: return true;
    default: return false;
  }
}
// Those of one operand whose kernel may read unsigned numbers as signed ones.
bool sign_free(UnaryOp op) {
  switch (op) {
    case UnaryOp::Positive:
    case UnaryOp::ConjPhysical:
    case UnaryOp::Floor:
    case UnaryOp::Ceil:
    case UnaryOp::Round:
    case UnaryOp::Trunc:
    case UnaryOp::IsNan:
    case UnaryOp::IsInf:
    case UnaryOp::IsFinite:
    case UnaryOp::IsPosInf:
    case UnaryOp::IsNegInf:
    case UnaryOp::IsReal: return true;
    default: return false;
  }
}
// The modular operations of the wide unsigned types borrow the kernels of their signed twins.
DType signed_twin(DType d) {
  switch (d) {
    case DType::UInt16: return DType::Int16;
    case DType::UInt32: return DType::Int32;
    case DType::UInt64: return DType::Int64;
    default: return d;
  }
}

DType promote(Promotion promotion, DType d) {
  switch (promotion) {
    case Promotion::Float: return is_integral(d, true) ? default_dtype() : d;
    case Promotion::Bool: return DType::Bool;
    case Promotion::Real: return to_real(d);
    case Promotion::FloatReal: return is_integral(d, true) ? default_dtype() : to_real(d);
    default: return d;
  }
}

class UnaryNode final : public Node, public Inspectable {
 public:
  UnaryNode(UnaryOp op, const Tensor& self) : op_(op) {
    const Tensor* inputs[1] = {&self};
    autograd::connect(*this, inputs);
  }
  const char* name() const override { return info(op_).node; }
  void apply(std::span<const Tensor> grads, std::span<Tensor> out) override {
    if (!grads[0].defined() || !needs(0)) return;
    const UnaryRule& r = rule(op_);
    if ((r.input && !input.defined()) || (r.result && !result.defined())) autograd::fail_graph_freed();
    out[0] =
        r.derivative(grads[0], r.input ? input.unpack(*this) : Tensor(), r.result ? result.unpack(*this) : Tensor());
  }
  void release_saved() override {
    input.reset();
    result.reset();
  }
  void inspect(Inspector& inspector) const override {
    inspector.saved(input);
    inspector.saved(result);
  }
  SavedTensor* saved_as(std::string_view name) override {
    const UnaryRule& r = rule(op_);
    return name == "self" && r.input ? &input : name == "result" && r.result ? &result : nullptr;
  }
  SavedTensor input, result;

 private:
  UnaryOp op_;
};

// Comparisons have a derivative, which is zero, only where they change a tensor in place.
bool is_comparison(BinaryOp op) { return op >= BinaryOp::Eq && op <= BinaryOp::Ge; }
bool is_logical(BinaryOp op) { return op >= BinaryOp::LogicalAnd && op <= BinaryOp::LogicalXor; }
constexpr const char* kComparisonNodes[][2] = {{"EqBackward0", "EqBackward1"}, {"NeBackward0", "NeBackward1"},
                                               {"LtBackward0", "LtBackward1"}, {"LeBackward0", "LeBackward1"},
                                               {"GtBackward0", "GtBackward1"}, {"GeBackward0", "GeBackward1"}};
constexpr BinaryRule kComparison{0, 0, 0, [](BinaryGrad& g) {
                                   if (g.wants_a) g.grad_a = zeros_like(g.grad);
                                   if (g.wants_b) g.grad_b = zeros_like(g.grad);
                                 }};

struct SavedOperand {
  SavedTensor tensor;
  Scalar number;
  bool is_tensor = false;
};

class BinaryNode final : public Node, public Inspectable {
 public:
  BinaryNode(BinaryOp op, const Operand& left, const Operand& right, const Scalar& alpha) : op_(op), alpha_(alpha) {
    const Tensor none;
    const Tensor* inputs[2] = {left.is_tensor() ? &left.tensor() : &none, right.is_tensor() ? &right.tensor() : &none};
    autograd::connect(*this, inputs);
    a.is_tensor = left.is_tensor();
    b.is_tensor = right.is_tensor();
    if (!a.is_tensor) a.number = left.number();
    if (!b.is_tensor) b.number = right.number();
  }
  const char* name() const override {
    if (is_comparison(op_))
      return kComparisonNodes[static_cast<int>(op_) - static_cast<int>(BinaryOp::Eq)][b.is_tensor];
    if (op_ == BinaryOp::Pow && !b.is_tensor) return "PowBackward0";
    if (op_ == BinaryOp::Pow && !a.is_tensor) return "PowBackward2";
    if (op_ == BinaryOp::Remainder && b.is_tensor) return "RemainderBackward1";
    if (op_ == BinaryOp::Fmod && b.is_tensor) return "FmodBackward1";
    if (op_ == BinaryOp::Copysign && !b.is_tensor) return "CopysignBackward1";
    if (op_ == BinaryOp::Xlogy && !a.is_tensor) return "XlogyBackward1";
    if (op_ == BinaryOp::Xlogy && !b.is_tensor) return "XlogyBackward2";
    return info(op_).node;
  }
  void apply(std::span<const Tensor> grads, std::span<Tensor> out) override {
    if (!grads[0].defined()) return;
    const BinaryRule& r = is_comparison(op_) ? kComparison : rule(op_);
    if (released_ && saved_) autograd::fail_graph_freed();
    const Tensor ta = a.tensor.unpack(*this), tb = b.tensor.unpack(*this), tr = result.unpack(*this);
    BinaryGrad g{grads[0], operand(a, ta), operand(b, tb), tr, alpha_, needs(0), needs(1), {}, {}};
    r.derivative(g);
    if (g.wants_a) out[0] = std::move(g.grad_a);
    if (g.wants_b) out[1] = std::move(g.grad_b);
  }
  void release_saved() override {
    // Factors are kept in torch, numbers too.
    const bool number = (op_ == BinaryOp::Mul || op_ == BinaryOp::Div) && !(a.is_tensor && b.is_tensor);
    saved_ = saved_ || number || a.tensor.defined() || b.tensor.defined() || result.defined();
    a.tensor.reset();
    b.tensor.reset();
    result.reset();
    released_ = true;
  }
  void inspect(Inspector& inspector) const override {
    inspector.saved(a.tensor);
    inspector.saved(b.tensor);
    inspector.saved(result);
  }
  SavedTensor* saved_as(std::string_view name) override {
    return name == "self"                   ? &a.tensor
           : name == "other" && b.is_tensor ? &b.tensor
           : name == "result"               ? &result
                                            : nullptr;
  }
  SavedOperand a, b;
  SavedTensor result;

 private:
  static Operand operand(const SavedOperand& s, const Tensor& t) {
    return s.is_tensor ? Operand(t) : Operand(s.number);
  }

  BinaryOp op_;
  bool released_ = false;
  bool saved_ = false;  // there was something to release
  Scalar alpha_;
};

void check_same_device(const char* name, const Tensor& a, const Tensor& b) {
  if (a.device() != b.device() && a.dim() != 0 && b.dim() != 0)
    fail(name, ": Expected all tensors to be on the same device, but found at least two devices, ", a.device().str(),
         " and ", b.device().str(), "!");
}

}  // namespace

const char* function_name(UnaryOp op) { return info(op).name; }
const char* function_name(BinaryOp op) { return info(op).name; }

namespace {

// The dtypes of out= beyond what can be cast: most operations that keep the dtype want it, tests with an infinity want
// bool.
void check_unary_out(UnaryOp op, const Tensor& self, const Tensor& out) {
  const DType own = self.dtype(), given = out.dtype();
  switch (op) {
    case UnaryOp::Abs:
      if (is_complex(own) && is_floating_point(given)) return;
      [[fallthrough]];
    case UnaryOp::Neg:
    case UnaryOp::Sign:
    case UnaryOp::Sgn:
    case UnaryOp::Floor:
    case UnaryOp::Ceil:
    case UnaryOp::Round:
    case UnaryOp::Trunc:
    case UnaryOp::Frac:
    case UnaryOp::BitwiseNot:
    case UnaryOp::ConjPhysical:
      if (given != own) fail("Found dtype ", given, " but expected ", own);
      return;
    case UnaryOp::IsPosInf:
    case UnaryOp::IsNegInf:
    case UnaryOp::Signbit:
      if (given != DType::Bool) fail(info(op).name, " does not support non-boolean outputs.");
      return;
    default: return;
  }
}

// Refusals of complex numbers that come before all questions about out=.
void check_real_only(UnaryOp op) {
  switch (op) {
    case UnaryOp::Sign:
      fail<NotImplementedError>(
          "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.");
    case UnaryOp::Signbit: fail<NotImplementedError>("signbit is not implemented for complex tensors.");
    case UnaryOp::Floor:
    case UnaryOp::Ceil:
    case UnaryOp::Trunc: fail<NotImplementedError>(info(op).name, " is not supported for complex inputs");
    default: return;
  }
}

// out= of another dtype than a result that no loop writes (half precision, wide unsigned numbers): rounded or wrapped
// first, as without out=.
void store_rounded(const Tensor& out, const Tensor& result) {
  NoGradGuard no_grad;
  copy_(out, result);
}

}  // namespace

Tensor unary(UnaryOp op, const Tensor& self, Target target) {
  const Info& in = info(op);
  const DType own = self.dtype();
  const DType result_dtype = promote(in.promotion, own);
  const bool floats = in.promotion == Promotion::Float || in.promotion == Promotion::FloatReal;
  // The kernel reads this type and writes that one.
  DType reads = kernel_dtype(floats && is_integral(own, true) ? result_dtype : own);
  if (static_cast<int>(reads) >= kNumComputeDTypes && sign_free(op)) [[unlikely]]
    reads = signed_twin(reads);
  // Half precision computes in float32, except where it has a loop of its own.
  if (reads != own && is_floating_point(own) && static_cast<int>(own) < kNumComputeDTypes &&
      cpu::elementwise().unary[static_cast<int>(op)][static_cast<int>(own)])
    reads = own;
  const DType writes = in.promotion == Promotion::Bool                                           ? DType::Bool
                       : in.promotion == Promotion::Real || in.promotion == Promotion::FloatReal ? to_real(reads)
                                                                                                 : reads;
  const cpu::Loop loop = static_cast<int>(reads) < kNumComputeDTypes
                             ? cpu::elementwise().unary[static_cast<int>(op)][static_cast<int>(reads)]
                             : cpu::unsigned_unary(op, reads);
  if (is_complex(own) && !loop) [[unlikely]]
    check_real_only(op);
  if (target.kind == Target::Kind::Out) [[unlikely]] {
    check_unary_out(op, self, *target.tensor);
    if (!loop) check_cast(result_dtype, *target.tensor);
  }
  if (!loop) [[unlikely]] {
    if (op == UnaryOp::Square && own == DType::Bool) return binary(BinaryOp::Pow, self, Operand(2), target);
    if (op == UnaryOp::Neg && own == DType::Bool)
      fail(
          "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
          "`~` or `logical_not()` operator instead.");
    if (op == UnaryOp::Relu && own == DType::Bool) fail("Boolean inputs not supported for relu");
    if (op == UnaryOp::Positive && own == DType::Bool) fail("The `+` operator, on a bool tensor is not supported.");
    if ((op == UnaryOp::Deg2rad || op == UnaryOp::Rad2deg) && is_complex(own))
      fail(in.name, " is not supported for complex tensors.");
    if ((op == UnaryOp::IsPosInf || op == UnaryOp::IsNegInf) && is_complex(own))
      fail(in.name, " does not support complex inputs.");
    // Overlap is told before dtypes, as in torch.
    if (target.kind == Target::Kind::InPlace) layout::check_writable(self);
    if (target.kind == Target::Kind::Out) {
      layout::check_writable(*target.tensor);
      check_no_partial_overlap(*target.tensor, self);
    }
    fail_dtype(in.name, own);
  }
  check_cpu(in.name, self);
  const bool record = autograd::needs(self) && rule(op).derivative;
  UnaryNode* node = nullptr;  // made before the kernel runs where that changes self
  Ref<Node> owner;
  autograd::Undo undo;
  Tensor out;
  switch (target.kind) {
    case Target::Kind::Fresh:
      out = self.is_contiguous() ? empty(self.sizes(), result_dtype)
                                 : empty_like_operands(self.sizes(), result_dtype, {&self});
      break;
    case Target::Kind::InPlace:
      out = self;
      if (op == UnaryOp::LogicalNot)
        autograd::check_not_inference(self);
      else
        autograd::check_inplace(self);
      if (op == UnaryOp::Abs && is_complex(own)) fail("In-place abs is not supported for complex tensors.");
      if (record) {
        owner = Ref<Node>::adopt(node = new UnaryNode(op, self));
        if (rule(op).input) node->input = SavedTensor(clone(self));
        undo = autograd::Undo(self, rule(op).result);
      }
      check_inplace_result(in.name, self, self.sizes(), result_dtype);
      break;
    case Target::Kind::Out:
      out = *target.tensor;
      cpu::check_conversion(own, reads);
      prepare_out(in.name, out, self.sizes(), result_dtype, {&self}, rule(op).derivative);
      if (writes != result_dtype && out.dtype() != result_dtype) [[unlikely]] {
        store_rounded(out, unary(op, self));
        return out;
      }
      break;
  }
  if (self.is_contiguous() && out.is_contiguous() && reads == own && writes == out.dtype()) [[likely]] {
    char* const data[2] = {out.data(), self.data()};
    const int64_t sizes[2] = {item_size(writes), item_size(reads)};
    cpu::run_contiguous(loop, nullptr, self.numel(), data, sizes, 2);
  } else {
    const cpu::LoopArg args[2] = {cpu::LoopArg(out, writes), cpu::LoopArg(self, reads)};
    cpu::run_loop(loop, nullptr, self.sizes(), args, 2);
  }
  if (target.kind != Target::Kind::Fresh)
    out.bump_version(target.kind == Target::Kind::InPlace ? in.inplace_name : in.name);
  if (record && target.kind == Target::Kind::Fresh) {
    owner = Ref<Node>::adopt(node = new UnaryNode(op, self));
    if (rule(op).input) node->input = SavedTensor(self);
    autograd::set_history(out, owner);
    if (rule(op).result) node->result = SavedTensor::result(out);
  } else if (node) {
    if (rule(op).result) node->result = undo.keep_result(out);
    autograd::rebase_history(out, owner);
  }
  return out;
}

namespace {

void check_binary(BinaryOp op, const Operand& a, const Operand& b, Target target, DType common, const Scalar& alpha) {
  auto is_bool = [](const Operand& o) {
    return o.is_tensor() ? o.tensor().dtype() == DType::Bool : o.number().is_bool();
  };
  if (op == BinaryOp::Sub && (is_bool(a) || is_bool(b))) {
    if (is_bool(a) && is_bool(b))
      fail(
          "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
          "operator instead.");
    fail(
        "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
        "the `~` or `logical_not()` operator instead.");
  }
  if (op == BinaryOp::Heaviside) {
    const Tensor* out = target.kind == Target::Kind::Out ? target.tensor : nullptr;
    if (is_complex(common) || (out && is_complex(out->dtype())))
      fail("heaviside is not yet implemented for complex tensors.");
    if ((a.is_tensor() && b.is_tensor() && a.tensor().dtype() != b.tensor().dtype()) || (out && out->dtype() != common))
      fail("heaviside is not yet implemented for tensors with different dtypes.");
  }
  if (op == BinaryOp::Add || op == BinaryOp::Sub) {
    if (alpha.is_bool() && common != DType::Bool) fail("Boolean alpha only supported for Boolean results.");
    if (!is_floating_point(common) && !is_complex(common) && !alpha.is_integral(true))
      fail("For integral input tensors, argument alpha must not be a floating point number.");
    if (!is_complex(common) && alpha.is_complex())
      fail("For non-complex input tensors, argument alpha must not be a complex number.");
  }
  if (op == BinaryOp::Pow && is_integral(common, true) && !b.is_tensor() && b.number().to_int() < 0)
    fail("Integers to negative integer powers are not allowed.");
  if ((op == BinaryOp::FloorDivide || op == BinaryOp::DivTrunc || op == BinaryOp::Remainder || op == BinaryOp::Fmod) &&
      is_integral(common, false)) {
    // Kernels never divide by zero; whether one would have is asked first.
    bool zero = false;
    if (!a.is_tensor() || a.tensor().numel() > 0)
      zero = !b.is_tensor()           ? b.number().to_int() == 0
             : b.tensor().numel() > 0 ? !all(b.tensor()).item().to_bool()
                                      : false;
    if (zero) fail("ZeroDivisionError");
  }
}

[[noreturn, gnu::cold]] void fail_binary_dtype(BinaryOp op, const Tensor* a, const Tensor* b, Target target,
                                               DType dtype) {
  // Shapes that do not fit are told first, as in torch.
  if (a && b) {
    const DimVector shape = layout::broadcast_shapes(a->sizes(), b->sizes());
    if (target.kind == Target::Kind::InPlace) {
      check_inplace_result(info(op).name, *a, shape, a->dtype());
      check_no_partial_overlap(*a, *b);
    }
  }
  if (target.kind == Target::Kind::Out && info(op).promotion != Promotion::Bool) check_cast(dtype, *target.tensor);
  const bool extreme =
      op == BinaryOp::Maximum || op == BinaryOp::Minimum || op == BinaryOp::Fmax || op == BinaryOp::Fmin;
  if (extreme && is_complex(dtype)) fail(info(op).name, " not implemented for complex tensors.");
  fail_dtype(info(op).name, dtype);
}

}  // namespace

namespace {

[[gnu::noinline]] void check_changed(BinaryOp op, const Tensor& a, const Tensor* b) {
  if (is_logical(op))
    autograd::check_not_inference(a);
  else
    autograd::check_inplace(a, b && autograd::needs(*b));
}

// How an operation that writes its first operand is recorded.
struct InPlaceRecord {
  // Before it writes. wanted: bit 0 for the gradient of a, bit 1 for that of b.
  InPlaceRecord(BinaryOp op, const BinaryRule& r, const Operand& a, const Operand& b, uint8_t wanted,
                const Scalar& alpha)
      : node(new BinaryNode(op, a, b, alpha)), owner(Ref<Node>::adopt(node)) {
    const Tensor& self = a.tensor();
    const bool keeps_b = b.is_tensor() && (r.b & wanted);
    const bool b_changes = keeps_b && layout::overlap(self, b.tensor()) == layout::Overlap::Full;
    Tensor old;
    if ((r.a & wanted) || b_changes) old = clone(self);
    if (r.a & wanted) node->a.tensor = SavedTensor(old);
    if (keeps_b) node->b.tensor = SavedTensor(b_changes ? old : b.tensor());
    // Other elements of the same memory: its version is about to move without them.
    if (keeps_b && !b_changes && b.tensor().impl()->version == self.impl()->version && !node->b.tensor.packed())
      beside = b.tensor();
    keeps_result = r.result & wanted;
    undo = autograd::Undo(self, keeps_result);
  }
  void finish(const Tensor& self) {
    if (beside.defined()) node->b.tensor = SavedTensor(beside);
    if (keeps_result) node->result = undo.keep_result(self);
    autograd::rebase_history(self, owner);
  }

  BinaryNode* node;
  Ref<Node> owner;
  Tensor beside;
  bool keeps_result;
  autograd::Undo undo;
};

}  // namespace

Tensor binary(BinaryOp op, const Operand& a, const Operand& b, Target target, const Scalar& alpha) {
  const Info& in = info(op);
  const Tensor* ta = a.is_tensor() ? &a.tensor() : nullptr;
  const Tensor* tb = b.is_tensor() ? &b.tensor() : nullptr;
  if (target.kind == Target::Kind::InPlace) check_changed(op, *ta, tb);
  const bool plain_alpha = alpha.kind() == Scalar::Kind::Int && alpha.to_int() == 1;
  const DType common = ta && tb && ta->dtype() == tb->dtype() ? ta->dtype() : result_type({&a, &b});
  const DType computed = in.promotion == Promotion::Float && is_integral(common, true) ? default_dtype() : common;
  const DType result_dtype = in.promotion == Promotion::Bool ? DType::Bool : computed;
  const cpu::ElementwiseTable& table = cpu::elementwise();
  DType reads = computed;
  if (static_cast<int>(computed) >= kNumComputeDTypes) [[unlikely]] {
    reads = modular(op) ? signed_twin(kernel_dtype(computed)) : kernel_dtype(computed);
  } else if (!table.binary[static_cast<int>(op)][static_cast<int>(computed)]) {
    reads = kernel_dtype(computed);  // half precision computes in float32, except where it has a loop of its own
  }
  DType writes = in.promotion == Promotion::Bool ? DType::Bool : reads;
  cpu::Loop loop = static_cast<int>(reads) < kNumComputeDTypes
                       ? table.binary[static_cast<int>(op)][static_cast<int>(reads)]
                       : cpu::unsigned_binary(op, reads);
  const bool one_dtype = ta && tb && ta->dtype() == tb->dtype();
  if (!plain_alpha || is_integral(common, true) || !loop || op == BinaryOp::Heaviside ||
      (!one_dtype && op == BinaryOp::Sub)) [[unlikely]]
    check_binary(op, a, b, target, common, alpha);
  if (!loop && op == BinaryOp::Pow && common == DType::Bool && ta && !tb) {
    // The shortcuts of torch: x ** False is True, x ** True is x.
    const Tensor result = b.number().to_bool() ? clone(*ta) : ones_like(*ta);
    if (target.kind == Target::Kind::Fresh) return result;
    if (target.kind == Target::Kind::InPlace)
      copy_(*ta, result);
    else
      finish_out(in.name, *target.tensor, result);
    return *target.tensor;
  }
  if (!loop || (in.promotion == Promotion::Integral && !is_integral(common, true))) [[unlikely]]
    fail_binary_dtype(op, ta, tb, target, loop ? common : computed);
  if (ta) check_cpu(in.name, *ta);
  if (tb) check_cpu(in.name, *tb);
  if (ta && tb) check_same_device(in.name, *ta, *tb);

  // add and sub with a factor are one loop with a parameter.
  alignas(16) char factor[16];
  const void* params = nullptr;
  if (!plain_alpha && (op == BinaryOp::Add || op == BinaryOp::Sub)) {
    if (common == DType::Bool) {
      if (!alpha.to_bool()) return binary(op, a, tb ? Operand(zeros_like(*tb)) : Operand(false), target);
    } else {
      const Scalar value = op == BinaryOp::Sub ? -alpha : alpha;
      value.check_fits(common);
      if (reads != computed && static_cast<int>(computed) < kNumComputeDTypes &&
          table.add_scaled[static_cast<int>(computed)])
        reads = writes = computed;
      value.store(reads, factor);
      params = factor;
      loop = table.add_scaled[static_cast<int>(signed_twin(reads))];
    }
  }

  // Squares are products.
  const bool square = op == BinaryOp::Pow && ta && !tb && !is_integral(common, true) && b.number().equals(2);
  if (square) loop = table.binary[static_cast<int>(BinaryOp::Mul)][static_cast<int>(reads)];

  const bool inplace = target.kind == Target::Kind::InPlace;
  const BinaryRule& r = inplace && is_comparison(op) ? kComparison : rule(op);
  // Bit 0: the gradient of a is wanted, bit 1: that of b.
  const uint8_t wanted =
      !r.derivative ? 0 : (ta && autograd::needs(*ta) ? 1 : 0) | (tb && autograd::needs(*tb) ? 2 : 0);
  const bool record = wanted != 0;
  std::optional<InPlaceRecord> recording;
  if (inplace && record) [[unlikely]]
    recording.emplace(op, r, a, b, wanted, alpha);

  alignas(16) char number[2][16];
  const Operand* const operands[2] = {&a, &b};
  const Tensor* const tensors[2] = {ta, tb};
  for (int i = 0; i < 2; ++i)
    if (!tensors[i]) {
      const Scalar& s = operands[i]->number();
      // Integers that do not fit wrap, as in torch; exponents must fit.
      if (op == BinaryOp::Pow && i == 1) {
        if (is_integral(reads, true) && !s.is_wide()) s.check_fits(computed);
        params = number[1];
      }
      // Numbers beside half precision are rounded to it, except factors and divisors.
      const bool factor = op == BinaryOp::Mul || (i == 1 && (op == BinaryOp::Div || op == BinaryOp::FloorDivide));
      if (computed != reads && is_floating_point(computed) && !factor) {
        s.store(computed, number[i]);
        Scalar::load(computed, number[i]).store(reads, number[i]);
      } else {
        s.store(reads, number[i]);
      }
    }

  const bool same_shape = ta && tb && equal(ta->sizes(), tb->sizes());
  DimVector broadcast;
  IntSpan shape;
  if (same_shape || !tb) {
    shape = ta ? ta->sizes() : IntSpan();
  } else if (!ta) {
    shape = tb->sizes();
  } else {
    broadcast = layout::broadcast_shapes(ta->sizes(), tb->sizes());
    shape = broadcast;
  }

  Tensor out;
  switch (target.kind) {
    case Target::Kind::Fresh:
      if ((!ta || ta->is_contiguous()) && (!tb || tb->is_contiguous()) &&
          (same_shape || shape.size() < 2 || ((!ta || is_row_major(*ta)) && (!tb || is_row_major(*tb)))))
        out = empty(shape, result_dtype);
      else
        out = ta && tb ? empty_like_operands(shape, result_dtype, {ta, tb})
                       : empty_like_operands(shape, result_dtype, {ta ? ta : tb}, true);
      break;
    case Target::Kind::InPlace:
      out = *ta;
      check_inplace_result(in.name, out, shape, result_dtype);
      if (tb) check_no_partial_overlap(out, *tb);
      break;
    case Target::Kind::Out: {
      out = *target.tensor;
      const bool differentiable = r.derivative && op != BinaryOp::FloorDivide && op != BinaryOp::Heaviside;
      for (const Tensor* t : {ta, tb})
        if (t) cpu::check_conversion(t->dtype(), reads);
      if (ta && tb)
        prepare_out(in.name, out, shape, result_dtype, {ta, tb}, differentiable);
      else if (!ta && !tb)
        prepare_out(in.name, out, shape, result_dtype, {}, differentiable);
      else
        prepare_out(in.name, out, shape, result_dtype, {ta ? ta : tb}, differentiable);
      if (writes != result_dtype && out.dtype() != result_dtype) [[unlikely]] {
        store_rounded(out, binary(op, a, b, {}, alpha));
        return out;
      }
      if (!broadcast.empty()) shape = broadcast;
      break;
    }
  }
  if (target.kind == Target::Kind::Out && broadcast.empty()) shape = out.sizes();

  const bool dense = (same_shape || !ta || !tb) && out.is_contiguous() && out.dtype() == writes &&
                     (!ta || (ta->is_contiguous() && ta->dtype() == reads)) &&
                     (!tb || (tb->is_contiguous() && tb->dtype() == reads));
  if (dense) [[likely]] {
    const int64_t item = item_size(reads);
    char* const data[3] = {out.data(), ta ? ta->data() : number[0], tb ? tb->data() : square ? ta->data() : number[1]};
    const int64_t sizes[3] = {item_size(writes), ta ? item : 0, tb || square ? item : 0};
    cpu::run_contiguous(loop, params, out.numel(), data, sizes, 3);
  } else {
    const cpu::LoopArg args[3] = {cpu::LoopArg(out, writes),
                                  ta ? cpu::LoopArg(*ta, reads) : cpu::LoopArg(number[0], reads),
                                  tb       ? cpu::LoopArg(*tb, reads)
                                  : square ? cpu::LoopArg(*ta, reads)
                                           : cpu::LoopArg(number[1], reads)};
    cpu::run_loop(loop, params, shape, args, 3);
  }
  if (target.kind != Target::Kind::Fresh)
    out.bump_version(target.kind == Target::Kind::InPlace ? in.inplace_name : in.name);
  if (recording) {
    recording->finish(out);
  } else if (record && target.kind == Target::Kind::Fresh) {
    auto* node = new BinaryNode(op, a, b, alpha);
    auto owner = Ref<Node>::adopt(node);
    if (ta && (r.a & wanted)) node->a.tensor = SavedTensor(*ta);
    if (tb && (r.b & wanted)) node->b.tensor = SavedTensor(*tb);
    autograd::set_history(out, owner);
    if (r.result & wanted) node->result = SavedTensor::result(out);
  }
  return out;
}

// ---- the public functions of the table
#define RL_UNARY(Name, function, node, promotion, derivative, forms)         \
  Tensor function(const Tensor& self) { return unary(UnaryOp::Name, self); } \
  const Tensor& function##_(const Tensor& self) {                            \
    unary(UnaryOp::Name, self, {Target::Kind::InPlace, &self});              \
    return self;                                                             \
  }                                                                          \
  const Tensor& function##_out(const Tensor& out, const Tensor& self) {      \
    unary(UnaryOp::Name, self, {Target::Kind::Out, &out});                   \
    return out;                                                              \
  }
#define RL_BINARY(Name, function, node, promotion, derivative, forms)                                        \
  Tensor function(const Operand& self, const Operand& other) { return binary(BinaryOp::Name, self, other); } \
  const Tensor& function##_(const Tensor& self, const Operand& other) {                                      \
    binary(BinaryOp::Name, self, other, {Target::Kind::InPlace, &self});                                     \
    return self;                                                                                             \
  }                                                                                                          \
  const Tensor& function##_out(const Tensor& out, const Operand& self, const Operand& other) {               \
    binary(BinaryOp::Name, self, other, {Target::Kind::Out, &out});                                          \
    return out;                                                                                              \
  }
#include "rushlight/elementwise.def"

Tensor add(const Operand& self, const Operand& other, const Scalar& alpha) {
  return binary(BinaryOp::Add, self, other, {}, alpha);
}
Tensor sub(const Operand& self, const Operand& other, const Scalar& alpha) {
  return binary(BinaryOp::Sub, self, other, {}, alpha);
}
Tensor rsub(const Tensor& self, const Operand& other, const Scalar& alpha) {
  return binary(BinaryOp::Sub, other, self, {}, alpha);
}
Tensor div(const Operand& self, const Operand& other, std::string_view rounding) {
  if (rounding.empty()) return div(self, other);
  if (rounding == "trunc") return div_trunc(self, other);
  if (rounding == "floor") return floor_divide(self, other);
  fail("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", rounding, "'");
}

}  // namespace rushlight
