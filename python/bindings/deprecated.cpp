// Overloads of old programs: factors as positional arguments, before what they scale.
#include "bindings/python.h"
#include "rushlight/contract.h"

namespace rushlight::python {

namespace {

// Once in a process, as torch warns.
void warn_deprecated(const char* name) {
  static bool warned = false;
  if (warned) return;
  warned = true;
  warn("This overload of " + std::string(name) + " is deprecated: the factors beta and alpha are keyword arguments.");
}

using Fused = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const Scalar&, const Scalar&);

// (beta, input, alpha, first, second), (beta, input, first, second); of the methods (beta, alpha, first, second) and
// (beta, first, second).
template <Fused F>
void def_old(const std::string& name, const std::string& first, const std::string& second) {
  const std::string tensors = "Tensor " + first + ", Tensor " + second;
  def_op((name + "(Scalar beta, Tensor input, Scalar alpha, " + tensors + ", *, Tensor? out=None)").c_str(),
         [](const Args& a) {
           warn_deprecated(a.function);
           return F(a.tensor(1), a.tensor(3), a.tensor(4), a.scalar(0), a.scalar(2));
         },
         kFunction);
  def_op((name + "(Scalar beta, Tensor input, " + tensors + ", *, Tensor? out=None)").c_str(),
         [](const Args& a) {
           warn_deprecated(a.function);
           return F(a.tensor(1), a.tensor(2), a.tensor(3), a.scalar(0), Scalar(1));
         },
         kFunction);
  def_op((name + "(Tensor self, Scalar beta, Scalar alpha, " + tensors + ")").c_str(),
         [](const Args& a) {
           warn_deprecated(a.function);
           return F(a.tensor(0), a.tensor(3), a.tensor(4), a.scalar(1), a.scalar(2));
         },
         kMethod | kInPlace);
  def_op((name + "(Tensor self, Scalar beta, " + tensors + ")").c_str(),
         [](const Args& a) {
           warn_deprecated(a.function);
           return F(a.tensor(0), a.tensor(2), a.tensor(3), a.scalar(1), Scalar(1));
         },
         kMethod | kInPlace);
}

}  // namespace

void register_deprecated() {
  def_old<addmm>("addmm", "mat1", "mat2");
  def_old<addmv>("addmv", "mat", "vec");
  def_old<addbmm>("addbmm", "batch1", "batch2");
  def_old<baddbmm>("baddbmm", "batch1", "batch2");
  def_old<addr>("addr", "vec1", "vec2");
}

}  // namespace rushlight::python
