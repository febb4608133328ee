#include "rushlight/random.h"

#include "bindings/creation.h"
#include "ops/elementwise.h"

namespace rushlight::python {

namespace {

PyObject* g_default_generator = nullptr;

// Negative seeds are taken modulo 2^64.
uint64_t seed_of(PyObject* integer) {
  const unsigned long long value = PyLong_AsUnsignedLongLong(integer);
  if (value != static_cast<unsigned long long>(-1) || !PyErr_Occurred()) return value;
  PyErr_Clear();
  const long long negative = PyLong_AsLongLong(integer);
  if (negative == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    fail<ValueError>("Overflow when unpacking long long");
  }
  return static_cast<uint64_t>(negative);
}

PyObject* wrap_state(const Generator& g) {
  const auto bytes = g.get_state();
  return wrap(from_data(bytes.data(), DimVector{static_cast<int64_t>(bytes.size())}, DType::UInt8));
}
void set_state(Generator& g, PyObject* state) {
  if (!is_tensor(state)) fail<TypeError>("expected a torch.ByteTensor, but got ", type_name(state));
  if (unwrap(state).dtype() != DType::UInt8) fail<TypeError>("RNG state must be a torch.ByteTensor");
  const Tensor t = contiguous(unwrap(state));
  g.set_state({t.data_ptr<uint8_t>(), static_cast<size_t>(t.numel())});
}

// A constructor whose out and options begin at parameter `out`: `draw` fills what it is given. An out= tensor is
// resized only once the drawing cannot fail any more.
template <class F>
PyObject* construct(const Args& a, int out, IntSpan sizes, OptDType dtype, F&& draw) {
  if (!a.has(out)) {
    const Options o = read_options(a, out + 1);
    const Tensor t = empty(sizes, o.dtype ? o.dtype : dtype, o.device);
    draw(t);
    return o.finish(t);
  }
  const Options o = read_out_options(a, out + 1);
  const Tensor& given = a.tensor(out);
  prepare_out(a.function, given, given.sizes(), given.dtype(), {});
  if (equal(given.sizes(), sizes)) {
    draw(given);
  } else {
    const Tensor t = empty(sizes, given.dtype());
    draw(t);
    store_output(a.function, given, t);
  }
  return return_out(a, out + 1, o);
}

// The options begin at parameter 1 + `numbers`; memory_format and generator follow them.
template <class F>
PyObject* construct_like(const Args& a, int numbers, F&& draw) {
  const int at = 1 + numbers;
  const Options o = read_options(a, at, a.tensor(0));
  require_backend(o.device);
  const Tensor t = empty_like(a.tensor(0), o.dtype, memory_format(a, at + 5));
  draw(t, a.generator(at + 6));
  return o.finish(t);
}

// An in-place method: `draw` changes self.
template <auto draw>
PyObject* fill(Args& a) {
  draw(a);
  return Py_NewRef(a.object(0));
}

PyObject* normal_of(const Args& a, const Operand& mean, const Operand& std) {
  if (!a.has(3)) return wrap(normal(mean, std, a.generator(2)));
  normal_out(a.tensor(3), mean, std, a.generator(2));
  return Py_NewRef(a.object(3));
}

PyObject* randint_of(const Args& a, int64_t low, int64_t high, int size) {
  return construct(a, size + 2, a.ints(size), DType::Int64,
                   [&](const Tensor& t) { random_(t, low, high, a.generator(size + 1)); });
}

void register_constructors() {
  def(
      "rand(int[*] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        return construct(a, 2, a.ints(0), {}, [&](const Tensor& t) { uniform_(t, 0, 1, a.generator(1)); });
      },
      kFunction, "Uniform random numbers in [0, 1); the same as torch's for the same seed.");
  def(
      "randn(int[*] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        return construct(a, 2, a.ints(0), {}, [&](const Tensor& t) { normal_(t, 0, 1, a.generator(1)); });
      },
      kFunction, "Standard normal random numbers; the same as torch's for the same seed.");
#define RL_RANDOM_LIKE RL_LIKE_OPTIONS ", Generator? generator=None"
  def(
      "rand_like(Tensor input, *, " RL_RANDOM_LIKE ")",
      [](Args& a) { return construct_like(a, 0, [](const Tensor& t, Generator g) { uniform_(t, 0, 1, g); }); },
      kFunction, "Uniform random numbers in [0, 1) of the shape, dtype and memory order of input.");
  def(
      "randn_like(Tensor input, *, " RL_RANDOM_LIKE ")",
      [](Args& a) { return construct_like(a, 0, [](const Tensor& t, Generator g) { normal_(t, 0, 1, g); }); },
      kFunction, "Standard normal random numbers of the shape, dtype and memory order of input.");
  def(
      "randint(int high, int[] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) { return randint_of(a, 0, a.integer(0), 1); }, kFunction,
      "Random integers in [low, high); the same as torch's for the same seed. dtype: int64 by default.");
  def(
      "randint(int low, int high, int[] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) { return randint_of(a, a.integer(0), a.integer(1), 2); }, kFunction);
  def(
      "randint_like(Tensor input, int high, *, " RL_RANDOM_LIKE ")",
      [](Args& a) {
        const int64_t high = a.integer(1);
        return construct_like(a, 1, [&](const Tensor& t, Generator g) { random_(t, 0, high, g); });
      },
      kFunction, "Random integers in [low, high) of the shape, dtype and memory order of input.");
  def(
      "randint_like(Tensor input, int low, int high, *, " RL_RANDOM_LIKE ")",
      [](Args& a) {
        const int64_t low = a.integer(1), high = a.integer(2);
        return construct_like(a, 2, [&](const Tensor& t, Generator g) { random_(t, low, high, g); });
      },
      kFunction);
  def(
      "randint_like(Tensor input, Tensor high, *, " RL_RANDOM_LIKE ")",
      [](Args& a) {
        const int64_t high = a.tensor(1).item().to_int();
        return construct_like(a, 1, [&](const Tensor& t, Generator g) { random_(t, 0, high, g); });
      },
      kFunction);
#undef RL_RANDOM_LIKE
  def(
      "randperm(int n, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        if (a.has(2)) {
          const Options o = read_out_options(a, 3);
          randperm_out(a.tensor(2), a.integer(0), a.generator(1));
          return return_out(a, 3, o);
        }
        const Options o = read_options(a, 3);
        require_backend(o.device);
        return o.finish(randperm(a.integer(0), o.dtype.value_or(DType::Int64), a.generator(1)));
      },
      kFunction, "A random permutation of 0 .. n - 1.");
  def(
      "normal(Tensor mean, Tensor std, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) { return normal_of(a, a.tensor(0), a.tensor(1)); }, kFunction,
      "Normal random numbers with the given mean and standard deviation (numbers or tensors).");
  def(
      "normal(Tensor mean, float std=1, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) { return normal_of(a, a.tensor(0), a.number(1, 1)); }, kFunction);
  def(
      "normal(float mean, Tensor std, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) { return normal_of(a, a.number(0), a.tensor(1)); }, kFunction);
  def(
      "normal(float mean, float std, int[] size, *, Generator? generator=None, Tensor? out=None, " RL_OPTIONS ")",
      [](Args& a) {
        return construct(a, 4, a.ints(2), {},
                         [&](const Tensor& t) { normal_(t, a.number(0), a.number(1), a.generator(3)); });
      },
      kFunction);
  def(
      "bernoulli(Tensor input, *, Generator? generator=None, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(2)) return wrap(bernoulli(a.tensor(0), a.generator(1)));
        bernoulli_out(a.tensor(2), a.tensor(0), a.generator(1));
        return Py_NewRef(a.object(2));
      },
      kBoth, "0 or 1 with the probabilities of input; with the probability p in the shape and dtype of input.");
  def(
      "bernoulli(Tensor input, Scalar p, *, Generator? generator=None)",
      [](Args& a) {
        const Scalar number = a.scalar(1);
        if (number.is_complex()) fail<TypeError>("bernoulli(): argument 'p' must be float, not complex");
        const double p = number.to_double();
        return wrap(bernoulli_(empty(a.tensor(0).sizes(), a.tensor(0).dtype()), p, a.generator(2)));
      },
      kBoth);
  def(
      "poisson(Tensor input, Generator? generator=None)",
      [](Args& a) { return wrap(poisson(a.tensor(0), a.generator(1))); }, kFunction,
      "Poisson random numbers with the rates of input, of its dtype.");
  def(
      "binomial(Tensor count, Tensor prob, Generator? generator=None)",
      [](Args& a) { return wrap(binomial(a.tensor(0), a.tensor(1), a.generator(2))); }, kFunction,
      "Numbers of successes in `count` trials of probability prob, which broadcasts to count. float32 or float64.");
  def(
      "multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None, Tensor? "
      "out=None)",
      [](Args& a) {
        if (a.has(4) && a.tensor(4).dtype() != DType::Int64)
          fail("multinomial expects Long tensor out, got: ", a.tensor(4).dtype());
        if (a.has(4)) prepare_out(a.function, a.tensor(4), a.tensor(4).sizes(), DType::Int64, {});
        const Tensor t = multinomial(a.tensor(0), a.integer(1), a.flag(2), a.generator(3));
        if (!a.has(4)) return wrap(t);
        store_output(a.function, a.tensor(4), t);
        return Py_NewRef(a.object(4));
      },
      kBoth,
      "Indices drawn with the weights in the rows of input: [n] -> [num_samples], [m, n] -> [m, num_samples], int64.");
}

