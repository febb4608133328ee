// Tensor[...] and Tensor[...] = value.
#include <algorithm>

#include "bindings/conj.h"
#include "bindings/override.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

OptInt slice_bound(PyObject* o) {
  if (o == Py_None) return {};
  if (!PyLong_Check(o) && !PyIndex_Check(o))
    fail<TypeError>("slice indices must be integers or None or have an __index__ method");
  Owned index(PyNumber_Index(o));
  // Beyond int64 is beyond any tensor.
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (overflow) return overflow > 0 ? INT64_MAX : INT64_MIN + 1;
  return value;
}

[[noreturn]] void fail_step(int64_t step) {
  fail<ValueError>(step == 0 ? "slice step cannot be zero" : "step must be greater than zero");
}

layout::Geometry apply_slice(const Tensor& t, int64_t dim, PyObject* slice) {
  auto* s = reinterpret_cast<PySliceObject*>(slice);
  const OptInt step = slice_bound(s->step);
  if (step && *step <= 0) fail_step(*step);
  return layout::slice(t, dim, slice_bound(s->start), slice_bound(s->stop), step.value_or(1));
}

bool is_plain_bound(PyObject* o) { return o == Py_None || PyLong_CheckExact(o); }
// Whether reading the bounds runs no Python code, which could change the indexed tensor meanwhile.
bool is_plain_slice(PyObject* o) {
  auto* s = reinterpret_cast<PySliceObject*>(o);
  return is_plain_bound(s->start) && is_plain_bound(s->stop) && is_plain_bound(s->step);
}
PyObject* plain_slice(PyObject* o) {
  auto* s = reinterpret_cast<PySliceObject*>(o);
  auto plain = [](PyObject* bound) { return is_plain_bound(bound) ? Py_NewRef(bound) : PyNumber_Index(bound); };
  for (PyObject* bound : {s->start, s->stop, s->step})
    if (bound != Py_None && !PyIndex_Check(bound))
      fail<TypeError>("slice indices must be integers or None or have an __index__ method");
  Owned start(plain(s->start)), stop(plain(s->stop)), step(plain(s->step));
  return check_object(PySlice_New(start.get(), stop.get(), step.get()));
}

Tensor sliced(const Tensor& t, int64_t dim, PyObject* slice) {
  auto* s = reinterpret_cast<PySliceObject*>(slice);
  const OptInt step = slice_bound(s->step);
  if (step && *step <= 0) fail_step(*step);
  return rushlight::slice(t, dim, slice_bound(s->start), slice_bound(s->stop), step.value_or(1));
}

// The tensor itself where the slice takes all of the dim.
Tensor slice_of(const Tensor& t, int64_t dim, PyObject* slice) {
  const layout::Geometry g = apply_slice(t, dim, slice);
  if (g.sizes[dim] == t.sizes()[dim] && g.strides[dim] == t.strides()[dim]) return t;
  return sliced(t, dim, slice);
}

[[noreturn]] void fail_index(PyObject* o) {
  fail<IndexError>(
      "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got ",
      type_name(o), ")");
}

Tensor select_checked(const Tensor& t, int64_t dim, int64_t index) {
  const int64_t size = t.sizes()[dim];
  if (index < -size || index >= size)
    fail<IndexError>("index ", index, " is out of bounds for dimension ", dim, " with size ", size);
  return select(t, dim, index);
}

bool is_plain_int(PyObject* o) { return PyLong_CheckExact(o) || (PyLong_Check(o) && !PyBool_Check(o)); }

bool is_mask(const Tensor& t) { return t.dtype() == DType::Bool || t.dtype() == DType::UInt8; }

// A list or array of indices as a tensor: a mask or int64, as torch reads any other numbers.
Tensor index_tensor(PyObject* o) {
  Tensor t = tensor_from_data(o, {}, false);
  return is_mask(t) ? t : to(t, DType::Int64);
}

// What an index expression asks for: a view, then index tensors on some dims of it.
struct Parsed {
  Tensor view;
  TensorList indices;  // undefined where a dim is kept
  bool advanced = false;
};

// Whether torch reads this list as a tuple: a short one that holds more than numbers. Others are one index tensor.
bool is_list_of_indices(PyObject* o) {
  const Py_ssize_t n = PyList_GET_SIZE(o);
  if (n >= 32) return false;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PyList_GET_ITEM(o, i);
    if (PyLong_Check(item) || PyFloat_Check(item) || PyUnicode_Check(item)) continue;
    if (is_tensor(item) || PySlice_Check(item) || item == Py_Ellipsis || item == Py_None || PySequence_Check(item))
      return true;
  }
  return false;
}

