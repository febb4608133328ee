#include "bindings/creation.h"

namespace rushlight::python {

namespace {

// The options begin at parameter `at`.
template <class F>
PyObject* window(const Args& a, int at, F make) {
  const Options o = read_options(a, at);
  require_backend(o.device);
  return o.finish(make(o.dtype));
}

template <Tensor (*make)(int64_t, bool, OptDType)>
PyObject* plain(Args& a) {
  return window(a, 2, [&](OptDType d) { return make(a.integer(0), a.flag(1, true), d); });
}

}  // namespace

void register_windows() {
  def("bartlett_window(int window_length, bool periodic=True, *, " RL_OPTIONS ")", plain<bartlett_window>, kFunction,
      "A triangle from 0 to 1 to 0. periodic: of window_length + 1 samples, without the last.");
  def("blackman_window(int window_length, bool periodic=True, *, " RL_OPTIONS ")", plain<blackman_window>, kFunction,
      "0.42 - 0.5 cos(2 pi i / (n - 1)) + 0.08 cos(4 pi i / (n - 1)).");
  def("hann_window(int window_length, bool periodic=True, *, " RL_OPTIONS ")", plain<hann_window>, kFunction,
      "0.5 - 0.5 cos(2 pi i / (n - 1)).");
  def(
      "hamming_window(int window_length, bool periodic=True, float alpha=0.54, float beta=0.46, *, " RL_OPTIONS ")",
      [](Args& a) {
        return window(a, 4, [&](OptDType d) {
          return hamming_window(a.integer(0), a.flag(1, true), a.number(2, 0.54), a.number(3, 0.46), d);
        });
      },
      kFunction, "alpha - beta cos(2 pi i / (n - 1)).");
  def(
      "kaiser_window(int window_length, bool periodic=True, float beta=12.0, *, " RL_OPTIONS ")",
      [](Args& a) {
        return window(a, 3,
                      [&](OptDType d) { return kaiser_window(a.integer(0), a.flag(1, true), a.number(2, 12), d); });
      },
      kFunction, "I0(beta sqrt(1 - x^2)) / I0(beta) for x from -1 to 1.");
}

}  // namespace rushlight::python
