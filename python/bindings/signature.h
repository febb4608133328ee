// Signatures as they are registered, and the texts made of them: messages, __doc__.
#pragma once

#include "bindings/override.h"

namespace rushlight::python {

enum class Kind : uint8_t {
  Tensor,
  Operand,
  Scalar,
  Int,
  Float,
  Bool,
  Text,
  Ints,
  Tensors,
  DType,
  Device,
  Generator,
  Object
};

struct Param {
  std::string name;
  PyObject* interned = nullptr;
  Kind kind = Kind::Object;
  bool nullable = false;
  bool required = true;
  bool keyword_only = false;
  bool single = false;    // one integer stands for the list
  bool variadic = false;  // separate positional integers do, too
  bool hidden = false;    // out= of a method: never given
  std::string type, fallback;
};

struct Signature {
  std::string text;   // "sum(Tensor input, ...)"
  std::string shown;  // the same in torch's words, for messages
  std::vector<Param> params;
  std::string returns;
  int positional = 0;
  Handler handler;
  const Operation* operation = nullptr;
  bool lazy_aware = false;
  bool inplace = false;  // changes the tensor that is its first argument
};

struct Function {
  std::string name;
  const char* module = "rushlight";
  std::string doc;
  std::vector<Signature> overloads;
  Overridable override_by = Overridable::Always;
};

struct FunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  Function* function;
  bool method;
};

Signature parse_signature(const char* text, Handler handler);
// What messages say an argument must be.
const char* expected(const Param& p);
std::string full_doc(const Function& f);

// The vectorcall of all function objects (parser.cpp).
PyObject* call(PyObject* callable, PyObject* const* given, size_t nargsf, PyObject* names);

}  // namespace rushlight::python