void register_fills() {
  def("uniform_(Tensor self, float from_=0, float to=1, *, Generator? generator=None)",
      fill<[](const Args& a) { uniform_(a.tensor(0), a.number(1, 0), a.number(2, 1), a.generator(3)); }>, kMethod,
      "Uniform random numbers in [from, to).");
  def("normal_(Tensor self, float mean=0, float std=1, *, Generator? generator=None)",
      fill<[](const Args& a) { normal_(a.tensor(0), a.number(1, 0), a.number(2, 1), a.generator(3)); }>, kMethod,
      "Normal random numbers.");
  def("log_normal_(Tensor self, float mean=1, float std=2, *, Generator? generator=None)",
      fill<[](const Args& a) { log_normal_(a.tensor(0), a.number(1, 1), a.number(2, 2), a.generator(3)); }>, kMethod,
      "exp of normal random numbers with this mean and standard deviation.");
  def("cauchy_(Tensor self, float median=0, float sigma=1, *, Generator? generator=None)",
      fill<[](const Args& a) { cauchy_(a.tensor(0), a.number(1, 0), a.number(2, 1), a.generator(3)); }>, kMethod,
      "Random numbers of the Cauchy distribution.");
  def("exponential_(Tensor self, float lambd=1, *, Generator? generator=None)",
      fill<[](const Args& a) { exponential_(a.tensor(0), a.number(1, 1), a.generator(2)); }>, kMethod,
      "Random numbers of density lambd exp(-lambd x).");
  def("geometric_(Tensor self, float p, *, Generator? generator=None)",
      fill<[](const Args& a) { geometric_(a.tensor(0), a.number(1), a.generator(2)); }>, kMethod,
      "Numbers of trials of probability p up to the first success.");
  def("random_(Tensor self, *, Generator? generator=None)",
      fill<[](const Args& a) { random_(a.tensor(0), a.generator(1)); }>, kMethod,
      "Random integers in [from, to); without bounds up to the largest value (floats: 2^digits).");
  def("random_(Tensor self, int from_, int? to, *, Generator? generator=None)",
      fill<[](const Args& a) { random_(a.tensor(0), a.integer(1), a.integer_or_none(2), a.generator(3)); }>, kMethod);
  def("random_(Tensor self, int to, *, Generator? generator=None)",
      fill<[](const Args& a) { random_(a.tensor(0), 0, a.integer(1), a.generator(2)); }>, kMethod);
  def("bernoulli_(Tensor self, Tensor p, *, Generator? generator=None)",
      fill<[](const Args& a) { bernoulli_(a.tensor(0), a.tensor(1), a.generator(2)); }>, kMethod,
      "0 or 1 with probability p, a number or a tensor that broadcasts to self.");
  def("bernoulli_(Tensor self, float p=0.5, *, Generator? generator=None)",
      fill<[](const Args& a) { bernoulli_(a.tensor(0), a.number(1, 0.5), a.generator(2)); }>, kMethod);
}

}  // namespace

