// The keyword arguments that all constructors share.
#pragma once

#include "bindings/memory_format.h"
#include "rushlight/creation.h"

namespace rushlight::python {

#define RL_OPTIONS \
  "dtype? dtype=None, object? layout=None, device? device=None, bool? pin_memory=False, bool? requires_grad=False"
#define RL_LIKE_OPTIONS RL_OPTIONS ", object? memory_format=None"

// What the five parameters of RL_OPTIONS say.
struct Options {
  OptDType dtype;
  Device device;
  bool requires_grad = false;

  // The result of a constructor.
  PyObject* finish(Tensor t) const {
    t.impl()->version->value.store(0, std::memory_order_relaxed);  // filling it was no change
    if (requires_grad) t.set_requires_grad(true);
    return wrap(std::move(t));
  }
};

// torch.utils.deterministic: whether uninitialised memory is filled with NaN, or the largest integer.
bool fills_uninitialized();
void fill_uninitialized_from(const Tensor& t, size_t first_byte);
// Fills what no operation has written yet, where that is asked for.
inline const Tensor& uninitialized(const Tensor& t) {
  if (fills_uninitialized()) [[unlikely]]
    fill_uninitialized_from(t, 0);
  return t;
}

// Where constructors put tensors when no device is given.
Device default_device();
// Reads RL_OPTIONS, whose dtype is parameter `at`, and checks them.
Options read_options(const Args& a, int at);
// The same for *_like and new_*: dtype and device are those of `like` where absent.
Options read_options(const Args& a, int at, const Tensor& like);

[[noreturn]] void fail_pinning();  // pin_memory=True

// For the out= form of a constructor, where `out` is parameter `at - 1`: its options must agree with it. Its dtype is
// that of the result.
Options read_out_options(const Args& a, int at);
// `out` itself, with requires_grad set where that was asked for.
PyObject* return_out(const Args& a, int at, const Options& options);
// Stores a new 1-d tensor in `out`, which keeps its shape where that has as many elements.
PyObject* store_elements(const Args& a, int at, const Options& options, const Tensor& t);

}  // namespace rushlight::python
