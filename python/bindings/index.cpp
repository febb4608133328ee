#include "rushlight/index.h"

#include "bindings/python.h"
#include "ops/reduce.h"

namespace rushlight::python {

namespace {

// The first argument of an operation whose out= (parameter i) must have its dtype.
const Tensor& self_for_out(const Args& a, int i) {
  if (a.has(i)) check_out_dtype(a.tensor(0).dtype(), a.tensor(i));
  return a.tensor(0);
}

// An integer or a sequence of integers, with the messages of unravel_index.
DimVector shape_of(PyObject* o) {
  if (is_int(o) && !is_tensor(o)) return DimVector{to_int(o)};
  if (is_tensor(o) || !PySequence_Check(o))
    fail<TypeError>("expected 'shape' to be int or sequence of ints, but got ",
                    str_of(reinterpret_cast<PyObject*>(Py_TYPE(o))));
  Owned items(PySequence_Tuple(o));
  DimVector shape;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
    PyObject* item = PyTuple_GET_ITEM(items.get(), i);
    if (!is_int(item))
      fail<TypeError>("expected 'shape' sequence to only contain ints, but got ",
                      str_of(reinterpret_cast<PyObject*>(Py_TYPE(item))));
    shape.push_back(to_int(item));
  }
  return shape;
}

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
  def_op(
      "scatter(Tensor input, int dim, Tensor index, Operand src, *, str? reduce=None, Tensor? out=None)",
      [](const Args& a) { return scatter(self_for_out(a, 5), a.integer(1), a.tensor(2), a.operand(3), a.text(4)); },
      kBoth,
      "out[index[i][j]][j] = src[i][j] for dim 0, and so on; else a copy of input.\n\nsrc: a tensor or a number. "
      "reduce: 'add' or 'multiply' combine with the old elements.");
  def_op("scatter(Tensor input, int dim, Tensor index, Scalar value, *, str? reduce=None, Tensor? out=None)",
         [](const Args& a) { return scatter(self_for_out(a, 5), a.integer(1), a.tensor(2), a.scalar(3), a.text(4)); });
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
  def_op("scatter_add(Tensor input, int dim, Tensor index, Tensor src, *, Tensor? out=None)",
         [](const Args& a) { return scatter_add(self_for_out(a, 4), a.integer(1), a.tensor(2), a.tensor(3)); });
  def(
      "scatter_add_(Tensor self, int dim, Tensor index, Tensor src)",
      [](Args& a) {
        scatter_add_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3));
        return self_of(a);
      },
      kMethod);
  def_op(
      "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True, "
      "Tensor? out=None)",
      [](const Args& a) {
        return scatter_reduce(self_for_out(a, 6), a.integer(1), a.tensor(2), a.tensor(3), a.text(4), a.flag(5, true));
      },
      kBoth,
      "Elements of src that meet in one place of input, reduced.\n\nreduce: 'sum', 'prod', 'mean', 'amax' or 'amin'. "
      "include_self: the old elements take part, too.");
  def(
      "scatter_reduce_(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)",
      [](Args& a) {
        scatter_reduce_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.text(4), a.flag(5, true));
        return self_of(a);
      },
      kMethod);
  def_op(
      "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True, "
      "Tensor? out=None)",
      [](const Args& a) {
        return index_reduce(self_for_out(a, 6), a.integer(1), a.tensor(2), a.tensor(3), a.text(4), a.flag(5, true));
      },
      kBoth,
      "Slices of source that a 1-d index sends to one slice of input, reduced.\n\nreduce: 'prod', 'mean', 'amax' or "
      "'amin'. include_self: the old slices take part, too.");
  def(
      "index_reduce_(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True)",
      [](Args& a) {
        index_reduce_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.text(4), a.flag(5, true));
        return self_of(a);
      },
      kMethod);
  def_op(
      "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1, Tensor? out=None)",
      [](const Args& a) {
        return index_add(self_for_out(a, 5), a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4, 1));
      },
      kBoth, "input with alpha * source added to the slices of a dim that a 1-d index names.");
  def(
      "index_add_(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1)",
      [](Args& a) {
        index_add_(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4, 1));
        return self_of(a);
      },
      kMethod);
  def_op("index_copy(Tensor input, int dim, Tensor index, Tensor source, *, Tensor? out=None)",
         [](const Args& a) { return index_copy(self_for_out(a, 4), a.integer(1), a.tensor(2), a.tensor(3)); });
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
  def_op(
      "take_along_dim(Tensor input, Tensor indices, int? dim=None, *, Tensor? out=None)",
      [](const Args& a) { return take_along_dim(self_for_out(a, 3), a.tensor(1), a.integer_or_none(2)); }, kBoth,
      "gather() with both arguments broadcast in the other dims; of the flattened tensors without dim.");
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
  def("index_put_(Tensor input, object indices, Tensor values, bool accumulate=False)", [](Args& a) {
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
          return wrap(where(a.tensor(0)));
        }
        if (!a.has(1)) return wrap(nonzero(a.tensor(0)));
        nonzero_out(a.tensor(1), a.tensor(0));
        return Py_NewRef(a.object(1));
      },
      kBoth, "Indices of the nonzero elements, [count, dim], or one tensor per dim with as_tuple=True.");
  def_op("argwhere(Tensor input)", [](const Args& a) { return nonzero(a.tensor(0)); });
  def_op(
      "nonzero_static(Tensor input, *, int size, int fill_value=-1, Tensor? out=None)",
      [](const Args& a) {
        if (a.has(3) && a.tensor(3).dtype() != DType::Int64)
          fail("nonzero_static: Expected out tensor to have scalar type Long but got scalar type ",
               a.tensor(3).dtype());
        return nonzero_static(a.tensor(0), a.integer(1), a.integer(2, -1));
      },
      kBoth, "nonzero() cut or filled up with fill_value to `size` rows.");
  def_op("repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None)", [](const Args& a) {
    return repeat_interleave(a.tensor(0), a.tensor(1), a.integer_or_none(2), a.integer_or_none(3));
  });
  def_op(
      "repeat_interleave(Tensor repeats, *, int? output_size=None)",
      [](const Args& a) { return repeat_interleave(a.tensor(0), a.integer_or_none(1)); }, kFunction);
  def_op(
      "repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None)",
      [](const Args& a) {
        return repeat_interleave(a.tensor(0), a.integer(1), a.integer_or_none(2), a.integer_or_none(3));
      },
      kBoth,
      "Every slice along dim repeated; without dim: every element of the flattened tensor.\n\nrepeats: a number, or "
      "one "
      "per slice.");
  def(
      "unravel_index(Tensor indices, object shape) -> Tensor[]",
      [](Args& a) { return wrap(unravel_index(a.tensor(0), shape_of(a.object(1)))); }, kFunction,
      "Coordinates of row-major positions within a shape: one tensor per dim.");
}

}  // namespace rushlight::python
