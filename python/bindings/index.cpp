#include "bindings/python.h"

namespace rushlight::python {

namespace {

PyObject* self_of(const Args& a) { return Py_NewRef(a.object(0)); }

TensorList index_list(PyObject* o) {
  TensorList list;
  Owned items(PySequence_Tuple(o));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
    PyObject* item = PyTuple_GET_ITEM(items.get(), i);
    if (item != Py_None && !is_tensor(item))
      fail<TypeError>("index_put(): argument 'indices' must be tuple of Tensors, not ", type_name(item),
                      " at position ", i);
    list.push_back(item == Py_None ? Tensor() : unwrap(item));
  }
  return list;
}

}  // namespace

void register_index() {
  def(
      "index_select(Tensor input, int dim, Tensor index, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(3)) return wrap(index_select(a.tensor(0), a.integer(1), a.tensor(2)));
        index_select_out(a.tensor(3), a.tensor(0), a.integer(1), a.tensor(2));
        return Py_NewRef(a.object(3));
      },
      kBoth, "The slices of a dim that a 1-d index names.\n\nindex: int64 or int32, each in [0, size).");
  def(
      "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(4)) return wrap(gather(a.tensor(0), a.integer(1), a.tensor(2)));
        gather_out(a.tensor(4), a.tensor(0), a.integer(1), a.tensor(2));
        return Py_NewRef(a.object(4));
      },
      kBoth, "out[i][j] = input[index[i][j]][j] for dim 0, and so on.");
  def("scatter(Tensor input, int dim, Tensor index, Operand src, *, str? reduce=None)",
      [](Args& a) { return wrap(scatter(a.tensor(0), a.integer(1), a.tensor(2), a.operand(3), a.text(4))); });
  def("scatter(Tensor input, int dim, Tensor index, Scalar value, *, str? reduce=None)",
      [](Args& a) { return wrap(scatter(a.tensor(0), a.integer(1), a.tensor(2), a.scalar(3), a.text(4))); });
  def(
      "scatter_(Tensor self, int dim, Tensor index, Operand src, *, str? reduce=None)",
      [](Args& a) {
        scatter_(a.tensor(0), a.integer(1), a.tensor(2), a.operand(3), a.text(4));
        return self_of(a);
      },
      kMethod);
  def(
      "scatter_(Tensor self, int dim, Tensor index, Scalar value, *, str? reduce=None)",
      [](Args& a) {
        scatter_(a.tensor(0), a.integer(1), a.tensor(2), a.scalar(3), a.text(4));
        return self_of(a);
      },
      kMethod);
  def("scatter_add(Tensor input, int dim, Tensor index, Tensor src)",
      [](Args& a) { return wrap(scatter_add(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))); });
  def(
      "scatter_add_(Tensor self, int dim, Tensor index, Tensor src)",
      [](Args& a) {
        scatter_add_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3));
        return self_of(a);
      },
      kMethod);
  def("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1)",
      [](Args& a) { return wrap(index_add(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4, 1))); });
  def(
      "index_add_(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1)",
      [](Args& a) {
        index_add_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4, 1));
        return self_of(a);
      },
      kMethod);
  def("index_copy(Tensor input, int dim, Tensor index, Tensor source)",
      [](Args& a) { return wrap(index_copy(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))); });
  def(
      "index_copy_(Tensor self, int dim, Tensor index, Tensor source)",
      [](Args& a) {
        index_copy_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3));
        return self_of(a);
      },
      kMethod);
  def("index_fill(Tensor input, int dim, Tensor index, Operand value)",
      [](Args& a) { return wrap(index_fill(a.tensor(0), a.integer(1), a.tensor(2), a.operand(3))); });
  def(
      "index_fill_(Tensor self, int dim, Tensor index, Operand value)",
      [](Args& a) {
        index_fill_(a.tensor(0), a.integer(1), a.tensor(2), a.operand(3));
        return self_of(a);
      },
      kMethod);
  def(
      "take(Tensor input, Tensor index, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(2)) return wrap(take(a.tensor(0), a.tensor(1)));
        take_out(a.tensor(2), a.tensor(0), a.tensor(1));
        return Py_NewRef(a.object(2));
      },
      kBoth, "Elements by their position in the flattened tensor.");
  def("put(Tensor input, Tensor index, Tensor source, bool accumulate=False)",
      [](Args& a) { return wrap(put(a.tensor(0), a.tensor(1), a.tensor(2), a.flag(3))); });
  def(
      "put_(Tensor self, Tensor index, Tensor source, bool accumulate=False)",
      [](Args& a) {
        put_(a.tensor(0), a.tensor(1), a.tensor(2), a.flag(3));
        return self_of(a);
      },
      kMethod);
  def("index_put(Tensor input, object indices, Tensor values, bool accumulate=False)",
      [](Args& a) { return wrap(index_put(a.tensor(0), index_list(a.object(1)), a.tensor(2), a.flag(3))); });
  def("index_put_(Tensor self, object indices, Tensor values, bool accumulate=False)", [](Args& a) {
    index_put_(a.tensor(0), index_list(a.object(1)), a.tensor(2), a.flag(3));
    return self_of(a);
  });
  def(
      "masked_select(Tensor input, Tensor mask, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(2)) return wrap(masked_select(a.tensor(0), a.tensor(1)));
        masked_select_out(a.tensor(2), a.tensor(0), a.tensor(1));
        return Py_NewRef(a.object(2));
      },
      kBoth, "The elements where a bool mask is true, 1-d.");
  def("masked_fill(Tensor input, Tensor mask, Operand value)",
      [](Args& a) { return wrap(masked_fill(a.tensor(0), a.tensor(1), a.operand(2))); });
  def(
      "masked_fill_(Tensor self, Tensor mask, Operand value)",
      [](Args& a) {
        masked_fill_(a.tensor(0), a.tensor(1), a.operand(2));
        return self_of(a);
      },
      kMethod);
  def("masked_scatter(Tensor input, Tensor mask, Tensor source)",
      [](Args& a) { return wrap(masked_scatter(a.tensor(0), a.tensor(1), a.tensor(2))); });
  def(
      "masked_scatter_(Tensor self, Tensor mask, Tensor source)",
      [](Args& a) {
        masked_scatter_(a.tensor(0), a.tensor(1), a.tensor(2));
        return self_of(a);
      },
      kMethod);
  def(
      "nonzero(Tensor input, *, Tensor? out=None, bool as_tuple=False)",
      [](Args& a) {
        if (a.flag(2)) {
          if (a.has(1)) fail("nonzero does not support the out kwarg when as_tuple is True");
          const Tensor& t = a.tensor(0);
          return wrap(unbind(nonzero(t.dim() ? t : unsqueeze(t, 0)), 1));
        }
        if (!a.has(1)) return wrap(nonzero(a.tensor(0)));
        nonzero_out(a.tensor(1), a.tensor(0));
        return Py_NewRef(a.object(1));
      },
      kBoth, "Indices of the nonzero elements, [count, dim], or one tensor per dim with as_tuple=True.");
  def("argwhere(Tensor input)", [](Args& a) { return wrap(nonzero(a.tensor(0))); });
}

}  // namespace rushlight::python
