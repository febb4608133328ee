#include "rushlight/saved_hooks.h"

#include "bindings/autograd.h"

namespace rushlight::python {

namespace {

class PythonHooks final : public SavedTensorHooks {
 public:
  PythonHooks(PyObject* pack, PyObject* unpack) : pack_(Py_NewRef(pack)), unpack_(Py_NewRef(unpack)) {}
  std::shared_ptr<void> pack(const Tensor& tensor) override {
    nb::gil_scoped_acquire gil;
    Owned argument(wrap(tensor));
    return std::make_shared<Shared>(raise_unless(PyObject_CallOneArg(pack_.get(), argument.get())));
  }
  Tensor unpack(const std::shared_ptr<void>& packed) override {
    nb::gil_scoped_acquire gil;
    Owned result(raise_unless(PyObject_CallOneArg(unpack_.get(), static_cast<Shared*>(packed.get())->get())));
    if (!is_tensor(result.get()))
      fail<TypeError>("Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
                      Py_TYPE(result.get())->tp_name);
    return resolve_conj(unwrap(result.get()));
  }

 private:
  Shared pack_, unpack_;
};

}  // namespace

void register_saved_hooks() {
  // What rushlight.autograd.graph is made of.
  def(
      "_push_saved_tensor_hooks(object pack_hook, object unpack_hook) -> None",
      [](Args& a) {
        for (int i = 0; i < 2; ++i)
          if (!PyCallable_Check(a.object(i))) fail<TypeError>("hooks of saved tensors must be callable");
        autograd::push_saved_tensor_hooks(std::make_shared<PythonHooks>(a.object(0), a.object(1)));
        return none();
      },
      kFunction);
  def(
      "_pop_saved_tensor_hooks() -> None",
      [](Args&) {
        autograd::pop_saved_tensor_hooks();
        return none();
      },
      kFunction);
  def(
      "_disable_saved_tensor_hooks(str? message) -> str | None",
      [](Args& a) {
        const auto before = autograd::disable_saved_tensor_hooks(a.has(0) ? std::optional<std::string>(a.text(0))
                                                                          : std::optional<std::string>());
        return before ? check_object(PyUnicode_FromStringAndSize(before->data(), std::ssize(*before))) : none();
      },
      kFunction);
  def(
      "_bump_version(Tensor input) -> None",
      [](Args& a) {
        a.tensor(0).bump_version("increment_version");
        return none();
      },
      kFunction);
}

}  // namespace rushlight::python
