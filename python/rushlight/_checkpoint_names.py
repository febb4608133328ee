"""What the pickles of checkpoints may name when nobody vouches for them, and with what arguments.

Every name stands for one object of the table ALLOWED, and every object that may be called has one function of the table
_CALLS, which checks each argument: its exact type, its range, how many there are. Nothing is looked up in a package by
a name of the file. What add_safe_globals() allows comes after that and is called as the file asks.
"""

from __future__ import annotations

import types
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError

from . import _C, _legacy, _types
from ._checkpoint_rebuild import DTYPES, LAYOUTS, STORAGE_KINDS, UNTYPED, _finished
from ._pickle_machine import Machine
from ._pickle_parts import Name, shown
from .nn.parameter import Parameter
from .storage import TypedStorage

Tensor, Size, device = _C.Tensor, _C.Size, _C.device

_WITHOUT_STORAGES = [_C.uint16, _C.uint32, _C.uint64, _C.complex32]
_TENSOR_DTYPES = {*STORAGE_KINDS, *_WITHOUT_STORAGES}
_DEVICE_TYPES = (
    "cpu cuda mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu mtia privateuseone xpu ipu"
).split()
_TENSOR_BYTES = 400  # a tensor of Python's and C++'s, without its sizes
_NAME_LENGTH = 1024


def _refuse(what: str, value: object) -> None:
    raise UnpicklingError(f"{what}, but got {shown(value)}")


def _of_type(value, what: str, *kinds: type):
    if type(value) not in kinds:
        _refuse(f"{what} must be of type {' or '.join(kind.__name__ for kind in kinds)}", value)
    return value


