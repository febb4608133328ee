// The forms of an operation around the function that computes it: out=, the in-place method, named tuples.
#include <cstring>

#include "bindings/python.h"
#include "ops/elementwise.h"

namespace rushlight::python {

struct Operation {
  std::string name;
  Tensor (*one)(const Args&) = nullptr;
  TensorList (*many)(const Args&) = nullptr;
  std::vector<std::string> fields;
  std::vector<const char*> field_names;
  int out = -1;  // position of the parameter
};

namespace {

PyObject* run_one(Args& a) {
  const Operation& op = *a.operation;
  Tensor result = op.one(a);
  if (op.out < 0 || !a.has(op.out)) return wrap(std::move(result));
  finish_out(op.name.c_str(), a.tensor(op.out), result);
  return Py_NewRef(a.object(op.out));
}

PyObject* wrap_results(const Operation& op, const TensorList& results) {
  if (op.fields.empty()) return wrap(results);
  return make_return(op.name.c_str(), op.field_names.data(), results.data(), static_cast<int>(results.size()));
}

PyObject* run_many(Args& a) {
  const Operation& op = *a.operation;
  if (op.out < 0 || !a.has(op.out)) return wrap_results(op, op.many(a));
  const TensorList out = a.tensors(op.out);
  if (!op.fields.empty() && out.size() != op.fields.size())
    fail<TypeError>(op.name, "(): argument 'out' must be tuple of ", op.fields.size(), " Tensors, not ", out.size());
  const TensorList results = op.many(a);
  if (out.size() != results.size())
    fail<TypeError>(op.name, "(): argument 'out' must be tuple of ", results.size(), " Tensors, not ", out.size());
  finish_outs(op.name.c_str(), out, results);
  return wrap_results(op, out);
}

PyObject* run_inplace(Args& a) {
  const Operation& op = *a.operation;
  PyObject* const self = a.object(0);
  inplace_by_copy(op.name.c_str(), unwrap(self), [&](const Tensor& before) {
    Owned old(wrap(before));
    a.values[0] = old.get();
    Tensor result = op.one(a);
    a.values[0] = self;
    return result;
  });
  return Py_NewRef(self);
}

// The position of the parameter out.
int out_position(const std::string& signature) {
  const size_t at = signature.find(" out=");
  if (at == std::string::npos) return -1;
  int position = 0;
  for (size_t i = signature.find('('); (i = signature.find(", ", i + 1)) < at;)
    if (signature.compare(i, 4, ", *,") != 0) ++position;
  return position;
}

Operation* make_operation(const std::string& signature) {
  auto* op = new Operation;
  op->name = signature.substr(0, signature.find('('));
  op->out = out_position(signature);
  return op;
}

}  // namespace

void def_op(const char* signature, Tensor (*compute)(const Args& args), int where, const char* doc) {
  Operation* op = make_operation(signature);
  op->one = compute;
  def(signature, run_one, where & ~kInPlace, doc, op);
  if (!(where & kInPlace)) return;
  std::string text = signature;
  for (const char* out : {", *, Tensor? out=None", ", Tensor? out=None"})
    if (const size_t at = text.find(out); at != std::string::npos) text.erase(at, std::strlen(out));
  text.insert(text.find('('), "_");
  Operation* inplace = make_operation(text);
  inplace->one = compute;
  def(text.c_str(), run_inplace, kMethod, doc, inplace);
}

void def_ops(const char* signature, TensorList (*compute)(const Args& args), const char* fields, int where,
             const char* doc) {
  Operation* op = make_operation(signature);
  op->many = compute;
  for (const char* at = fields; *at;) {
    const char* end = std::strchr(at, ' ');
    op->fields.emplace_back(at, end ? end : at + std::strlen(at));
    at = end ? end + 1 : at + std::strlen(at);
  }
  std::string text = signature;
  for (const std::string& f : op->fields) {
    text += (op->field_names.empty() ? " -> (Tensor " : ", Tensor ") + f;
    op->field_names.push_back(f.c_str());
  }
  if (!op->fields.empty()) text += ")";
  def(text.c_str(), run_many, where, doc, op);
}

}  // namespace rushlight::python
