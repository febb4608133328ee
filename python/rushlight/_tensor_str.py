"""The printed form of tensors, and the options that shape it.

The text equals torch's, character for character. Work is done on Python numbers: the elements that will be shown
are read once, in order, into nested lists, and everything after that is string work. A tensor of more than
``threshold`` elements has only the ``edgeitems`` at each end of every long dimension read.
"""

import math
import sys

_rl = None  # the namespace that owns Tensor and the dtypes; None means this package

_GAP = object()  # stands for the elements left out of a summary


def _namespace():
    global _rl
    if _rl is None:
        _rl = sys.modules[__package__]
    return _rl


class _PrintOptions:
    """What set_printoptions sets."""

    __slots__ = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")

    def __init__(self):
        self.precision, self.threshold, self.edgeitems, self.linewidth = _PROFILES["default"]
        self.sci_mode = None

    def __repr__(self):
        return f"PrintOptions({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


_PROFILES = {  # precision, threshold, edgeitems, linewidth
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, math.inf, 3, 80),
}

PRINT_OPTS = _PrintOptions()


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Set how tensors print. An option left at None keeps its value, except sci_mode.

    precision: digits after the point of floating-point elements (4).
    threshold: a tensor with more elements than this is summarised (1000).
    edgeitems: elements shown at each end of a summarised dimension (3).
    linewidth: characters in a line before it is broken (80).
    profile: 'default', 'short' (precision 2, edgeitems 2) or 'full' (never summarise); set before the others.
    sci_mode: True or False forces scientific notation on or off; None (default) decides by the elements.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"profile must be one of {', '.join(map(repr, _PROFILES))}, got {profile!r}")
        PRINT_OPTS.precision, PRINT_OPTS.threshold, PRINT_OPTS.edgeitems, PRINT_OPTS.linewidth = _PROFILES[profile]
    if precision is not None:
        PRINT_OPTS.precision = precision
    if threshold is not None:
        PRINT_OPTS.threshold = threshold
    if edgeitems is not None:
        PRINT_OPTS.edgeitems = edgeitems
    if linewidth is not None:
        PRINT_OPTS.linewidth = linewidth
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions():
    """The print options as a dict that set_printoptions(**options) accepts."""
    return {name: getattr(PRINT_OPTS, name) for name in PRINT_OPTS.__slots__}


class printoptions:
    """Context manager: the given print options inside the block, the old ones after it."""

    def __init__(self, **options):
        self._options = options

    def __enter__(self):
        self._saved = get_printoptions()
        set_printoptions(**self._options)

    def __exit__(self, *exc_info):
        set_printoptions(**self._saved)


# ----------------------------------------------------------------------------------------------------------------
# Elements
# ----------------------------------------------------------------------------------------------------------------
def _shown(tensor, edge):
    """Nested lists of the elements to print. edge > 0: long dimensions keep that many at each end around _GAP."""
    shape = tensor.shape
    if not edge or all(n <= 2 * edge for n in shape):
        return tensor.tolist()
    n = shape[0]
    if n <= 2 * edge:
        return [_shown(tensor[i], edge) for i in range(n)]
    if len(shape) == 1:
        return [*tensor[:edge].tolist(), _GAP, *tensor[n - edge :].tolist()]
    head = [_shown(tensor[i], edge) for i in range(edge)]
    tail = [_shown(tensor[i], edge) for i in range(n - edge, n)]
    return [*head, _GAP, *tail]


def _flat(items, out):
    """Append the numbers of nested lists to out, in order."""
    if isinstance(items, list):
        for item in items:
            if isinstance(item, list):
                _flat(item, out)
            elif item is not _GAP:
                out.append(item)
    else:
        out.append(items)
    return out


# ----------------------------------------------------------------------------------------------------------------
# Numbers: one style for all elements of a tensor. A style is (width, write): write(number) -> str padded to width
# ----------------------------------------------------------------------------------------------------------------
def _plain_style(values):
    """Style for integers and booleans."""
    width = max([1, *(len(str(v)) for v in values)])
    return width, lambda v: str(v).rjust(width)


def _float_style(values):
    """Style for floats: whole numbers as '1.', others with `precision` digits, or all in scientific notation.

    Scientific where the magnitudes (of nonzero finite elements) span more than 1e3, exceed 1e8 or go below 1e-4.
    Zeros, infinities and NaN do not count, neither here nor for the width.
    """
    regular = [v for v in values if v and math.isfinite(v)]
    whole, sci, width = True, False, 1
    digits = PRINT_OPTS.precision
    if regular:
        low, high = min(map(abs, regular)), max(map(abs, regular))
        sci = PRINT_OPTS.sci_mode
        if sci is None:
            sci = high / low > 1e3 or high > 1e8 or low < 1e-4
        whole = all(v.is_integer() for v in regular)
    spec = f".{digits}e" if sci else ".0f" if whole else f".{digits}f"
    point = "." if whole and not sci else ""
    if regular:
        width = max(1, max(len(format(v, spec)) for v in regular) + len(point))

    def write(v):
        text = format(v, spec)
        if point and math.isfinite(v):
            text += point
        return text.rjust(width)

    return width, write