def _integer(value, what: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        _refuse(f"{what} must be an integer from 0 to 2**63 - 1", value)
    return value


def _integers(values, what: str) -> tuple[int, ...]:
    if type(values) not in (tuple, list, Size):
        _refuse(f"{what} must be a tuple of integers", values)
    for value in values:
        if type(value) is not int or not 0 <= value < 1 << 63:
            _refuse(f"{what} must be made of integers from 0 to 2**63 - 1", value)
    return tuple(values)


def _count(args: tuple, name: str, least: int, most: int) -> None:
    if not least <= len(args) <= most:
        raise UnpicklingError(f"{name} takes {least} to {most} arguments, but got {len(args)}")


def _no_hooks(hooks) -> None:
    if hooks is not None and (type(hooks) not in (OrderedDict, dict) or hooks):
        _refuse("backward hooks must be an empty OrderedDict", hooks)


def _view(machine: Machine, parts: tuple, dtype: _C.dtype | None = None) -> Tensor:
    """A tensor on (storage, offset, size, stride)."""
    storage, offset, size, stride = parts
    _of_type(storage, "the storage of a tensor", TypedStorage)
    size, stride = _integers(size, "the size of a tensor"), _integers(stride, "the stride of a tensor")
    _integer(offset, "the storage offset of a tensor")
    machine.memory.take(_TENSOR_BYTES + 32 * len(size))
    if 0 in size and offset > 128 * (storage.nbytes() + 1):  # where empty slices begin may be behind the end
        _refuse("the storage offset of an empty tensor must be near the storage", offset)
    return _C._tensor_on_storage(storage.untyped(), dtype or storage.dtype, offset, size, stride)


def _bits(machine: Machine, tensor: Tensor, requires_grad, hooks, metadata) -> Tensor:
    _of_type(requires_grad, "requires_grad", bool)
    _no_hooks(hooks)
    if metadata is not None:
        for bit, value in _of_type(metadata, "the metadata of a tensor", dict).items():
            if type(bit) is not str or bit not in ("conj", "neg") or type(value) is not bool:
                raise UnpicklingError(f"unknown metadata of a tensor: {shown(bit)}: {shown(value)}")
            if value and (tensor.dtype is _C.bool or (bit == "conj" and not tensor.is_complex())):
                raise UnpicklingError(f"a tensor of {tensor.dtype} cannot have the {bit} bit")
            machine.memory.take(_TENSOR_BYTES)
    return _finished(tensor, requires_grad, metadata)


def _tensor_v1(machine: Machine, args: tuple) -> Tensor:
    _count(args, "_rebuild_tensor", 4, 4)
    return _view(machine, args)


def _tensor_v2(machine: Machine, args: tuple) -> Tensor:
    _count(args, "_rebuild_tensor_v2", 6, 7)
    return _bits(machine, _view(machine, args[:4]), *args[4:6], *(args[6:] or (None,)))


def _tensor_v3(machine: Machine, args: tuple) -> Tensor:
    _count(args, "_rebuild_tensor_v3", 7, 8)
    if type(args[6]) is not _C.dtype or args[6] not in _TENSOR_DTYPES:
        _refuse("_rebuild_tensor_v3: not a dtype of tensors", args[6])
    return _bits(machine, _view(machine, args[:4], args[6]), *args[4:6], *(args[7:] or (None,)))


def _parameter(machine: Machine, args: tuple) -> Parameter:
    _count(args, "_rebuild_parameter", 3, 3)
    data, requires_grad, hooks = args
    if not isinstance(data, Tensor):
        _refuse("the data of a Parameter must be a tensor", data)
    _of_type(requires_grad, "requires_grad", bool)
    _no_hooks(hooks)
    machine.memory.take(_TENSOR_BYTES)
    return Parameter(data, requires_grad)


def _parameter_with_state(machine: Machine, args: tuple) -> Parameter:
    _count(args, "_rebuild_parameter_with_state", 4, 4)
    return _set_attributes(machine, _parameter(machine, args[:3]), args[3])


def _tensor_of_type(machine: Machine, args: tuple) -> Tensor:
    _count(args, "_rebuild_from_type_v2", 4, 4)
    function, kind, parts, state = args
    build = _TENSOR_CALLS.get(id(function))
    if build is None:
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {shown(function)}")
    allowed = machine.names.allows(kind) and isinstance(kind, type) and issubclass(kind, Tensor)
    if kind is not Tensor and kind is not Parameter and not allowed:
        _refuse("_rebuild_from_type_v2: the type must be Tensor, Parameter or an allowed subclass", kind)
    tensor = build(machine, _of_type(parts, "the arguments of a call", tuple))
    if type(tensor) is not kind:
        machine.memory.take(_TENSOR_BYTES)
        tensor = Tensor._make_subclass(kind, tensor.detach(), tensor.requires_grad)
    if allowed and hasattr(kind, "__setstate__"):
        machine.names.run(machine, tensor.__setstate__, (state,))
        return tensor
    return _set_attributes(machine, tensor, state)


def _set_attributes(machine: Machine, value, state):
    """Gives a value its state: attributes that hide none of its class. A pair has the slots of an allowed class."""
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    kind = type(value)
    base = next(base for base in (Parameter, Tensor, OrderedDict, Counter) if issubclass(kind, base))
    for name in _of_type(state if state is not None else {}, "the state of an object", dict):
        if type(name) is not str or len(name) > _NAME_LENGTH or name.startswith("__") or hasattr(base, name):
            raise UnpicklingError(f"state of {kind.__name__} for the attribute {shown(name)}")
    for name in _of_type(slots if slots is not None else {}, "the state of an object", dict):
        if type(name) is not str or type(getattr(kind, name, None)) is not types.MemberDescriptorType:
            raise UnpicklingError(f"state of {kind.__name__} for the slot {shown(name)}")
    if state:
        machine.charge_dict(len(state))
        value.__dict__.update(state)
    for name, item in (slots or {}).items():
        setattr(value, name, item)
    return value


def _layout(machine: Machine, args: tuple):
    _count(args, "_get_layout", 1, 1)
    if type(args[0]) is not str or args[0] not in LAYOUTS:
        raise UnpicklingError(f"not a layout that is supported: {shown(args[0])}")
    return LAYOUTS[args[0]]


def _size(machine: Machine, args: tuple):
    _count(args, "Size", 0, 1)
    if args and type(args[0]) in (tuple, list, Size):
        machine.memory.take(40 * len(args[0]))
    return Size(_integers(args[0], "the argument of Size") if args else ())


def _device(machine: Machine, args: tuple):
    _count(args, "device", 1, 2)
    kind, *index = args
    machine.memory.take(128)
    base, _, number = _of_type(kind, "the type of a device", str)[:64].partition(":")
    if base not in _DEVICE_TYPES or (number and not (number.isascii() and number.isdigit() and len(number) < 4)):
        raise UnpicklingError(f"not a device: {shown(kind)}")
    if index and index != [None] and (type(index[0]) is not int or not 0 <= index[0] < 128):
        _refuse("the index of a device must be an integer from 0 to 127", index[0])
    return device(kind, *(i for i in index if i is not None))


def _set(machine: Machine, args: tuple) -> set:
    _count(args, "set", 0, 1)
    machine.memory.take(232)
    return machine.add_to_set(set(), _of_type(args[0], "the items of a set", list, tuple) if args else ())


def _complex(machine: Machine, args: tuple) -> complex:
    _count(args, "complex", 0, 2)
    for part in args:
        if type(part) not in (int, float) or (type(part) is int and part.bit_length() > 64):
            _refuse("complex takes numbers", part)
    return complex(*args)


def _encoded(machine: Machine, text, encoding) -> bytes:
    _of_type(text, "text", str)
    if type(encoding) is not str or encoding not in ("latin1", "latin-1", "utf-8", "utf8", "ascii"):
        _refuse("bytes in an encoding that is not supported", encoding)
    machine.memory.take(64 + len(text) * (4 if encoding.startswith("utf") else 1))
    return text.encode(encoding)


def _bytes(machine: Machine, args: tuple) -> bytes:
    _count(args, "encode", 1, 2)
    return _encoded(machine, args[0], args[1] if len(args) > 1 else "utf-8")


def _empty_bytes(machine: Machine, args: tuple) -> bytes:
    _count(args, "bytes", 0, 0)
    return b""


def _bytearray(machine: Machine, args: tuple) -> bytearray:
    _count(args, "bytearray", 0, 2)
    if len(args) == 2:
        args = (_encoded(machine, *args),)
    elif args:
        _of_type(args[0], "the content of a bytearray", bytes)
    machine.memory.take(64 + len(args[0]) if args else 64)
    return bytearray(*args)


def _counter(machine: Machine, args: tuple) -> Counter:
    _count(args, "Counter", 0, 1)
    counts = _of_type(args[0], "the content of a Counter", dict) if args else {}
    machine.charge_dict(len(counts))
    counter = Counter()
    dict.update(counter, counts)
    return counter


def _ordered_dict(machine: Machine, args: tuple) -> OrderedDict:
    _count(args, "OrderedDict", 0, 1)
    made: OrderedDict = OrderedDict()
    pairs = _of_type(args[0], "the items of an OrderedDict", list, tuple) if args else ()
    machine.charge_dict(len(pairs), True)
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            _refuse("an item of an OrderedDict must be a pair", pair)
        machine.check_key(pair[0], len(made))
        made[pair[0]] = pair[1]
    return made


def _empty_tensor(dtype: _C.dtype | None) -> Callable:
    def build(machine: Machine, args: tuple) -> Tensor:
        _count(args, "a constructor of tensors", 0, 0)
        machine.memory.take(_TENSOR_BYTES)
        return _C.empty(0, dtype=dtype or _C.get_default_dtype())

    return build


def _new_parameter(machine: Machine, args: tuple) -> Parameter:
    _count(args, "Parameter", 0, 2)
    if not args:
        return _parameter(machine, (_empty_tensor(None)(machine, ()), True, None))
    return _parameter(machine, (*args, True, None) if len(args) == 1 else (*args, None))


_FUNCTIONS = {
    "torch._utils._rebuild_tensor": _tensor_v1,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": _tensor_of_type,
    "torch.serialization._get_layout": _layout,
    "_codecs.encode": _bytes,
    "builtins.bytes": _empty_bytes,
}
_CLASSES = {
    "collections.OrderedDict": (OrderedDict, _ordered_dict),
    "collections.Counter": (Counter, _counter),
    "builtins.set": (set, _set),
    "builtins.complex": (complex, _complex),
    "builtins.bytearray": (bytearray, _bytearray),
    "torch.Size": (Size, _size),
    "torch.device": (device, _device),
    "torch.Tensor": (Tensor, _empty_tensor(None)),
    "torch.nn.parameter.Parameter": (Parameter, _new_parameter),
    **{f"torch.{kind.__name__}": (kind, _empty_tensor(kind.dtype)) for kind in _legacy._tensor_classes},
}
_NAMES = {name: Name(name) for name in _FUNCTIONS}

# Everything that a restricted pickle may name.
ALLOWED: dict[str, object] = {
    **_NAMES,
    **{name: kind for name, (kind, _) in _CLASSES.items()},
    **{f"torch.{name}": dtype for name, dtype in DTYPES.items()},
    **{kind.full_name: kind for kind in STORAGE_KINDS.values()},
    **{kind.full_name.replace("torch.", "torch.cuda."): kind for kind in STORAGE_KINDS.values()},
    "torch.storage.UntypedStorage": UNTYPED,
    "torch.UntypedStorage": UNTYPED,
}
_CALLS: dict[int, Callable] = {
    **{id(_NAMES[name]): call for name, call in _FUNCTIONS.items()},
    **{id(kind): call for kind, call in _CLASSES.values()},
}
_TENSOR_CALLS: dict[int, Callable] = {
    id(_NAMES[f"torch._utils.{name}"]): _FUNCTIONS[f"torch._utils.{name}"]
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter")
}
_NEW = (OrderedDict, Counter, set, Tensor, Parameter, *_legacy._tensor_classes)  # that may be made with NEWOBJ
_KEYS = (_C.dtype, device, Tensor, Parameter, _types.layout)  # that hash by what they are, in constant time
_UNSUPPORTED = {
    "torch._utils._rebuild_sparse_tensor": "sparse tensors",
    "torch._utils._rebuild_nested_tensor": "nested tensors",
    "torch._utils._rebuild_qtensor": "quantized tensors of torch",
    "torch._utils._rebuild_meta_tensor_no_storage": "meta tensors",
    "torch._utils._rebuild_wrapper_subclass": "wrapper subclasses",
    "torch._utils._rebuild_device_tensor_from_numpy": "tensors of such devices",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "tensors of such devices",
}


class Names:
    """The names of a restricted pickle: ALLOWED, and `safe` with what the user allows."""

    size_type = Size

    def __init__(self, safe: dict[str, object]) -> None:
        self._safe = safe
        self._safe_ids = {id(value) for value in safe.values()}

    def allows(self, value) -> bool:
        """Whether the user allows this object."""
        return id(value) in self._safe_ids

    def is_key(self, value) -> bool:
        return type(value) in _KEYS or self.allows(value) or self.allows(type(value)) or isinstance(value, type)

    def find(self, module: str, name: str):
        full = f"{module}.{name}"
        if full in ALLOWED:
            return ALLOWED[full]
        if full in self._safe:
            return self._safe[full]
        if full in _UNSUPPORTED:
            raise UnpicklingError(f"{full}: {_UNSUPPORTED[full]} are not supported")
        full = full.removeprefix("builtins.")[:400]
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{full}])` or the "
            f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this global if you trust this "
            "class/function."
        )

    def call(self, machine: Machine, function, args):
        """REDUCE"""
        call = _CALLS.get(id(function))
        if call is not None:
            return call(machine, _of_type(args, "the arguments of a call", tuple))
        if not self.allows(function):
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {shown(function)}")
        return self._made(machine, function, function, args)

    def make(self, machine: Machine, kind, args):
        """NEWOBJ"""
        if kind in _NEW if isinstance(kind, type) else False:
            return _CALLS[id(kind)](machine, _of_type(args, "the arguments of a call", tuple))
        if not self.allows(kind) or not isinstance(kind, type):
            raise UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals` but got "
                f"{shown(kind)}"
            )
        return self._made(machine, kind, lambda *args: kind.__new__(kind, *args), args)

    def _made(self, machine: Machine, kind, function: Callable, args):
        """What an allowed class or function gives. Subclasses of Tensor take no sizes, which would allocate."""
        _of_type(args, "the arguments of a call", tuple)
        if isinstance(kind, type) and issubclass(kind, Tensor) and kind.__new__ in (Tensor.__new__, Parameter.__new__):
            if any(not isinstance(arg, Tensor) and type(arg) is not bool for arg in args):
                raise UnpicklingError(f"{shown(kind)} can be made of tensors only")
        return self.run(machine, function, args)

    def run(self, machine: Machine, function: Callable, args: tuple):
        """Calls what the user allows. Its exceptions are its own."""
        machine.foreign = True
        value = function(*args)
        machine.foreign = False
        return value

    def build(self, machine: Machine, value, state) -> None:
        """BUILD"""
        kind = type(value)
        if kind is Tensor:
            _set_memory(machine, value, state)
        elif kind is Parameter:
            _parameter_state(machine, value, state)
        elif kind is OrderedDict or kind is Counter:
            _set_attributes(machine, value, state)
        elif self.allows(kind):
            self.run(machine, _set_state, (value, state))
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got "
                f"{kind}"
            )


