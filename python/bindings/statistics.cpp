// Statistics, distances and histograms.
#include "bindings/python.h"
#include "ops/elementwise.h"
#include "rushlight/hash.h"
#include "rushlight/reduce.h"

namespace rushlight::python {

namespace {

// Numbers of a list; the flag tells whether it is there.
struct Numbers {
  std::vector<double> values;
  bool present = false;

  Numbers(const Args& a, int i) {
    PyObject* const o = a.object(i);
    if (!o) return;
    present = true;
    if (!PyTuple_Check(o) && !PyList_Check(o))
      fail<TypeError>(a.function, "(): argument 'range' must be tuple of floats, not ", type_name(o));
    Owned items(PySequence_Tuple(o));
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(items.get()); ++k) {
      PyObject* item = PyTuple_GET_ITEM(items.get(), k);
      if (!is_number(item) || PyComplex_Check(item))
        fail<TypeError>(a.function, "(): argument 'range' must be tuple of floats, but found element of type ",
                        type_name(item), " at pos ", k);
      values.push_back(to_double(item));
    }
  }
  operator std::optional<std::span<const double>>() const {
    return present ? std::optional<std::span<const double>>(values) : std::nullopt;
  }
};

PyObject* finish_histogram(const Args& a, int out_at, const Histogram& h) {
  static const char* const fields[] = {"hist", "bin_edges"};
  if (!a.has(out_at)) {
    const Tensor results[2] = {h.hist, h.bin_edges[0]};
    return make_return("histogram", fields, results, 2);
  }
  const TensorList out = a.tensors(out_at);
  if (out.size() != 2) fail<TypeError>("histogram(): argument 'out' must be tuple of 2 Tensors, not ", out.size());
  if (out[0].dtype() != h.hist.dtype())
    fail("torch.histogram: input tensor and hist tensor should have the same dtype, but got input ",
         cpp_type_name(h.hist.dtype()), " and hist ", cpp_type_name(out[0].dtype()));
  if (out[1].dtype() != h.hist.dtype())
    fail("torch.histogram: input tensor and bin_edges tensor should have the same dtype, but got input ",
         cpp_type_name(h.hist.dtype()), " and bin_edges ", cpp_type_name(out[1].dtype()), " for dimension 0");
  const Tensor results[2] = {h.hist, h.bin_edges[0]};
  finish_outs("histogram", out, results);
  return make_return("histogram", fields, out.data(), 2);
}

PyObject* wrap_histogramdd(const Histogram& h) {
  static const char* const fields[] = {"hist", "bin_edges"};
  const Tensor results[2] = {h.hist, h.hist};
  Owned made(make_return("histogramdd", fields, results, 2));
  PyObject* edges = check_object(wrap(h.bin_edges));
  Py_XDECREF(PyStructSequence_GetItem(made.get(), 1));
  PyStructSequence_SetItem(made.get(), 1, edges);
  return made.release();
}

}  // namespace