void register_random() {
  register_constructors();
  register_fills();
  def(
      "manual_seed(object seed) -> Generator",
      [](Args& a) {
        Owned integer(PyNumber_Long(a.has(0) ? a.object(0) : Py_None));
        default_generator().manual_seed(seed_of(integer.get()));
        return Py_NewRef(g_default_generator);
      },
      kFunction, "Seeds the default generator and returns it. Negative seeds count from 2**64.");
  def(
      "seed() -> int", [](Args&) { return PyLong_FromUnsignedLongLong(default_generator().seed()); }, kFunction,
      "Seeds the default generator from the system's entropy and returns the seed.");
  def(
      "initial_seed() -> int", [](Args&) { return PyLong_FromUnsignedLongLong(default_generator().initial_seed()); },
      kFunction, "The seed of the default generator.");
  def(
      "get_rng_state() -> Tensor", [](Args&) { return wrap_state(default_generator()); }, kFunction,
      "The state of the default generator: uint8 [5056], the layout of torch.");
  def(
      "set_rng_state(object new_state) -> None",
      [](Args& a) {
        set_state(default_generator(), a.has(0) ? a.object(0) : Py_None);
        return none();
      },
      kFunction);
}

void bind_generator(nb::module_& m) {
  nb::class_<Generator>(m, "Generator", nb::dynamic_attr(), nb::is_weak_referenceable(),
                        "Generator(device='cpu')\n\nSource of random numbers (mt19937) with torch's streams.")
      .def(
          "__init__",
          [](Generator* self, nb::handle device) {
            if (!device.is_none()) {
              if (!is_device(device.ptr()))
                fail<TypeError>("Generator(): argument 'device' must be torch.device, not ", type_name(device.ptr()));
              require_backend(to_device(device.ptr()));
            }
            new (self) Generator();
          },
          nb::arg("device") = nb::none())
      .def(
          "manual_seed",
          [](nb::handle self, nb::handle seed) {
            if (!PyLong_Check(seed.ptr()) || PyBool_Check(seed.ptr()))
              fail("manual_seed expected a long, but got ", type_name(seed.ptr()));
            nb::cast<Generator&>(self).manual_seed(seed_of(seed.ptr()));
            return nb::borrow(self);
          },
          nb::arg("seed"), "Starts the stream of this seed. Negative seeds count from 2**64.")
      .def("__repr__",  // the name that notes show
           [](nb::handle self) {
             return nb::steal(check_object(PyUnicode_FromFormat("<torch._C.Generator object at %p>", self.ptr())));
           })
      .def("initial_seed", [](const Generator& g) { return g.initial_seed(); })
      .def("seed", [](Generator& g) { return g.seed(); })
      .def(
          "get_state", [](const Generator& g) { return nb::steal(wrap_state(g)); },
          "The state: uint8 [5056], the layout of torch.")
      .def("set_state",
           [](nb::handle self, nb::handle state) {
             set_state(nb::cast<Generator&>(self), state.ptr());
             return nb::borrow(self);
           })
      .def(
          "clone_state", [](const Generator& g) { return g.clone(); }, "An independent generator in the same state.")
      .def("get_offset", [](const Generator&) -> int { fail("CPU Generator does not use offset"); })
      .def("set_offset", [](const Generator&, nb::handle) -> int { fail("CPU Generator does not use offset"); })
      .def("graphsafe_get_state",
           [](const Generator&) -> int {
             fail<NotImplementedError>("graphsafe_get_state is not supported in this Generator");
           })
      .def("graphsafe_set_state",
           [](const Generator&, nb::handle) -> int {
             fail<NotImplementedError>("graphsafe_set_state is not supported in this Generator");
           })
      .def("__getstate__", [](const Generator& g) { return nb::steal(wrap_state(g)); })
      .def("__setstate__",
           [](Generator& g, nb::handle state) {
             new (&g) Generator();
             set_state(g, state.ptr());
           })
      .def("__copy__", [](const Generator& g) { return g.clone(); })
      .def("__deepcopy__", [](const Generator& g, nb::handle) { return g.clone(); })
      .def_prop_ro("device", [](const Generator&) { return nb::steal(wrap_device({})); });
  g_default_generator = nb::cast(default_generator()).release().ptr();
  m.attr("default_generator") = nb::handle(g_default_generator);
}

}  // namespace rushlight::python