def _set_memory(machine: Machine, tensor: Tensor, state) -> None:
    """The state (storage, offset, size, stride) of the first files."""
    if len(_of_type(state, "the state of a tensor", tuple)) != 4:
        raise UnpicklingError(f"the state of a tensor has 4 parts, but got {len(state)}")
    view = _view(machine, state)
    if view.dtype is not tensor.dtype or not tensor.is_leaf or tensor.requires_grad:
        raise UnpicklingError(f"a tensor of {tensor.dtype} with the state of one of {view.dtype}")
    tensor.set_(view)


def _parameter_state(machine: Machine, parameter: Parameter, state) -> None:
    """The states of Parameters in the first files."""
    parts = len(_of_type(state, "the state of a Parameter", tuple))
    if parts == 4:
        parameter.data = _view(machine, state)
    elif parts == 5:  # data, grad, hooks, requires_grad, volatile
        data, _, hooks, requires_grad, _ = state
        parameter.data = _of_type(data, "the data of a Parameter", Tensor)
        state = requires_grad, None, hooks
    elif parts != 3:
        raise UnpicklingError(f"the state of a Parameter has 3 to 5 parts, but got {parts}")
    if parts != 4:
        _no_hooks(state[2])
        parameter.requires_grad = _of_type(state[0], "requires_grad", bool)


def _set_state(value, state) -> None:
    """Gives an object of an allowed class its state, as pickle does."""
    if hasattr(value, "__setstate__"):
        value.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        value.__dict__.update(state)
    for name, item in (slots or {}).items():
        if name.startswith("__"):
            raise UnpicklingError(f"state for the slot {shown(name)}")
        setattr(value, name, item)
