#include "rushlight/reduce.h"
#include "bindings/python.h"

namespace rushlight::python {

namespace {

PyObject* given(const Args& a, int i) { return Py_NewRef(a.object(i)); }

// dims, keepdim, dtype, out at 1, 2, 3, 4
template <Tensor (*F)(const Tensor&, OptSpan, bool, OptDType),
          const Tensor& (*Out)(const Tensor&, const Tensor&, OptSpan, bool, OptDType)>
PyObject* over_dims(Args& a) {
  const DimsArg dims(a, 1);
  if (a.has(4)) {
    Out(a.tensor(4), a.tensor(0), dims, a.flag(2), a.dtype(3));
    return given(a, 4);
  }
  return wrap(F(a.tensor(0), dims, a.flag(2), a.dtype(3)));
}
// dims, keepdim, out at 1, 2, 3
template <Tensor (*F)(const Tensor&, OptSpan, bool), const Tensor& (*Out)(const Tensor&, const Tensor&, OptSpan, bool)>
PyObject* over_dims_plain(Args& a) {
  const DimsArg dims(a, 1);
  if (a.has(3)) {
    Out(a.tensor(3), a.tensor(0), dims, a.flag(2));
    return given(a, 3);
  }
  return wrap(F(a.tensor(0), dims, a.flag(2)));
}
// dim, keepdim, out at 1, 2, 3
template <Tensor (*F)(const Tensor&, OptInt, bool), const Tensor& (*Out)(const Tensor&, const Tensor&, OptInt, bool)>
PyObject* arg_of(Args& a) {
  if (a.has(3)) {
    Out(a.tensor(3), a.tensor(0), a.integer_or_none(1), a.flag(2));
    return given(a, 3);
  }
  return wrap(F(a.tensor(0), a.integer_or_none(1), a.flag(2)));
}

using Pair = std::tuple<Tensor, Tensor>;
template <Pair (*F)(const Tensor&, int64_t, bool),
          Pair (*Out)(const Tensor&, const Tensor&, const Tensor&, int64_t, bool)>
PyObject* extreme(Args& a, const char* name) {
  if (a.has(3)) {
    const TensorList out = a.tensors(3);
    if (out.size() != 2) fail<TypeError>(name, "(): argument 'out' must be tuple of 2 Tensors");
    Out(out[0], out[1], a.tensor(0), a.integer(1), a.flag(2));
    return make_values_indices(name, out[0], out[1]);
  }
  auto [values, indices] = F(a.tensor(0), a.integer(1), a.flag(2));
  return make_values_indices(name, values, indices);
}

template <Tensor (*F)(const Tensor&, OptSpan, double, bool),
          const Tensor& (*Out)(const Tensor&, const Tensor&, OptSpan, double, bool)>
void define_variance(const std::string& name, const char* doc) {
  auto* text = new std::string[3];
  text[0] = name + "(Tensor input, bool unbiased=True)";
  text[1] = name + "(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False, *, Tensor? out=None)";
  text[2] = name + "(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False, Tensor? out=None)";
  def(
      text[2].c_str(),
      [](Args& a) {
        const DimsArg dims(a, 1);
        const double correction = a.has(2) ? a.scalar(2).to_double() : 1.0;
        if (a.has(4)) {
          Out(a.tensor(4), a.tensor(0), dims, correction, a.flag(3));
          return given(a, 4);
        }
        return wrap(F(a.tensor(0), dims, correction, a.flag(3)));
      },
      kBoth, doc);
  def(text[0].c_str(), [](Args& a) { return wrap(F(a.tensor(0), {}, a.flag(1, true) ? 1 : 0, false)); });
  def(text[1].c_str(), [](Args& a) {
    const DimsArg dims(a, 1);
    const double correction = a.flag(2) ? 1 : 0;
    if (a.has(4)) {
      Out(a.tensor(4), a.tensor(0), dims, correction, a.flag(3));
      return given(a, 4);
    }
    return wrap(F(a.tensor(0), dims, correction, a.flag(3)));
  });
}

template <Pair (*F)(const Tensor&, OptSpan, double, bool)>
void define_pair(const std::string& name) {
  auto* plain = new std::string(
      name +
      "(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> tuple[Tensor, Tensor]");
  def(
      plain->c_str(),
      [](Args& a) {
        const DimsArg dims(a, 1);
        auto [v, m] = F(a.tensor(0), dims, a.has(2) ? a.scalar(2).to_double() : 1.0, a.flag(3));
        return wrap(TensorList{v, m});
      },
      kFunction);
  auto* whole = new std::string(name + "(Tensor input, bool unbiased=True) -> tuple[Tensor, Tensor]");
  def(
      whole->c_str(),
      [](Args& a) {
        auto [v, m] = F(a.tensor(0), {}, a.flag(1, true) ? 1 : 0, false);
        return wrap(TensorList{v, m});
      },
      kFunction);
  auto* old = new std::string(
      name + "(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False) -> tuple[Tensor, Tensor]");
  def(
      old->c_str(),
      [](Args& a) {
        const DimsArg dims(a, 1);
        auto [v, m] = F(a.tensor(0), dims, a.flag(2, true) ? 1 : 0, a.flag(3));
        return wrap(TensorList{v, m});
      },
      kFunction);
}

// The order of norm(): a number, "fro" or None; matrix norms need their own functions.
double order_of(Args& a, const DimsArg& dims) {
  PyObject* p = a.object(1);
  if (!p) return 2;
  if (PyUnicode_Check(p)) {
    const std::string text = a.text(1);
    const size_t count = dims.present() ? static_cast<size_t>(dims.dims().size()) : 0;
    if (text == "fro" && count <= 2) return 2;
    if (dims.present() && count != 2) {
      std::string list;
      for (int64_t d : dims.dims()) list += " " + std::to_string(d);
      fail("linalg.matrix_norm: dim must be a 2-tuple. Got", list);
    }
    if (a.tensor(0).dim() < 2) fail("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
    if (text == "nuc") fail<NotImplementedError>("norm(): the nuclear norm is not implemented");
    fail("linalg.matrix_norm: Order ", text, " not supported.");
  }
  if (!is_number(p) && !is_tensor(p)) fail<TypeError>("norm(): argument 'p' must be Number or str, not ", type_name(p));
  const Scalar order = to_scalar(p);
  if (order.is_complex()) fail("linalg.vector_norm: Expected a non-complex scalar as the order of norm.");
  return order.to_double();
}

}  // namespace

void register_reduce() {
  // Without dims first: the commonest call, and the one that binds fastest.
  def("sum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
      over_dims<sum, sum_out>, kBoth,
      "Sum over dims.\n\ndim: int or tuple; all dims where absent or empty.\nkeepdim: whether reduced dims stay with "
      "size 1.\n"
      "dtype: of the result; int64 for integers and bool, else that of input.\nRaises IndexError for dims out of "
      "range, "
      "RuntimeError for repeated ones.");
  def("mean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
      over_dims<mean, mean_out>, kBoth, "Mean over dims. Integers need a floating point dtype=.");
  def("prod(Tensor input, *, dtype? dtype=None)",
      [](Args& a) { return wrap(prod(a.tensor(0), {}, false, a.dtype(1))); });
  def(
      "prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
      [](Args& a) {
        if (a.has(4)) {
          prod_out(a.tensor(4), a.tensor(0), a.integer(1), a.flag(2), a.dtype(3));
          return given(a, 4);
        }
        return wrap(prod(a.tensor(0), a.integer(1), a.flag(2), a.dtype(3)));
      },
      kBoth, "Product of all elements, or over one dim.");
  def("amax(Tensor input, int[1]? dim=(), bool keepdim=False, *, Tensor? out=None)", over_dims_plain<amax, amax_out>,
      kBoth, "Maximum over dims (all where empty); gradients are shared among equal values.");
  def("amin(Tensor input, int[1]? dim=(), bool keepdim=False, *, Tensor? out=None)", over_dims_plain<amin, amin_out>);
  def("any(Tensor input, int[1]? dim=None, bool keepdim=False, *, Tensor? out=None)", over_dims_plain<any, any_out>,
      kBoth, "Whether any element is nonzero.");
  def("all(Tensor input, int[1]? dim=None, bool keepdim=False, *, Tensor? out=None)", over_dims_plain<all, all_out>,
      kBoth, "Whether all elements are nonzero.");
  def("argmax(Tensor input, int? dim=None, bool keepdim=False, *, Tensor? out=None)", arg_of<argmax, argmax_out>, kBoth,
      "Index of the first maximum; into the flattened tensor without dim. NaN counts as the largest value.");
  def("argmin(Tensor input, int? dim=None, bool keepdim=False, *, Tensor? out=None)", arg_of<argmin, argmin_out>);
  def(
      "max(Tensor input, *, Tensor? out=None)",
      [](Args& a) {
        if (a.has(1)) {
          max_out(a.tensor(1), a.tensor(0));
          return given(a, 1);
        }
        return wrap(max(a.tensor(0)));
      },
      kBoth,
      "Largest element; with dim the named tuple (values, indices); with another tensor the elementwise maximum.");
  def("max(Tensor input, Tensor other, *, Tensor? out=None)", [](Args& a) {
    if (a.has(2)) {
      maximum_out(a.tensor(2), a.tensor(0), a.tensor(1));
      return given(a, 2);
    }
    return wrap(maximum(a.tensor(0), a.tensor(1)));
  });
  def("max(Tensor input, int dim, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)",
      [](Args& a) { return extreme<max, max_out>(a, "max"); });
  def(
      "min(Tensor input, *, Tensor? out=None)",
      [](Args& a) {
        if (a.has(1)) {
          min_out(a.tensor(1), a.tensor(0));
          return given(a, 1);
        }
        return wrap(min(a.tensor(0)));
      },
      kBoth,
      "Smallest element; with dim the named tuple (values, indices); with another tensor the elementwise minimum.");
  def("min(Tensor input, Tensor other, *, Tensor? out=None)", [](Args& a) {
    if (a.has(2)) {
      minimum_out(a.tensor(2), a.tensor(0), a.tensor(1));
      return given(a, 2);
    }
    return wrap(minimum(a.tensor(0), a.tensor(1)));
  });
  def("min(Tensor input, int dim, bool keepdim=False, *, Tensor[]? out=None) -> (Tensor values, Tensor indices)",
      [](Args& a) { return extreme<min, min_out>(a, "min"); });
  define_variance<var, var_out>("var", "Variance over dims; correction (1) degrees of freedom are taken off.");
  define_variance<std, std_out>("std",
                                "Standard deviation over dims; correction (1) degrees of freedom are taken off.");
  define_pair<var_mean>("var_mean");
  define_pair<std_mean>("std_mean");
  def(
      "norm(Tensor input, object? p=\"fro\", int[1]? dim=None, bool keepdim=False, Tensor? out=None, dtype? "
      "dtype=None)",
      [](Args& a) {
        const DimsArg dims(a, 2);
        const double p = order_of(a, dims);
        if (a.has(4)) {
          norm_out(a.tensor(4), a.tensor(0), p, dims, a.flag(3), a.dtype(5));
          return given(a, 4);
        }
        return wrap(norm(a.tensor(0), p, dims, a.flag(3), a.dtype(5)));
      },
      kFunction, "p-norm over dims (2: the Euclidean norm).");
  def(
      "norm(Tensor input, object? p=\"fro\", int[1]? dim=None, bool keepdim=False, dtype? dtype=None)",
      [](Args& a) {
        const DimsArg dims(a, 2);
        return wrap(norm(a.tensor(0), order_of(a, dims), dims, a.flag(3), a.dtype(4)));
      },
      kMethod, "p-norm over dims (2: the Euclidean norm).");
  def("nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
      over_dims<nansum, nansum_out>, kBoth, "Sum over dims of the elements that are not NaN.");
  def_op(
      "nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None)",
      [](const Args& a) {
        const DimsArg dims(a, 1);
        return nanmean(a.tensor(0), dims, a.flag(2), a.dtype(3));
      },
      kBoth, "Mean over dims of the elements that are not NaN.");
  def(
      "count_nonzero(Tensor input, int[*]? dim=None)",
      [](Args& a) {
        const DimsArg dims(a, 1);
        return wrap(count_nonzero(a.tensor(0), dims));
      },
      kBoth, "How many elements are not zero, over dims (all where absent); int64.");
  def(
      "aminmax(Tensor input, *, int? dim=None, bool keepdim=False, Tensor[]? out=None) -> (Tensor min, Tensor max)",
      [](Args& a) {
        static const char* const fields[] = {"min", "max"};
        if (a.has(3)) {
          const TensorList out = a.tensors(3);
          if (out.size() != 2) fail<TypeError>("aminmax(): argument 'out' must be tuple of 2 Tensors");
          aminmax_out(out[0], out[1], a.tensor(0), a.integer_or_none(1), a.flag(2));
          return make_return("aminmax", fields, out.data(), 2);
        }
        const auto [low, high] = aminmax(a.tensor(0), a.integer_or_none(1), a.flag(2));
        const Tensor results[2] = {low, high};
        return make_return("aminmax", fields, results, 2);
      },
      kBoth, "The smallest and the largest element, of all or along dim: the named tuple (min, max).");
  def(
      "logsumexp(Tensor input, int[1] dim, bool keepdim=False, *, Tensor? out=None)",
      [](Args& a) {
        const DimVector dims = a.ints(1);
        if (a.has(3)) {
          logsumexp_out(a.tensor(3), a.tensor(0), dims, a.flag(2));
          return given(a, 3);
        }
        return wrap(logsumexp(a.tensor(0), dims, a.flag(2)));
      },
      kBoth, "log(sum(exp(x))) over dims, without overflow.");
}

}  // namespace rushlight::python
