"""What programs use besides the library `L`: functions that log what hooks get, custom functions, subclasses.

Executed once per library. `log` is emptied before each program and compared like a result.
"""

log = []


def values(t):
    return None if t is None else t.tolist()


def record(tag):
    def hook(g):
        log.append((tag, values(g)))

    return hook


def scale(tag, factor):
    def hook(g):
        log.append((tag, values(g)))
        return g * factor

    return hook


def refuse(tag):
    def hook(*_):
        raise KeyError(tag)

    return hook


def node_record(tag):
    def hook(inputs, outputs):
        log.append((tag, [values(t) for t in outputs]))

    return hook


def node_scale(tag, factor):
    def hook(outputs):
        log.append((tag, [values(t) for t in outputs]))
        return tuple(None if t is None else t * factor for t in outputs)

    return hook


def accumulated(tag):
    def hook(t):
        log.append((tag, values(t.grad)))

    return hook


def loss(t):
    """A number that every element has another share in."""
    weights = (L.arange(t.numel()) * 0.5 + 1).reshape(t.shape)
    return ((t * t.conj()).real * weights).sum() if t.is_complex() else (t * weights).sum()


def pack(t):
    return t.detach().clone()


def unpack(t):
    return t


class Double(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        log.append(("Double", values(g)))
        return g * 2


class Square(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * 2


class SavesResult(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * 2
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class AddInPlace(L.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.mark_dirty(x)
        ctx.shape = y.shape
        return x.add_(y)

    @staticmethod
    def backward(ctx, g):
        return g, (g.sum_to_size(ctx.shape) if ctx.needs_input_grad[1] else None)


class Part(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x[:1]

    @staticmethod
    def backward(ctx, g):
        return L.cat([g, g.new_zeros((ctx.shape[0] - 1, *ctx.shape[1:]))])


class Same(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        return g


class Pair(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1, x * 3

    @staticmethod
    def backward(ctx, a, b):
        log.append(("Pair", values(a), values(b)))
        return a if b is None else b * 3 if a is None else a + b * 3


class Signs(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s = x.sign()
        ctx.mark_non_differentiable(s)
        return s, x * 2

    @staticmethod
    def backward(ctx, s, g):
        log.append(("Signs", values(s)))
        return g * 2


class Nothing(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + 1

    @staticmethod
    def backward(ctx, g):
        return None


class Refuses(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + 1

    @staticmethod
    def backward(ctx, g):
        raise ValueError("no gradient here")


class Once(L.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * x.detach()

    @staticmethod
    @L.autograd.function.once_differentiable
    def backward(ctx, g):
        return g * 2


class Plain(L.Tensor):
    pass


class Logged(L.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        log.append((getattr(func, "__name__", "?"), [t.__name__ for t in types]))
        return super().__torch_function__(func, types, args, kwargs or {})