int64_t dims_taken(PyObject* o) {
  if (o == Py_Ellipsis || o == Py_None || PyBool_Check(o)) return 0;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (is_mask(t)) return t.dim();
  }
  return 1;
}

Parsed parse(const Tensor& self, PyObject* index) {
  Parsed p;
  p.view = self;
  PyObject* const* items = &index;
  Py_ssize_t count = 1;
  std::vector<Owned*> owned;
  struct Release {
    std::vector<Owned*>& list;
    ~Release() {
      for (Owned* o : list) delete o;
    }
  } release{owned};
  std::vector<PyObject*> list;
  if (PyTuple_Check(index)) {
    items = reinterpret_cast<PyTupleObject*>(index)->ob_item;
    count = PyTuple_GET_SIZE(index);
  } else if (PyList_Check(index) && is_list_of_indices(index)) {
    warn(
        "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; "
        "use "
        "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
        "x[torch.tensor(seq)], which will result either in an error or a different result");
    owned.push_back(new Owned(PySequence_Tuple(index)));
    items = reinterpret_cast<PyTupleObject*>(owned.back()->get())->ob_item;
    count = PyTuple_GET_SIZE(owned.back()->get());
  }
  // Sequences and arrays become tensors once, before dims are counted.
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = items[i];
    if (is_tensor(o) && unwrap(o).is_lazy()) [[unlikely]] {
      if (list.empty()) list.assign(items, items + count);
      owned.push_back(new Owned(without_lazy(o)));
      list[static_cast<size_t>(i)] = owned.back()->get();
      continue;
    }
    if (o == Py_Ellipsis || o == Py_None || PyLong_Check(o) || is_tensor(o)) continue;
    if (PySlice_Check(o) && is_plain_slice(o)) continue;
    if (list.empty()) list.assign(items, items + count);
    if (PySlice_Check(o)) {
      owned.push_back(new Owned(plain_slice(o)));
    } else if (is_int(o)) {
      owned.push_back(new Owned(PyNumber_Index(o)));
    } else if (PyList_Check(o) || PyTuple_Check(o) || is_numpy_array(o)) {
      owned.push_back(new Owned(wrap(index_tensor(o))));
    } else if (PyIndex_Check(o) && !PyUnicode_Check(o)) {
      owned.push_back(new Owned(PyNumber_Index(o)));
    } else if (is_number(o) && !PyFloat_Check(o) && !PyComplex_Check(o)) {
      owned.push_back(new Owned(wrap_bool(is_true(o))));
    } else if (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o)) {  // range and the like
      Owned items_of(check_object(PySequence_List(o)));
      owned.push_back(new Owned(wrap(index_tensor(items_of.get()))));
    } else if (PyUnicode_Check(o) || PyBytes_Check(o)) {
      fail<TypeError>("new(): invalid data type '", type_name(o), "'");
    } else {
      fail_index(o);
    }
    list[static_cast<size_t>(i)] = owned.back()->get();
  }
  if (!list.empty()) items = list.data();

  // From here on only views are made. Recording the first may run Python code that changes self, so that its number of
  // dims is read once.
  const int64_t ndim = self.dim();
  int64_t taken = 0;
  for (Py_ssize_t i = 0; i < count; ++i) taken += dims_taken(items[i]);
  if (taken > ndim) fail<IndexError>("too many indices for tensor of dimension ", ndim);

  int64_t dim = 0;
  bool seen_ellipsis = false;  // further ones stand for no dims
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = items[i];
    if (o == Py_Ellipsis) {
      if (!seen_ellipsis) dim += ndim - taken;
      seen_ellipsis = true;
    } else if (o == Py_None) {
      p.view = unsqueeze(p.view, dim++);
    } else if (PySlice_Check(o)) {
      p.view = slice_of(p.view, dim, o);
      ++dim;
    } else if (PyBool_Check(o)) {
      // A dim of size 1 or 0 in front.
      p.view = unsqueeze(p.view, dim);
      p.indices.resize(static_cast<size_t>(dim) + 1);
      p.indices[static_cast<size_t>(dim++)] =
          o == Py_True ? zeros(DimVector{1}, DType::Int64) : empty(DimVector{0}, DType::Int64);
      p.advanced = true;
    } else if (PyLong_Check(o)) {
      p.view = select_checked(p.view, dim, to_int(o));
    } else {
      const Tensor& t = unwrap(o);
      if (t.dim() == 0 && is_integral(t.dtype(), false) && !is_mask(t)) {
        p.view = select_checked(p.view, dim, t.item().to_int());
        continue;
      }
      if (t.dim() == 0 && is_mask(t)) {
        p.view = unsqueeze(p.view, dim);
        p.indices.resize(static_cast<size_t>(dim) + 1);
        p.indices[static_cast<size_t>(dim++)] =
            t.item().to_bool() ? zeros(DimVector{1}, DType::Int64) : empty(DimVector{0}, DType::Int64);
        p.advanced = true;
        continue;
      }
      if (!is_integral(t.dtype(), true))
        fail<IndexError>("tensors used as indices must be long, int, byte or bool tensors");
      p.indices.resize(static_cast<size_t>(dim) + 1);
      p.indices[static_cast<size_t>(dim)] = t;
      dim += is_mask(t) ? t.dim() : 1;
      // A mask over k dims takes k places: index() expands it, so the places behind it are filled there.
      p.advanced = true;
    }
  }
  return p;
}

