#include "cpu/random.h"

#include "bindings/memory_format.h"
#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight::python {

namespace {

PyObject* g_default_generator = nullptr;

void check_float(const char* name, DType d) {
  if (!is_floating_point(d) && !is_complex(d))
    fail<NotImplementedError>("\"", name, "\" not implemented for '", d, "'");
}

// Fills happen in memory order: dense memory directly, everything else through a dense copy.
template <class F>
void fill_memory(const char* operation, const Tensor& t, F&& fill) {
  layout::check_writable(t);
  autograd::check_inplace(t);
  if (t.is_non_overlapping_and_dense()) {
    fill(t.data(), t.dtype(), t.numel());
  } else {
    NoGradGuard no_grad;
    const Tensor dense = empty(t.sizes(), t.dtype());
    fill(dense.data(), dense.dtype(), dense.numel());
    copy_(t, dense);
    return;
  }
  t.bump_version(operation);
}

void uniform_into(const Tensor& t, double low, double high, Generator g) {
  check_float("check_uniform_bounds", t.dtype());
  fill_memory("uniform_", t, [&](void* out, DType d, int64_t n) mutable { cpu::uniform(out, d, n, low, high, g); });
}
void normal_into(const Tensor& t, double mean, double std, Generator g) {
  check_float("normal_kernel_cpu", t.dtype());
  if (!(std >= 0)) fail("normal expects std >= 0.0, but found std ", std);
  fill_memory("normal_", t, [&](void* out, DType d, int64_t n) mutable {
    if (t.is_contiguous())
      cpu::normal(out, d, n, mean, std, g);
    else
      cpu::normal_serial(out, d, n, mean, std, g);
  });
}
void integers_into(const Tensor& t, int64_t low, int64_t high, Generator g) {
  if (low >= high) fail("random_ expects 'from' to be less than 'to', but got from=", low, " >= to=", high);
  const cpu::RandomRange range = cpu::random_range(t.dtype(), low, high);
  fill_memory("random_", t, [&](void* out, DType d, int64_t n) mutable { cpu::random_from_to(out, d, n, range, g); });
}
void bernoulli_into(const Tensor& t, double p, Generator g) {
  if (!(p >= 0 && p <= 1)) fail("bernoulli_ expects p to be in [0, 1], but got p=", p);
  fill_memory("bernoulli_", t, [&](void* out, DType d, int64_t n) mutable { cpu::bernoulli(out, d, n, p, g); });
}

// Negative seeds are taken modulo 2^64.
uint64_t seed_of(PyObject* o) {
  Owned index(PyNumber_Index(o));
  const unsigned long long value = PyLong_AsUnsignedLongLong(index.get());
  if (value != static_cast<unsigned long long>(-1) || !PyErr_Occurred()) return value;
  PyErr_Clear();
  const long long negative = PyLong_AsLongLong(index.get());
  if (negative == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    fail<ValueError>("Overflow when unpacking long long");
  }
  return static_cast<uint64_t>(negative);
}

// Draws into an out= tensor, which is resized only once that cannot fail any more.
template <class F>
PyObject* draw_out(const Args& a, int out, IntSpan sizes, F&& draw) {
  const Tensor& o = a.tensor(out);
  layout::check_writable(o);
  if (equal(o.sizes(), sizes)) {
    draw(o);
  } else {
    const Tensor t = empty(sizes, o.dtype());
    draw(t);
    store_output(a.function, o, t);
  }
  return Py_NewRef(a.object(out));
}
PyObject* store_or_wrap(const Args& a, int out, const Tensor& t) {
  if (!a.has(out)) return wrap(t);
  store_output(a.function, a.tensor(out), t);
  return Py_NewRef(a.object(out));
}
void check_std(const Tensor& std) {
  if (!is_complex(std.dtype()) && std.numel() && !ge(min(std), 0).item().to_bool())
    fail("normal expects all elements of std >= 0.0");
}

PyObject* finish(Tensor t, const Args& a, int requires_grad) {
  if (a.flag(requires_grad)) t.set_requires_grad(true);
  return wrap(t);
}

// size, generator, out, dtype, layout, device, pin_memory, requires_grad
enum class Kind { Uniform, Normal };
void draw(Kind kind, const char* name, const Tensor& t, Generator g) {
  (void)name;
  if (kind == Kind::Uniform)
    uniform_into(t, 0, 1, g);
  else
    normal_into(t, 0, 1, g);
}
template <Kind K>
PyObject* sized(Args& a) {
  Generator g = a.generator(1);
  if (a.has(2)) return draw_out(a, 2, a.ints(0), [&](const Tensor& t) { draw(K, a.function, t, g); });
  const Tensor t = empty(a.ints(0), a.dtype(3), a.device(5));
  draw(K, a.function, t, g);
  return finish(t, a, 7);
}
// input, dtype, layout, device, pin_memory, requires_grad, memory_format, generator
template <Kind K>
PyObject* like(Args& a) {
  const Tensor t = empty_like(a.tensor(0), a.dtype(1), memory_format(a, 6));
  draw(K, a.function, t, a.generator(7));
  return finish(t, a, 5);
}

PyObject* randint_of(Args& a, int64_t low, int64_t high, int size, int generator) {
  const DimVector sizes = a.ints(size);
  Generator g = a.generator(generator);
  if (a.has(generator + 1))
    return draw_out(a, generator + 1, sizes, [&](const Tensor& t) { integers_into(t, low, high, g); });
  const Tensor t =
      empty(sizes, a.has(generator + 2) ? a.dtype(generator + 2) : OptDType(DType::Int64), a.device(generator + 4));
  integers_into(t, low, high, g);
  return finish(t, a, generator + 6);
}

}  // namespace

