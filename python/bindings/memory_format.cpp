#include "bindings/memory_format.h"

#include <cstring>

namespace rushlight::python {

MemoryFormat memory_format(const Args& a, int i, MemoryFormat otherwise) {
  if (!a.has(i)) return otherwise;
  PyObject* o = a.object(i);
  if (std::strcmp(Py_TYPE(o)->tp_name, "memory_format") != 0)
    fail<TypeError>(a.function, "(): argument 'memory_format' must be torch.memory_format, not ", type_name(o));
  Owned text(PyObject_Repr(o));
  const char* name = PyUnicode_AsUTF8(text.get());
  if (!name) throw PythonError{};
  if (!std::strcmp(name, "torch.contiguous_format")) return MemoryFormat::Contiguous;
  if (!std::strcmp(name, "torch.channels_last")) return MemoryFormat::ChannelsLast;
  if (!std::strcmp(name, "torch.channels_last_3d")) return MemoryFormat::ChannelsLast3d;
  return MemoryFormat::Preserve;
}

}  // namespace rushlight::python
