// Methods of torch.Tensor that old programs call, and questions whose answer is always the same here.
#include "bindings/python.h"
#include "cpu/kernels.h"
#include "rushlight/shared_memory.h"

namespace rushlight::python {

namespace {

constexpr const char* kModule = "rushlight._tensor_methods";

// method(self, objects...) of the Python module above.
template <int Count>
PyObject* call_method(Args& a) {
  if constexpr (Count == 1) return call_python(kModule, a.function, a.object(0), a.object(1));
  if constexpr (Count == 2) return call_python(kModule, a.function, a.object(0), a.object(1), a.object(2));
  if constexpr (Count == 3) return call_python(kModule, a.function, a.object(0), a.object(1), a.object(2), a.object(3));
}

[[noreturn]] void fail_sparse(const Args& a) { fail(a.function, " expected sparse tensor layout but got Strided"); }

}  // namespace

void register_legacy() {
  def("apply_(Tensor self, object callable)", call_method<1>, kMethod,
      "Replaces each element x by callable(x). Slow: one Python call per element.");
  def("map_(Tensor self, Tensor other, object callable)", call_method<2>, kMethod);
  def("map2_(Tensor self, Tensor x, Tensor y, object callable)", call_method<3>, kMethod);
  def("resize_as(Tensor self, Tensor other)", call_method<1>, kMethod);
  def(
      "resize(Tensor self, int[*] size)",
      [](Args& a) {
        Owned sizes(wrap_size(a.ints(1)));
        return call_python(kModule, "resize", a.object(0), sizes.get());
      },
      kMethod);
  def(
      "dim_order(Tensor self, *, object? ambiguity_check=None) -> tuple[int, ...]",
      [](Args& a) { return call_python(kModule, "dim_order", a.object(0), a.has(1) ? a.object(1) : Py_False); },
      kMethod,
      "The dims from the outermost in memory to the innermost.\n\nambiguity_check: True raises RuntimeError where more "
      "than one order fits; a list of memory formats: where not exactly one of them fits.");
  def(
      "to_dense(Tensor self, dtype? dtype=None)",
      [](Args& a) {
        const OptDType dtype = a.dtype(1);
        return !dtype || *dtype == a.tensor(0).dtype() ? Py_NewRef(a.object(0)) : wrap(to(a.tensor(0), *dtype));
      },
      kMethod);
  def(
      "share_memory_(Tensor self)",
      [](Args& a) {
        SharedMemory::share(a.tensor(0).storage());
        return Py_NewRef(a.object(0));
      },
      kMethod,
      "Moves the storage, in place, to memory that other processes can map: those that are forked later, and those "
      "that "
      "get the tensor through rushlight.multiprocessing. Nothing happens where it is there already.");
  def(
      "pin_memory(Tensor self, device? device=None)",
      [](Args&) -> PyObject* { fail("Cannot access accelerator device when none is available."); }, kMethod);
  def(
      "const_data_ptr(Tensor self) -> int",
      [](Args& a) { return PyLong_FromVoidPtr(a.tensor(0).numel() ? a.tensor(0).raw_data() : nullptr); }, kMethod);
  def(
      "_get_cpu_capability() -> str",
      [](Args&) {
        const int level = cpu::isa_level();
        return PyUnicode_FromString(level >= 4 ? "AVX512" : level == 3 ? "AVX2" : "DEFAULT");
      },
      kFunction);
  def("_fix_weakref(Tensor self) -> None", [](Args&) { return none(); }, kMethod);
  def("is_distributed(Tensor input) -> bool", [](Args&) { return wrap_bool(false); });
  for (const char* name :
       {"is_coalesced", "coalesce", "indices", "values", "crow_indices", "col_indices", "ccol_indices", "row_indices"})
    def((new std::string(std::string(name) + "(Tensor self)"))->c_str(), [](Args& a) -> PyObject* { fail_sparse(a); },
        kMethod);
  def("sparse_dim(Tensor self) -> int", [](Args&) { return PyLong_FromLong(0); }, kMethod);
  def(
      "dense_dim(Tensor self) -> int", [](Args& a) { return PyLong_FromLong(static_cast<long>(a.tensor(0).dim())); },
      kMethod);
  def(
      "__reversed__(Tensor self)",
      [](Args& a) {
        const int64_t first = 0;
        return wrap(a.tensor(0).dim() ? flip(a.tensor(0), IntSpan(&first, 1)) : a.tensor(0));
      },
      kMethod);
  def(
      "__nonzero__(Tensor self) -> bool",
      [](Args& a) {
        const int truth = PyObject_IsTrue(a.object(0));
        if (truth < 0) throw PythonError{};
        return wrap_bool(truth != 0);
      },
      kMethod);
  def("__long__(Tensor self) -> int", [](Args& a) { return check_object(PyNumber_Long(a.object(0))); }, kMethod);
}

}  // namespace rushlight::python
