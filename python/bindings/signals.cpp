// Letting other Python threads run during long work, and looking for signals (Ctrl-C) meanwhile.
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <exception>

#include "bindings/python.h"
#include "core/thread_pool.h"
#include "cpu/loop_plan.h"

namespace rushlight::python {

namespace {

using Clock = std::chrono::steady_clock;
// Taking the lock of the interpreter costs other threads time.
constexpr auto kInterval = std::chrono::milliseconds(50);

unsigned long g_main_thread = 0;  // the one whose Python code signals interrupt
thread_local PyThreadState* t_released = nullptr;
thread_local Clock::time_point t_next;
thread_local bool t_interrupted = false;

void look_for_signals() {
  if (Clock::now() < t_next) return;
  // A signal handler of the program may do long work of its own.
  detail::between_chunks = nullptr;
  PyThreadState* const state = t_released;
  PyEval_RestoreThread(state);
  std::exception_ptr raised;
  if (PyErr_CheckSignals() < 0) {
    t_interrupted = true;
    raised = std::make_exception_ptr(nb::python_error());
  }
  PyEval_SaveThread();
  t_released = state;
  detail::between_chunks = look_for_signals;
  t_next = Clock::now() + kInterval;
  if (raised) std::rethrow_exception(raised);
}

void* release_lock() {
  if (!PyGILState_Check()) return nullptr;
  PyThreadState* state = PyEval_SaveThread();
  if (PyThread_get_thread_ident() == g_main_thread) {
    t_released = state;
    t_next = Clock::now() + kInterval;
    detail::between_chunks = look_for_signals;
  }
  return state;
}

// While the interpreter shuts down, Python ends other threads here by unwinding them, which the functions above do not
// survive: such a thread waits for the end of the process instead.
void take_lock(void* state) {
  if (!state) return;
  detail::between_chunks = nullptr;
  try {
    PyEval_RestoreThread(static_cast<PyThreadState*>(state));
  } catch (...) {
    for (;;) pause();
  }
}

void look_between_nodes() {
  if (PyThread_get_thread_ident() != g_main_thread || !PyGILState_Check()) return;
  if (PyErr_CheckSignals() < 0) throw nb::python_error();
}

}  // namespace

void bind_signals() {
#if defined(__linux__) && defined(PY_HAVE_THREAD_NATIVE_ID)
  const bool here = PyThread_get_thread_native_id() == static_cast<unsigned long>(getpid());
#else
  const bool here = false;
#endif
  // threading takes longer to import than all of this module; it is asked only on other threads.
  g_main_thread = here ? PyThread_get_thread_ident()
                       : nb::cast<unsigned long>(nb::module_::import_("threading").attr("main_thread")().attr("ident"));
  pthread_atfork(nullptr, nullptr, [] { g_main_thread = PyThread_get_thread_ident(); });
  cpu::g_blocking_hooks = {release_lock, take_lock};
  detail::between_nodes = look_between_nodes;
}

void count_change(PyObject* written) {
  if (!written) return;
  if (is_tensor(written)) {
    unwrap(written).bump_version("an interrupted operation");
  } else if (PyTuple_Check(written) || PyList_Check(written)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(written); ++i)
      if (PyObject* item = PySequence_Fast_GET_ITEM(written, i); is_tensor(item))
        unwrap(item).bump_version("an interrupted operation");
  }
}

bool take_interrupted() { return std::exchange(t_interrupted, false); }

}  // namespace rushlight::python
