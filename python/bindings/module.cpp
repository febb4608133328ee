// The extension module rushlight._C.
#include "bindings/override.h"

namespace nb = nanobind;
using namespace rushlight;
using namespace rushlight::python;

namespace {

// Warnings of the core become Python warnings; one that is an error reaches the caller as such.
void python_warning(const std::string& message) {
  const PyGILState_STATE state = PyGILState_Ensure();
  const int failed = PyErr_WarnEx(PyExc_UserWarning, message.c_str(), 1);
  PyGILState_Release(state);
  if (failed < 0) throw PythonError{};
}

}  // namespace

// nanobind's entry gets another name, so that subinterpreters are refused before it replaces what is one for the
// process.
#define PyInit__C make_module

NB_MODULE(_C, m) {
  nb::set_leak_warnings(false);
  set_warning_handler(python_warning);
  bind_signals();
  nb::register_exception_translator(
      [](const std::exception_ptr& p, void*) {
        try {
          std::rethrow_exception(p);
        } catch (const Error&) {
          set_python_error();
        } catch (const std::bad_cast&) {
          set_python_error();
        } catch (const std::bad_alloc&) {
          set_python_error();
        } catch (const PythonError&) {
        }
      },
      nullptr);
  m.attr("__name__") = "rushlight";  // where users see the classes
  try {
    bind_values(m);
    bind_numpy(m);
    bind_tensor_type(m);
    bind_storage(m);
    bind_generator(m);
    register_ternary();  // before the table: conj_physical of real tensors is the tensor itself
    register_elementwise();
    register_shape();
    register_rearrange();
    register_split();
    register_view_copy();
    register_memory_format();
    register_reduce();
    register_scan();
    register_statistics();
    register_matmul();
    register_join();
    register_index();
    register_creation();
    register_construct();
    register_random();
    register_nn();
    register_special();
    register_sort();
    register_normalization();
    register_grid_sampler();
    register_contract();
    register_deprecated();
    register_segment();
    register_methods();
    register_legacy();
    register_windows();
    bind_autograd(m);
    install_functions(m.ptr());
    bind_override(m);
    m.attr("__name__") = "rushlight._C";
  } catch (const PythonError&) {
    throw nb::python_error();
  }
}

#undef PyInit__C

// Types, caches and the objects of tensors are one for the process.
extern "C" NB_EXPORT PyObject* PyInit__C() {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError,
                    "rushlight does not support subinterpreters: import it in the main interpreter only");
    return nullptr;
  }
  return make_module();
}