void register_statistics() {
  def_op(
      "cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None)",
      [](const Args& a) { return cov(a.tensor(0), a.integer(1, 1), a.tensor_or_none(2), a.tensor_or_none(3)); }, kBoth,
      "Covariances of the rows (variables) over the columns (observations).\n\nfweights: integer repetitions, "
      "aweights: weights of the observations.");
  def_op(
      "corrcoef(Tensor input)", [](const Args& a) { return corrcoef(a.tensor(0)); }, kBoth,
      "Correlation coefficients of the rows (variables) over the columns (observations).");
  def_op(
      "dist(Tensor input, Tensor other, Scalar p=2)",
      [](const Args& a) { return dist(a.tensor(0), a.tensor(1), a.scalar(2, Scalar(2))); }, kBoth,
      "p-norm of input - other.");
  def(
      "renorm(Tensor input, Scalar p, int dim, Scalar maxnorm, *, Tensor? out=None)",
      [](Args& a) {
        if (a.has(4) && a.tensor(4).dtype() != a.tensor(0).dtype())
          fail("Expected out tensor to have dtype ", cpp_type_name(a.tensor(0).dtype()), ", but got ",
               cpp_type_name(a.tensor(4).dtype()), " instead");
        const Tensor result = renorm(a.tensor(0), a.scalar(1), a.integer(2), a.scalar(3));
        if (!a.has(4)) return wrap(result);
        finish_out("renorm", a.tensor(4), result);
        return Py_NewRef(a.object(4));
      },
      kBoth, "Scales slices along dim whose p-norm exceeds maxnorm down to it.");
  def(
      "renorm_(Tensor input, Scalar p, int dim, Scalar maxnorm)",
      [](Args& a) {
        inplace_by_copy("renorm_", a.tensor(0),
                        [&](const Tensor& before) { return renorm(before, a.scalar(1), a.integer(2), a.scalar(3)); });
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def(
      "histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0, *, Tensor? out=None)",
      [](Args& a) {
        if (a.has(4) && a.tensor(4).dtype() != a.tensor(0).dtype())
          fail("torch.histogram: input tensor and hist tensor should have the same dtype, but got input ",
               cpp_type_name(a.tensor(0).dtype()), " and hist ", cpp_type_name(a.tensor(4).dtype()));
        const Tensor result = histc(a.tensor(0), a.integer(1, 100), a.scalar(2), a.scalar(3));
        if (!a.has(4)) return wrap(result);
        finish_out("histc", a.tensor(4), result);
        return Py_NewRef(a.object(4));
      },
      kBoth, "Counts in equal bins over [min, max], or over the range of the elements where min equals max.");
  def(
      "histogram(Tensor input, Tensor bins, *, Tensor? weight=None, bool density=False, Tensor[]? out=None) -> (Tensor "
      "hist, Tensor "
      "bin_edges)",
      [](Args& a) {
        return finish_histogram(a, 4, histogram(a.tensor(0), a.tensor(1), a.tensor_or_none(2), a.flag(3)));
      },
      kBoth,
      "Counts (or sums of weight) in bins: the named tuple (hist, bin_edges).\n\nbins: number of equal bins, or their "
      "edges.\nrange: of the equal bins; the elements' where absent.\ndensity: whether the integral becomes 1.");
  def("histogram(Tensor input, int bins=100, *, object? range=None, Tensor? weight=None, bool density=False, "
      "Tensor[]? out=None) -> (Tensor hist, Tensor bin_edges)",
      [](Args& a) {
        const Numbers range(a, 2);
        return finish_histogram(a, 5, histogram(a.tensor(0), a.integer(1, 100), range, a.tensor_or_none(3), a.flag(4)));
      });
  def(
      "histogramdd(Tensor input, int[1] bins, object? range=None, Tensor? weight=None, bool density=False) -> (Tensor "
      "hist, Tensor[] bin_edges)",
      [](Args& a) {
        const Numbers range(a, 2);
        DimVector bins = a.ints(1);
        const int64_t columns = a.tensor(0).dim() ? a.tensor(0).size(-1) : 0;
        if (is_int(a.object(1))) bins = DimVector(columns, bins[0]);
        return wrap_histogramdd(histogramdd(a.tensor(0), bins, range, a.tensor_or_none(3), a.flag(4)));
      },
      kFunction,
      "Counts (or sums of weight) of points, the rows of [..., D], in D-dimensional bins: the named tuple (hist, "
      "bin_edges).\n\nbins: numbers of equal bins, or tensors of their edges.\nrange: 2 D numbers.");
  def(
      "histogramdd(Tensor input, Tensor[] bins, object? range=None, Tensor? weight=None, bool density=False) -> "
      "(Tensor "
      "hist, Tensor[] bin_edges)",
      [](Args& a) {
        const Numbers range(a, 2);
        return wrap_histogramdd(histogramdd(a.tensor(0), a.tensors(1), a.tensor_or_none(3), a.flag(4)));
      },
      kFunction);
  def_op(
      "hash_tensor(Tensor input, int[1]? dim=None, *, bool keepdim=False, int mode=0, Tensor? out=None)",
      [](const Args& a) {
        if (a.integer(3) != 0) fail("Unknown hash_tensor mode: ", a.integer(3));
        return hash_tensor(a.tensor(0), DimsArg(a, 1), a.flag(2));
      },
      kBoth, "The bits of all elements (as float64 or int64), combined by exclusive or: uint64.");
  def_op(
      "bincount(Tensor input, Tensor? weights=None, int minlength=0)",
      [](const Args& a) { return bincount(a.tensor(0), a.tensor_or_none(1), a.integer(2)); }, kBoth,
      "How often each value 0, 1, ... occurs in a 1-d tensor, or the sums of their weights.");
}

}  // namespace rushlight::python
