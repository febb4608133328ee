#include "bindings/signature.h"

#include <map>

#include "bindings/conj.h"

namespace rushlight::python {

namespace {

Kind kind_of(const std::string& type) {
  static const std::map<std::string, Kind> kinds = {
      {"Tensor", Kind::Tensor},    {"Operand", Kind::Operand}, {"Scalar", Kind::Scalar}, {"int", Kind::Int},
      {"float", Kind::Float},      {"bool", Kind::Bool},       {"str", Kind::Text},      {"int[]", Kind::Ints},
      {"Tensor[]", Kind::Tensors}, {"dtype", Kind::DType},     {"device", Kind::Device}, {"Generator", Kind::Generator},
      {"object", Kind::Object}};
  auto found = kinds.find(type);
  if (found == kinds.end()) Py_FatalError(("unknown type in a signature: " + type).c_str());
  return found->second;
}

std::string trim(const std::string& s) {
  const size_t a = s.find_first_not_of(' '), b = s.find_last_not_of(' ');
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

}  // namespace

Signature parse_signature(const char* text, Handler handler) {
  Signature s;
  s.text = text;
  s.handler = handler;
  s.shown = text;
  const std::string name = s.text.substr(0, s.text.find('('));
  s.lazy_aware = is_lazy_aware(name.c_str());
  s.inplace = (name.ends_with('_') && !name.ends_with("__")) || name == "__idiv__";
  for (const auto& [ours, theirs] : {std::pair<std::string, std::string>("Operand ", "Tensor or Number "),
                                     {"Scalar", "Number"},
                                     {"[*]", "[]"},
                                     {"[1]", "[]"}})
    for (size_t at; (at = s.shown.find(ours)) != std::string::npos;) s.shown.replace(at, ours.size(), theirs);
  s.shown = trim(s.shown.substr(0, s.shown.find("->")));
  const size_t open = s.text.find('('),
               close = s.text.rfind(')', s.text.find("->") == std::string::npos ? s.text.size() : s.text.find("->"));
  const size_t arrow = s.text.find("->");
  s.returns = arrow == std::string::npos ? "Tensor" : trim(s.text.substr(arrow + 2));
  if (arrow != std::string::npos) s.text = trim(s.text.substr(0, arrow));
  const std::string inner = s.text.substr(open + 1, close - open - 1);
  bool keyword_only = false;
  size_t at = 0;
  while (at < inner.size()) {
    size_t comma = inner.find(", ", at);
    if (comma == std::string::npos) comma = inner.size();
    std::string item = trim(inner.substr(at, comma - at));
    at = comma + 2;
    if (item.empty()) continue;
    if (item == "*") {
      keyword_only = true;
      continue;
    }
    Param p;
    const size_t space = item.find(' ');
    std::string type = item.substr(0, space), name = item.substr(space + 1);
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      p.required = false;
      p.fallback = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    p.type = type;
    if (type.back() == '?') {
      p.nullable = true;
      type.pop_back();
    }
    if (type == "int[*]") {
      p.variadic = p.single = true;
      type = "int[]";
    } else if (type == "int[1]") {
      p.single = true;
      type = "int[]";
    }
    p.kind = kind_of(type);
    p.name = name;
    p.interned = PyUnicode_InternFromString(name.c_str());
    p.keyword_only = keyword_only;
    if (!keyword_only) ++s.positional;
    s.params.push_back(std::move(p));
  }
  if (s.params.size() > static_cast<size_t>(kMaxParams)) Py_FatalError("too many parameters in a signature");
  return s;
}

const char* expected(const Param& p) {
  switch (p.kind) {
    case Kind::Tensor: return "Tensor";
    case Kind::Operand: return "Tensor or Number";
    case Kind::Scalar: return "Number";
    case Kind::Int: return "int";
    case Kind::Float: return "float";
    case Kind::Bool: return "bool";
    case Kind::Text: return "str";
    case Kind::Ints: return "tuple of ints";
    case Kind::Tensors: return "tuple of Tensors";
    case Kind::DType: return "torch.dtype";
    case Kind::Device: return "torch.device";
    case Kind::Generator: return "torch.Generator";
    case Kind::Object: return "object";
  }
  return "";
}

std::string full_doc(const Function& f) {
  std::string text;
  for (const Signature& s : f.overloads) text += s.shown + " -> " + s.returns + "\n";
  if (!f.doc.empty()) text += "\n" + f.doc + "\n";
  return text;
}

}  // namespace rushlight::python