// The index list of index(): a mask stands in one place for all the dims that it covers.
TensorList compact(const Parsed& p) {
  TensorList result;
  for (size_t i = 0; i < p.indices.size();) {
    result.push_back(p.indices[i]);
    const Tensor& t = p.indices[i];
    i += t.defined() && is_mask(t) ? static_cast<size_t>(std::max<int64_t>(t.dim(), 1)) : 1;
  }
  return result;
}

}  // namespace

namespace {
// After an index or value was refused: whether an object of a foreign class among them takes the call over. Then the
// exception is dropped.
template <class TakeOver>
[[gnu::cold]] bool foreign_takes_over(TakeOver&& take_over) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  const bool is = take_over();
  if (!is) {
    PyErr_Restore(type, value, trace);
    return false;
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return true;
}
}  // namespace

PyObject* get_item(PyObject* self, PyObject* index) {
  PyObject* taken;
  if (overrides_possible() && overridden("__getitem__", {self, index}, &taken)) [[unlikely]]
    return taken;
  PyObject* found = guarded([&]() -> PyObject* {
    const Tensor& t = unwrap(self);
    // The usual forms first.
    if (is_plain_int(index)) {
      if (t.dim() == 0)
        fail<IndexError>(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim tensor to a number");
      return wrap(select_checked(t, 0, to_int(index)));
    }
    if (PySlice_Check(index) && is_plain_slice(index)) {
      if (t.dim() == 0) fail<IndexError>("slice() cannot be applied to a 0-dim tensor.");
      if (!autograd::needs(t)) return wrap(make_view(t, apply_slice(t, 0, index)));
      return wrap(sliced(t, 0, index));
    }
    if (PyTuple_CheckExact(index) && PyTuple_GET_SIZE(index) <= t.dim() && !autograd::needs(t)) {
      // Integers and slices only: one view, computed in place.
      const Py_ssize_t n = PyTuple_GET_SIZE(index);
      bool simple = true;
      for (Py_ssize_t i = 0; i < n && simple; ++i) {
        PyObject* o = PyTuple_GET_ITEM(index, i);
        simple = PyLong_CheckExact(o) || (PySlice_Check(o) && is_plain_slice(o));
      }
      if (simple) {
        DimVector sizes, strides;
        int64_t offset = t.storage_offset();
        for (int64_t d = 0; d < t.dim(); ++d) {
          const int64_t size = t.sizes()[d], stride = t.strides()[d];
          PyObject* o = d < n ? PyTuple_GET_ITEM(index, d) : nullptr;
          if (o && PyLong_CheckExact(o)) {
            int64_t i = to_int(o);
            if (i < -size || i >= size)
              fail<IndexError>("index ", i, " is out of bounds for dimension ", d, " with size ", size);
            offset += (i < 0 ? i + size : i) * stride;
          } else if (o) {
            auto* s = reinterpret_cast<PySliceObject*>(o);
            int64_t first = slice_bound(s->start).value_or(0), last = slice_bound(s->stop).value_or(size);
            const int64_t step = slice_bound(s->step).value_or(1);
            if (step <= 0) fail_step(step);
            if (first < 0) first += size;
            if (last < 0) last += size;
            first = first < 0 ? 0 : first > size ? size : first;
            last = last < first ? first : last > size ? size : last;
            offset += first * stride;
            sizes.push_back(last == first ? 0 : (last - first - 1) / step + 1);
            int64_t wide;
            strides.push_back(__builtin_mul_overflow(stride, step, &wide) ? stride : wide);
          } else {
            sizes.push_back(size);
            strides.push_back(stride);
          }
        }
        return wrap(make_view(t, {sizes, strides, offset}));
      }
    }
    if (is_tensor(index) && unwrap(index).dim() > 0 && !unwrap(index).is_lazy()) {
      const Tensor& i = unwrap(index);
      if (is_integral(i.dtype(), true)) {
        if (i.dim() > t.dim() && is_mask(i)) fail<IndexError>("too many indices for tensor of dimension ", t.dim());
        return wrap(rushlight::index(resolve_lazy(t), {&i, 1}));
      }
    }
    const Parsed p = parse(t, index);
    if (p.advanced) return wrap(rushlight::index(resolve_lazy(p.view), compact(p)));
    if (p.view.is_same(t)) return wrap(alias(t));
    return wrap(p.view);
  });
  return found || !foreign_takes_over([&] { return overridden("__getitem__", {self, index}, &taken); }) ? found : taken;
}

int set_item(PyObject* self, PyObject* index, PyObject* value) {
  auto take_over = [&] {
    PyObject* taken = nullptr;
    const bool is = value && overridden("__setitem__", {self, index, value}, &taken);
    Py_XDECREF(taken);
    return is;
  };
  if (overrides_possible() && take_over()) [[unlikely]]
    return PyErr_Occurred() ? -1 : 0;
  const int status = guarded_status([&] {
    if (!value) fail<TypeError>("Tensor does not support deleting items");
    // One bool is no mask: True adds a dim, False selects no element, and no change counts.
    if (index == Py_False) return 0;
    if (index == Py_True) index = Py_None;
    // A tensor with a lazy bit: the conjugate (negative) of the value goes to the memory itself.
    const bool conjugate = unwrap(self).is_conj(), negate = unwrap(self).is_neg();
    if (conjugate || negate) autograd::check_inplace(unwrap(self));
    Tensor plain = conjugate ? lazy_conj(unwrap(self)) : Tensor();
    if (negate) plain = lazy_neg(conjugate ? plain : unwrap(self));
    const Tensor& t = plain.defined() ? plain : unwrap(self);
    const Parsed p =
        is_plain_int(index) && t.dim() > 0 ? Parsed{select_checked(t, 0, to_int(index)), {}, false} : parse(t, index);
    // Numbers, tensors, and whatever tensor() takes.
    Tensor v;
    if (is_tensor(value)) {
      v = resolve_lazy(unwrap(value));
    } else if (is_number(value)) {
      Scalar number = to_scalar(value);
      if (conjugate) number = Scalar(std::conj(number.to_complex()));
      if (!p.advanced && !negate) {
        number.check_fits(t.dtype());
        autograd::check_inplace(p.view);
        layout::check_writable(p.view);
        fill_(p.view, number);
        return 0;
      }
      v = full({}, number, t.dtype());
    } else if (value == Py_None || PyUnicode_Check(value)) {
      fail<TypeError>("can't assign a ", type_name(value), " to a tensor");
    } else {
      v = tensor_from_data(value, PyList_Check(value) || PyTuple_Check(value) ? OptDType(t.dtype()) : OptDType(),
                           false);
    }
    // Real values become complex first: their imaginary part is -0 in memory.
    if (conjugate && !is_number(value))
      v = conj(is_complex(v.dtype()) || (p.advanced && is_tensor(value)) ? v : to(v, t.dtype()));
    if (negate) v = neg(to(v, t.dtype()));  // other dtypes may have no negatives
    if (p.advanced && v.dtype() != t.dtype() && !is_tensor(value)) v = to(v, t.dtype());
    // Leading dims of size 1 of the value are dropped, as in torch.
    int64_t lead = 0;
    while (lead < v.dim() && v.sizes()[lead] == 1) ++lead;
    if (lead) v = reshape(v, IntSpan(v.sizes()).subspan(static_cast<size_t>(lead)));
    if (!p.advanced) {
      copy_(p.view, equal(v.sizes(), p.view.sizes()) ? v : expand(v, p.view.sizes()));
      return 0;
    }
    index_put_(p.view, compact(p), v);
    return 0;
  });
  if (status && take_interrupted()) count_change(self);
  if (status == 0 || !foreign_takes_over(take_over)) return status;
  return PyErr_Occurred() ? -1 : 0;
}

}  // namespace rushlight::python
