// Tensors with the conjugate or the negative bit, which most operations take as resolved copies.
#pragma once

#include "bindings/python.h"
#include "rushlight/conj.h"

namespace rushlight::python {

// Whether a function of this name minds the lazy bits itself: views, questions about geometry, copies.
bool is_lazy_aware(const char* name);

// o, with copies in place of tensors that have a lazy bit, also as items of a list or tuple. A new reference.
PyObject* without_lazy(PyObject* o);

// Gives the value of a changed resolved copy back to the tensor with the bit that it was made from.
void store_resolved(const Tensor& self, const Tensor& changed);

// change(copy) for a tensor with a lazy bit, whose memory gets the result.
template <class F>
void change_resolved(const Tensor& self, F&& change) {
  autograd::check_inplace(self);
  const Tensor copy = resolve_lazy(self);
  change(copy);
  store_resolved(self, copy);
}

}  // namespace rushlight::python