void register_random() {
#define RL_OPTIONS \
  "dtype? dtype=None, object? layout=None, device? device=None, bool? pin_memory=False, bool requires_grad=False"
  def("rand(int[*] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")", sized<Kind::Uniform>,
      kFunction, "Uniform random numbers in [0, 1); the same as torch's for the same seed.");
  def("randn(int[*] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")", sized<Kind::Normal>,
      kFunction, "Standard normal random numbers; the same as torch's for the same seed.");
#define RL_LIKE                                                                                                     \
  "dtype? dtype=None, object? layout=None, device? device=None, bool? pin_memory=False, bool requires_grad=False, " \
  "object? memory_format=None, Generator? generator=None"
  def("rand_like(Tensor input, *, " RL_LIKE ")", like<Kind::Uniform>, kFunction);
  def("randn_like(Tensor input, *, " RL_LIKE ")", like<Kind::Normal>, kFunction);
  def(
      "randint(int high, int[] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) { return randint_of(a, 0, a.integer(0), 1, 2); }, kFunction,
      "Random integers in [low, high); the same as torch's for the same seed. dtype: int64 by default.");
  def(
      "randint(int low, int high, int[] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) { return randint_of(a, a.integer(0), a.integer(1), 2, 3); }, kFunction);
  def(
      "randint_like(Tensor input, int high, *, dtype? dtype=None, object? layout=None, device? device=None, bool "
      "requires_grad=False, object? memory_format=None)",
      [](Args& a) {
        const Tensor t = empty_like(a.tensor(0), a.dtype(2), memory_format(a, 6));
        integers_into(t, 0, a.integer(1), default_generator());
        return finish(t, a, 5);
      },
      kFunction);
  def(
      "randint_like(Tensor input, int low, int high, *, dtype? dtype=None, object? layout=None, device? device=None, "
      "bool requires_grad=False, object? memory_format=None)",
      [](Args& a) {
        const Tensor t = empty_like(a.tensor(0), a.dtype(3), memory_format(a, 7));
        integers_into(t, a.integer(1), a.integer(2), default_generator());
        return finish(t, a, 6);
      },
      kFunction);
  def(
      "randperm(int n, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        const int64_t n = a.integer(0);
        if (n < 0) fail("n must be non-negative, got ", n);
        Generator g = a.generator(1);
        auto draw = [&](const Tensor& t) {
          fill_memory("randperm", t, [&](void* out, DType d, int64_t count) { cpu::randperm(out, d, count, g); });
        };
        if (a.has(2)) return draw_out(a, 2, DimVector{n}, draw);
        const Tensor t = empty(DimVector{n}, a.has(3) ? a.dtype(3) : OptDType(DType::Int64), a.device(5));
        draw(t);
        return finish(t, a, 7);
      },
      kFunction, "A random permutation of 0 .. n - 1.");
  def(
      "normal(Tensor mean, Tensor std, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) {
        const Tensor &mean = a.tensor(0), &std = a.tensor(1);
        const DimVector shape = layout::broadcast_shapes(mean.sizes(), std.sizes());
        check_std(std);
        const Tensor t = empty(shape, result_dtype(mean, std));
        normal_into(t, 0, 1, a.generator(2));
        return store_or_wrap(a, 3, add(mul(t, std), mean));
      },
      kFunction, "Normal random numbers with the given mean and standard deviation (numbers or tensors).");
  def(
      "normal(Tensor mean, float std=1, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) {
        const Tensor t = empty(a.tensor(0).sizes(), a.tensor(0).dtype());
        normal_into(t, 0, a.number(1, 1), a.generator(2));
        return store_or_wrap(a, 3, add(t, a.tensor(0)));
      },
      kFunction);
  def(
      "normal(float mean, Tensor std, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) {
        check_std(a.tensor(1));
        const Tensor t = empty(a.tensor(1).sizes(), a.tensor(1).dtype());
        normal_into(t, 0, 1, a.generator(2));
        return store_or_wrap(a, 3, add(mul(t, a.tensor(1)), a.number(0)));
      },
      kFunction);
  def(
      "normal(float mean, float std, int[] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        Generator g = a.generator(3);
        if (a.has(4))
          return draw_out(a, 4, a.ints(2), [&](const Tensor& t) { normal_into(t, a.number(0), a.number(1), g); });
        const Tensor t = empty(a.ints(2), a.dtype(5), a.device(7));
        normal_into(t, a.number(0), a.number(1), g);
        return finish(t, a, 9);
      },
      kFunction);
  def(
      "bernoulli(Tensor input, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) {
        const Tensor p = contiguous(a.tensor(0));
        check_float("bernoulli_tensor_cpu_p_", p.dtype());
        const Tensor t = empty(p.sizes(), p.dtype());
        Generator g = a.generator(1);
        cpu::bernoulli(t.data(), t.dtype(), t.numel(), p.data(), p.dtype(), g);
        return store_or_wrap(a, 2, t);
      },
      kFunction, "0 or 1 with the probabilities of input.");
  def(
      "uniform_(Tensor self, float from_=0, float to=1, *, Generator? generator=None)",
      [](Args& a) {
        const double low = a.number(1, 0), high = a.number(2, 1);
        if (!(low <= high)) fail("uniform_ expects to return a [from, to) range, but found from=", low, " > to=", high);
        uniform_into(a.tensor(0), low, high, a.generator(3));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "normal_(Tensor self, float mean=0, float std=1, *, Generator? generator=None)",
      [](Args& a) {
        normal_into(a.tensor(0), a.number(1, 0), a.number(2, 1), a.generator(3));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "random_(Tensor self, *, Generator? generator=None)",
      [](Args& a) {
        Generator g = a.generator(1);
        fill_memory("random_", a.tensor(0), [&](void* out, DType d, int64_t n) mutable { cpu::random(out, d, n, g); });
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "random_(Tensor self, int to, *, Generator? generator=None)",
      [](Args& a) {
        integers_into(a.tensor(0), 0, a.integer(1), a.generator(2));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "random_(Tensor self, int from_, int to, *, Generator? generator=None)",
      [](Args& a) {
        integers_into(a.tensor(0), a.integer(1), a.integer(2), a.generator(3));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "bernoulli_(Tensor self, float p=0.5, *, Generator? generator=None)",
      [](Args& a) {
        bernoulli_into(a.tensor(0), a.number(1, 0.5), a.generator(2));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "exponential_(Tensor self, float lambd=1, *, Generator? generator=None)",
      [](Args& a) {
        Generator g = a.generator(2);
        const double lambd = a.number(1, 1);
        if (!(lambd > 0)) fail("exponential_ expects lambda > 0.0, but found lambda=", lambd);
        if (!is_floating_point(a.tensor(0).dtype()))
          fail(
              "Exponential distribution is a continuous probability distribution. dtype must be a floating point but "
              "you "
              "specified ",
              a.tensor(0).dtype());
        fill_memory("exponential_", a.tensor(0),
                    [&](void* out, DType d, int64_t n) mutable { cpu::exponential(out, d, n, lambd, g); });
        return Py_NewRef(a.object(0));
      },
      kMethod);
#undef RL_OPTIONS
#undef RL_LIKE
}

void bind_generator(nb::module_& m) {
  nb::class_<Generator>(m, "Generator",
                        "Generator(device='cpu')\n\nSource of random numbers (mt19937) with torch's streams.")
      .def(
          "__init__",
          [](Generator* self, nb::handle device) {
            if (!device.is_none()) {
              const Device d = to_device(device.ptr());
              require_backend(d);
            }
            new (self) Generator();
          },
          nb::arg("device") = nb::none())
      .def(
          "manual_seed",
          [](nb::handle self, nb::int_ seed) {
            nb::cast<Generator&>(self).manual_seed(seed_of(seed.ptr()));
            return nb::borrow(self);
          },
          nb::arg("seed"))
      .def("initial_seed", [](const Generator& g) { return g.initial_seed(); })
      .def("seed", [](Generator& g) { return g.seed(); })
      .def("get_state",
           [](Generator g) {
             const auto bytes = g.get_state();
             return nb::steal(
                 wrap(from_data(bytes.data(), DimVector{static_cast<int64_t>(bytes.size())}, DType::UInt8)));
           })
      .def("set_state",
           [](Generator& g, nb::handle state) {
             if (!is_tensor(state.ptr()) || unwrap(state.ptr()).dtype() != DType::UInt8)
               fail<TypeError>("expected a torch.ByteTensor, but got ", type_name(state.ptr()));
             const Tensor t = contiguous(unwrap(state.ptr()));
             g.set_state({t.data_ptr<uint8_t>(), static_cast<size_t>(t.numel())});
             return nb::cast(g);
           })
      .def("clone_state", [](Generator g) { return g.clone(); })
      .def_prop_ro("device", [](const Generator&) { return nb::steal(wrap_device({})); });
  g_default_generator = nb::cast(default_generator()).release().ptr();
  m.attr("default_generator") = nb::handle(g_default_generator);
  def(
      "manual_seed(int seed) -> Generator",
      [](Args& a) {
        default_generator().manual_seed(seed_of(a.object(0)));
        return Py_NewRef(g_default_generator);
      },
      kFunction, "Seeds the default generator and returns it. Negative seeds count from 2**64.");
  def("seed() -> int", [](Args&) { return PyLong_FromUnsignedLongLong(default_generator().seed()); }, kFunction);
  def(
      "initial_seed() -> int", [](Args&) { return PyLong_FromUnsignedLongLong(default_generator().initial_seed()); },
      kFunction);
  def(
      "get_rng_state() -> Tensor",
      [](Args&) {
        const auto bytes = default_generator().get_state();
        return wrap(from_data(bytes.data(), DimVector{static_cast<int64_t>(bytes.size())}, DType::UInt8));
      },
      kFunction);
  def(
      "set_rng_state(Tensor new_state) -> None",
      [](Args& a) {
        const Tensor t = contiguous(a.tensor(0));
        if (t.dtype() != DType::UInt8) fail<TypeError>("RNG state must be a torch.ByteTensor");
        default_generator().set_state({t.data_ptr<uint8_t>(), static_cast<size_t>(t.numel())});
        return none();
      },
      kFunction);
}

}  // namespace rushlight::python
