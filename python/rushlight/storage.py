"""Storages: the memory under tensors, seen as bytes (UntypedStorage) or as elements of one dtype (TypedStorage).

UntypedStorage is compiled. TypedStorage pairs one with a dtype and reads and writes it through a 1-d tensor over the
whole memory. The old names FloatStorage, LongStorage, ... make CPU TypedStorages of their dtype and recognise them
in isinstance. Unlike torch, using a TypedStorage gives no deprecation warning.
"""

import sys

_rl = None  # the namespace that owns tensor, empty and the dtypes; None means this package


def _namespace():
    global _rl
    if _rl is None:
        _rl = sys.modules[__package__]
    return _rl


def __getattr__(name):
    if name == "UntypedStorage":
        return _namespace().UntypedStorage
    if name == "Storage":  # the old class of the default dtype as it is now
        return _legacy_class(_namespace().get_default_dtype())
    if name == "_storage_classes":
        return {_namespace().UntypedStorage, TypedStorage, *LEGACY_CLASSES}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _whole(tensor):
    """A detached 1-d tensor over all of a tensor's storage: elements before its offset and after its end too."""
    flat = tensor.detach()
    if flat.is_conj():  # the memory as it is
        flat = flat.conj()
    if flat.is_neg():
        flat = flat._neg_view()
    return flat.as_strided((tensor.untyped_storage().nbytes() // tensor.element_size(),), (1,), 0)


def typed_storage(tensor):
    """The storage of a tensor, as Tensor.storage() returns it."""
    return TypedStorage(tensor=_whole(tensor))


def is_storage(obj):
    """Whether obj is a typed or untyped storage."""
    return isinstance(obj, (TypedStorage, _namespace().UntypedStorage))


def _dump(storage, description):
    """One element per line, then the description. On the meta device there are no elements to show."""
    if storage.device.type == "meta":
        return "...\n" + description
    return " " + "\n ".join(map(str, storage.tolist())) + "\n" + description


def _untyped_repr(storage):
    """What repr(UntypedStorage) returns: one byte per line."""
    return _dump(storage, f"[torch.storage.UntypedStorage(device={storage.device}) of size {storage.nbytes()}]")


class TypedStorage:
    """Elements of one dtype in one piece of memory.

    TypedStorage(), TypedStorage(size), TypedStorage(sequence): new memory, with dtype (default dtype) and device
    ('cpu'); after (size) the elements are uninitialised.
    TypedStorage(wrap_storage=untyped, dtype=dtype): the memory of an UntypedStorage.
    TypedStorage(tensor=flat): the memory under a contiguous 1-d tensor that covers its storage.
    """

    is_sparse = False

    def __init__(self, *args, tensor=None, wrap_storage=None, dtype=None, device=None, _internal=False):
        ns = _namespace()
        if tensor is None:
            if wrap_storage is not None:
                _check_wrap("TypedStorage.__init__", args, wrap_storage)
                if dtype is None:
                    raise RuntimeError("TypedStorage.__init__: Argument 'dtype' must be specified")
                if not isinstance(dtype, ns.dtype):
                    raise TypeError(
                        f"TypedStorage.__init__: Argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
                    )
                if device is not None:
                    raise RuntimeError(
                        "TypedStorage.__init__: Argument 'device' should not be specified when 'wrap_storage' is given"
                    )
                tensor = ns.empty(0, dtype=dtype, device=wrap_storage.device).set_(wrap_storage)
            else:
                tensor = _new_flat(
                    "TypedStorage.__init__", args, ns.get_default_dtype() if dtype is None else dtype, device
                )
        elif args or wrap_storage is not None or dtype is not None or device is not None:
            raise RuntimeError("TypedStorage: tensor excludes all other arguments")
        self._tensor = tensor
        self._untyped_storage = tensor.untyped_storage()

    def _flat(self):
        """The 1-d tensor over the memory as it is now: resize_ may have changed its length."""
        if self._tensor.numel() != self.size():
            self._tensor = self._tensor.as_strided((self.size(),), (1,), 0)
        return self._tensor

    # ------------------------------------------------------------------------------------------------------------
    # What it is
    # ------------------------------------------------------------------------------------------------------------
    @property
    def dtype(self):
        """The dtype of the elements."""
        return self._tensor.dtype

    _dtype = dtype

    @property
    def device(self):
        """The device that holds the memory."""
        return self._tensor.device

    @property
    def is_cuda(self):
        """Whether the memory is on a CUDA device."""
        return self.device.type == "cuda"

    @property
    def filename(self):
        """The name of the file mapped into this memory, or None."""
        return getattr(self._untyped_storage, "filename", None)

    @property
    def _cdata(self):
        return self._untyped_storage._cdata

    def untyped(self):
        """The UntypedStorage of the same memory."""
        return self._untyped_storage

    def size(self):
        """The number of elements."""
        return self._untyped_storage.nbytes() // self.element_size()

    def __len__(self):
        return self.size()

    def nbytes(self):
        """The size of the memory in bytes."""
        return self._untyped_storage.nbytes()

    def element_size(self):
        """The size of an element in bytes."""
        return self._tensor.element_size()

    def data_ptr(self):
        """The address of the first element."""
        return self._untyped_storage.data_ptr()

    def get_device(self):
        """The index of the device, None for a device without one, such as 'cpu'."""
        return self.device.index

    def is_shared(self):
        """Whether the memory is shared between processes."""
        return self._untyped_storage.is_shared()

    def pickle_storage_type(self):
        """The name of the old storage class for this dtype, such as 'FloatStorage'. KeyError if it has none."""
        try:
            return _dtype_to_storage_type_map()[self.dtype]
        except KeyError:
            raise KeyError(f"dtype {self.dtype} is not recognized") from None

    def type(self, dtype=None):
        """Without argument the name of the old class, such as 'torch.FloatStorage'; else the elements converted.

        dtype: a dtype, or one of the old classes.
        """
        if dtype is None:
            name = _dtype_to_storage_type_map().get(self.dtype)
            if name is None or self.device.type not in ("cpu", "cuda"):
                return "torch.storage.TypedStorage"
            return f"torch.{name}" if self.device.type == "cpu" else f"torch.{self.device.type}.{name}"
        return self._to(getattr(dtype, "dtype", dtype))

    # ------------------------------------------------------------------------------------------------------------
    # Elements
    # ------------------------------------------------------------------------------------------------------------
    def __getitem__(self, index):
        if self.device.type == "meta":
            raise NotImplementedError("Not available for 'meta' device type")
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        if not isinstance(index, int):
            raise RuntimeError(f"can't index a {type(self)} with {type(index)}")
        if type(index) is not int:  # a bool would index as 0 or 1
            raise TypeError(f"can't index a {type(self)} with {type(index)}")
        size = self.size()
        if not -size <= index < size:
            raise IndexError(f"index {index} out of range for storage of size {size}")
        return self._flat()[index % size].item()

    def __setitem__(self, index, value):
        if not isinstance(index, (int, slice)):
            raise RuntimeError(f"can't index a {type(self)} with {type(index)}")
        if is_storage(value):
            raise RuntimeError(f"cannot set item with value type {type(value)}")
        self._flat()[index] = value

    def tolist(self):
        """The elements as a list of Python numbers."""
        if self.device.type == "meta":
            raise NotImplementedError("Not available for 'meta' device type")
        return self._flat().tolist()

    def __iter__(self):
        return iter(self.tolist())

    def __repr__(self):
        return _dump(
            self, f"[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {self.size()}]"
        )

    def fill_(self, value):
        """Set every element to value; returns self."""
        self[:] = value
        return self

    def copy_(self, source, non_blocking=None):
        """Copy the bytes of a storage of the same size in bytes, whatever its dtype; returns self."""
        if not isinstance(source, TypedStorage):
            self._untyped_storage.copy_(source)
            return self
        if source.nbytes() != self.nbytes():
            raise RuntimeError(
                f"size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes"
            )
        target, data = self._flat(), source._flat()
        if target.dtype != data.dtype:
            byte = _namespace().uint8
            target, data = target.view(byte), data.view(byte)
        target.copy_(data)
        return self

    def resize_(self, size):
        """Change the number of elements; elements that remain keep their values."""
        self._untyped_storage.resize_(size * self.element_size())

    def resizable(self):
        """Whether resize_ can change the size of this memory."""
        return self._untyped_storage.resizable()

    # ------------------------------------------------------------------------------------------------------------
    # Copies
    # ------------------------------------------------------------------------------------------------------------
    def clone(self):
        """A copy in memory of its own."""
        return TypedStorage(tensor=self._flat().clone())

    __copy__ = clone

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = self.clone()
        return memo[id(self)]

    def __reduce__(self):
        return _rebuild, (self._flat(),)

    def __sizeof__(self):
        return object.__sizeof__(self) + self.nbytes()

    def to(self, *, device, non_blocking=False):
        """The elements on a device: self's memory if it is there already, else a copy."""
        return TypedStorage(tensor=self._flat().to(device))

    def cpu(self):
        """The elements on the CPU: self's memory if it is there already, else a copy."""
        return self.to(device="cpu")

    def cuda(self, device=None, non_blocking=False):
        """The elements on a CUDA device (default: the current one)."""
        return self.to(device="cuda" if device is None else _namespace().device("cuda", device))

    def share_memory_(self):
        """Move the memory to where other processes can map it; returns self."""
        self._untyped_storage.share_memory_()
        return self

    @classmethod
    def from_buffer(cls, *args, **kwargs):
        """A storage with a copy of the bytes of a buffer.

        buffer, byte_order ('big', 'little' or 'native'; may be absent for int8 and uint8), count (elements, -1: all),
        offset (bytes, 0). dtype: of TypedStorage only, default the default dtype.
        """
        from ._storage_bytes import from_buffer

        ns = _namespace()
        if isinstance(cls, _LegacyMeta):
            for name in ("dtype", "device"):
                if name in kwargs:
                    raise RuntimeError(
                        f"from_buffer: '{name}' can only be specified in "
                        f"{'UntypedStorage.from_buffer and ' * (name == 'dtype')}TypedStorage.from_buffer"
                    )
            if cls._device_type == "cuda":
                raise RuntimeError("from_buffer: Not available for CUDA storage")
            dtype = cls.dtype
        else:
            dtype = kwargs.pop("dtype", None) or ns.get_default_dtype()
            device = ns.device(kwargs.pop("device", None) or "cpu")
            if device.type != "cpu":
                raise RuntimeError(f"TypedStorage.from_buffer: Not available for device {device.type}")
        return TypedStorage(wrap_storage=from_buffer(*args, dtype=dtype, **kwargs), dtype=dtype)

    @classmethod
    def from_file(cls, filename, shared, size=0):
        """The first `size` elements of a file, mapped into memory. shared: writes reach the file."""
        ns = _namespace()
        if cls is TypedStorage:
            raise RuntimeError("from_file can only be called on derived classes")
        untyped = ns.UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        return TypedStorage(wrap_storage=untyped, dtype=cls.dtype)

    def _get_legacy_storage_class(self):
        return _legacy_class(self.dtype) if self.device.type == "cpu" else None

    def _to(self, dtype):
        """A converted copy; a plain copy if the dtype is the same."""
        ns = _namespace()
        if not isinstance(dtype, ns.dtype):
            raise TypeError(f"Argument 'dtype' must be torch.dtype, not {type(dtype)}")
        return TypedStorage(tensor=self._flat().clone() if dtype == self.dtype else self._flat().to(dtype))


# Names of the same methods inside torch, which some programs use to avoid its deprecation warning.
for _name in (
    "data_ptr deepcopy element_size getitem is_shared nbytes pickle_storage_type resize_ setitem share_memory_ size"
).split():
    _method = getattr(TypedStorage, {"deepcopy": "__deepcopy__"}.get(_name, _name), None)
    setattr(TypedStorage, f"_{_name}", _method or getattr(TypedStorage, f"__{_name}__"))


def _rebuild(flat):
    return TypedStorage(tensor=flat)


def _check_wrap(caller, args, wrap_storage):
    if args:
        raise RuntimeError(f"{caller}: No positional arguments should be given when using 'wrap_storage'")
    if not isinstance(wrap_storage, _namespace().UntypedStorage):
        raise TypeError(f"{caller}: Argument 'wrap_storage' must be UntypedStorage, but got {type(wrap_storage)}")


def _new_flat(caller, args, dtype, device):
    """A 1-d tensor on memory of its own for the arguments (), (size) or (sequence)."""
    from _collections_abc import Sequence  # loaded at every start of Python, unlike the package collections

    ns = _namespace()
    device = "cpu" if device is None else device
    if len(args) > 1:
        raise RuntimeError(f"{caller}: Too many positional arguments: {len(args)}, expected a size or a sequence")
    data = args[0] if args else 0
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(data, Sequence) or is_storage(data):
        return ns.tensor(data if isinstance(data, Sequence) else data.tolist(), dtype=dtype, device=device).reshape(-1)
    if not hasattr(data, "__index__") or isinstance(data, ns.Tensor):
        raise TypeError(f"{caller}: Argument type not recognized: {type(data)}, expected a size or a sequence")
    return ns.empty(int(data), dtype=dtype, device=device)


def _add_conversions():
    """TypedStorage.float(), .long(), ...: converted copies."""

    def conversion(method, name):
        def convert(self):
            return self._to(getattr(_namespace(), name))

        convert.__name__, convert.__qualname__ = method, f"TypedStorage.{method}"
        convert.__doc__ = f"The elements converted to {name}, in new memory."
        return convert

    for method, name in (
        ("double", "float64"),
        ("float", "float32"),
        ("half", "float16"),
        ("bfloat16", "bfloat16"),
        ("long", "int64"),
        ("int", "int32"),
        ("short", "int16"),
        ("char", "int8"),
        ("byte", "uint8"),
        ("bool", "bool"),
        ("complex_double", "complex128"),
        ("complex_float", "complex64"),
    ):
        setattr(TypedStorage, method, conversion(method, name))


_add_conversions()


# ----------------------------------------------------------------------------------------------------------------
# The old classes, one per dtype
# ----------------------------------------------------------------------------------------------------------------
class _LegacyMeta(type):
    """Calling such a class makes a TypedStorage, and a TypedStorage of its dtype and device is its instance."""

    @property
    def dtype(cls):
        """The dtype of the elements."""
        if cls._dtype_name is None:
            raise AttributeError(f"{cls.__name__} has no dtype")
        return getattr(_namespace(), cls._dtype_name)

    def __instancecheck__(cls, instance):
        return (
            type(instance) is TypedStorage
            and cls._dtype_name is not None
            and instance.device.type == cls._device_type
            and instance.dtype == cls.dtype
        )

    def __call__(cls, *args, wrap_storage=None, dtype=None, device=None, _internal=False):
        if cls._dtype_name is None:
            raise RuntimeError("Only child classes of _LegacyStorage can be instantiated")
        for name, value in (("dtype", dtype), ("device", device)):
            if value is not None:
                raise RuntimeError(f"{cls.__name__}: Keyword argument '{name}' cannot be specified")
        if wrap_storage is None:
            return TypedStorage(tensor=_new_flat(cls.__name__, args, cls.dtype, cls._device_type))
        _check_wrap(cls.__name__, args, wrap_storage)
        device = getattr(wrap_storage, "device", None)
        if device is not None and device.type != cls._device_type:
            raise RuntimeError(f"{cls.__name__}: wrap_storage must be on {cls._device_type}, but is on {device.type}")
        return TypedStorage(wrap_storage=wrap_storage, dtype=cls.dtype)


class _LegacyStorage(TypedStorage, metaclass=_LegacyMeta):
    """The base of the old storage classes; has no dtype and no instances."""

    _dtype_name = None
    _device_type = "cpu"


class FloatStorage(_LegacyStorage):
    """A storage of float32."""

    _dtype_name = "float32"


class DoubleStorage(_LegacyStorage):
    """A storage of float64."""

    _dtype_name = "float64"


class HalfStorage(_LegacyStorage):
    """A storage of float16."""

    _dtype_name = "float16"


class BFloat16Storage(_LegacyStorage):
    """A storage of bfloat16."""

    _dtype_name = "bfloat16"


class LongStorage(_LegacyStorage):
    """A storage of int64."""

    _dtype_name = "int64"


class IntStorage(_LegacyStorage):
    """A storage of int32."""

    _dtype_name = "int32"


class ShortStorage(_LegacyStorage):
    """A storage of int16."""

    _dtype_name = "int16"


class CharStorage(_LegacyStorage):
    """A storage of int8."""

    _dtype_name = "int8"


class ByteStorage(_LegacyStorage):
    """A storage of uint8."""

    _dtype_name = "uint8"


class BoolStorage(_LegacyStorage):
    """A storage of bool."""

    _dtype_name = "bool"


class ComplexFloatStorage(_LegacyStorage):
    """A storage of complex64."""

    _dtype_name = "complex64"


class ComplexDoubleStorage(_LegacyStorage):
    """A storage of complex128."""

    _dtype_name = "complex128"


LEGACY_CLASSES = (
    FloatStorage,
    DoubleStorage,
    HalfStorage,
    BFloat16Storage,
    LongStorage,
    IntStorage,
    ShortStorage,
    CharStorage,
    ByteStorage,
    BoolStorage,
    ComplexFloatStorage,
    ComplexDoubleStorage,
)


def _legacy_class(dtype):
    """The old class for a dtype, or None."""
    return next((cls for cls in LEGACY_CLASSES if cls.dtype == dtype), None)


def _dtype_to_storage_type_map():
    """The names of the old classes by dtype."""
    return {cls.dtype: cls.__name__ for cls in LEGACY_CLASSES}


def _storage_type_to_dtype_map():
    """The dtypes by the names of the old classes."""
    return {cls.__name__: cls.dtype for cls in LEGACY_CLASSES}


def storage_type(tensor):
    """The old class of a tensor's storage, as Tensor.storage_type() returns it."""
    return _legacy_class(tensor.dtype)