def _complex_style(values):
    """Style for complex numbers: real and imaginary parts each have their own style."""
    real_width, real = _float_style([v.real for v in values])
    imag_width, imag = _float_style([v.imag for v in values])

    def write(v):
        tail = imag(v.imag).lstrip()
        return f"{real(v.real)}{'' if tail[0] in '+-' else '+'}{tail}j"

    return real_width + imag_width + 1, write


# ----------------------------------------------------------------------------------------------------------------
# Brackets
# ----------------------------------------------------------------------------------------------------------------
def _row(items, indent, width, write):
    """A 1-d tensor: elements separated by ', ', broken so that lines keep to linewidth."""
    per_line = max(1, math.floor((PRINT_OPTS.linewidth - indent) / (width + 2)))
    words = [" ..." if v is _GAP else write(v) for v in items]
    lines = (", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line))
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _block(items, dim, indent, width, write):
    """An n-d tensor: blocks of n - 1 dimensions, with n - 2 blank lines between them."""
    if dim == 0:
        return write(items)
    if dim == 1:
        return _row(items, indent, width, write)
    blocks = ("..." if item is _GAP else _block(item, dim - 1, indent + 1, width, write) for item in items)
    return "[" + ("," + "\n" * (dim - 1) + " " * (indent + 1)).join(blocks) + "]"


def _contents(tensor, indent):
    """The elements of a tensor in brackets. indent: the column of the first bracket. No prefix, no suffixes."""
    count, dim = tensor.numel(), tensor.dim()
    if count == 0:
        return "[]"
    edge = PRINT_OPTS.edgeitems if count > PRINT_OPTS.threshold else None
    if edge == 0 and dim:
        return "[...]"
    items = _shown(tensor, edge)
    dtype = tensor.dtype
    style = _complex_style if dtype.is_complex else _float_style if dtype.is_floating_point else _plain_style
    width, write = style(_flat(items, []))
    return _block(items, dim, indent, width, write)


# ----------------------------------------------------------------------------------------------------------------
# The whole text
# ----------------------------------------------------------------------------------------------------------------
def _with_suffixes(text, suffixes, indent):
    """text, the suffixes that fit on its last line or on lines of their own, and ')'."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _grad_suffix(tensor):
    """['grad_fn=<AddBackward0>'], ['requires_grad=True'] or []."""
    try:
        node = tensor.grad_fn
    except RuntimeError:  # a view made and changed in no_grad mode has no valid node
        return ["grad_fn=<Invalid>"]
    if node is not None:
        name = getattr(node, "name", None)
        name = name() if callable(name) else type(node).__name__
        return [f"grad_fn=<{name.rsplit('::', 1)[-1]}>"]
    return ["requires_grad=True"] if tensor.requires_grad else []


def _parameter_class(ns):
    """ns.nn.Parameter, or None while ns.nn is not loaded: then no tensor is one, and printing does not load it."""
    return getattr(sys.modules.get(ns.__name__ + ".nn"), "Parameter", None)


def _str(tensor):
    """What repr(tensor) and str(tensor) return, for tensors, parameters and instances of subclasses."""
    ns = _namespace()
    kind, plain, parameter = type(tensor), True, False
    if kind is not ns.Tensor:
        parameter_class = _parameter_class(ns)
        plain = kind is parameter_class
        parameter = parameter_class is not None and isinstance(tensor, parameter_class)
    prefix = "tensor(" if plain else kind.__name__ + "("
    indent = len(prefix)

    data = tensor.detach()
    dtype, default = data.dtype, ns.get_default_dtype()
    shape = tuple(data.shape)
    suffixes = []
    if data.device.type != "cpu":
        suffixes.append(f"device='{data.device}'")
    if data.device.type == "meta":
        body = "..."
        size_shown, dtype_shown = True, dtype != default
    elif data.numel() == 0:  # no element tells the dtype, so only the default one goes without saying
        body = "[]"
        size_shown, dtype_shown = len(shape) != 1, dtype != default
    else:
        body = _contents(data, indent)
        default_complex = ns.complex128 if default == ns.float64 else ns.complex64
        size_shown = not PRINT_OPTS.edgeitems
        dtype_shown = dtype not in (default, default_complex, ns.int64, ns.bool)
    if size_shown:
        suffixes.append(f"size={shape}")
    if dtype_shown:
        suffixes.append(f"dtype={dtype}")
    suffixes += _grad_suffix(tensor)

    text = _with_suffixes(prefix + body, suffixes, indent)
    if parameter:
        text = "Parameter containing:\n" + (text if plain else f"Parameter({text})")
    return text


def _format(tensor, spec):
    """What format(tensor, spec) returns: a 0-d Tensor formats as its number, all else as any object does.

    Raises TypeError for a non-empty spec on anything but a 0-d Tensor.
    """
    if tensor.dim() == 0 and type(tensor) is _namespace().Tensor and tensor.device.type != "meta":
        return format(tensor.detach().item(), spec)
    return object.__format__(tensor, spec)
