"""The rules that make the next step of a program. A rule gets a Draw and returns a line, or None where it does not apply."""

from .draw import MAX_ELEMENTS, broadcasts
from .operations import (
    ANY_BINARY,
    BINARY,
    COMPARISONS,
    FLOAT_UNARY,
    OPERATORS,
    REDUCTIONS,
    REDUCTIONS_WITH_INDEX,
    TESTS,
    UNARY,
)

RULES, SHARES = [], []


def rule(share):
    def register(f):
        RULES.append(f)
        SHARES.append(share)
        return f

    return register


def assign(draw, expression, letter="v"):
    return f"{draw.fresh(letter)} = {expression}"


# ---- new tensors


@rule(5)
def new(d):
    return assign(d, d.literal(d.shape()))


@rule(1)
def like(d):
    name, t = d.tensor()
    kind = d.below(7)
    if kind == 0:
        return assign(d, f"L.{d.one('ones', 'zeros')}_like({name})")
    if kind == 1:
        return assign(d, f"{name}.new_{d.one('ones', 'zeros')}({d.shape()})")
    if kind == 2:
        return assign(d, f"L.full_like({name}, {d.number(t)})")
    if kind == 3:
        return assign(d, f"L.tensor({name}.tolist())")
    if kind == 4:
        return assign(d, f"{name}.new_tensor({name}.tolist())")
    if kind == 5:
        return assign(d, f"L.as_tensor({name}, dtype=L.{d.dtype()})")
    return assign(d, f"L.empty_like({name}).copy_({name})")


# ---- views


@rule(22)
def view(d):
    name, t = d.tensor()
    kinds = MATRIX_VIEWS if t.dim() == 2 and d.sometimes(0.3) else VIEWS
    expression = kinds[d.below(len(kinds))](d, name, t)
    return expression and assign(d, expression)


def permuted(d, name, t):
    return f"{name}.permute({tuple(d.sample(range(t.dim()), t.dim()))})"


def expanded(d, name, t):
    shape = [-1 if d.sometimes(0.3) else 3 if s == 1 and d.sometimes(0.7) else s for s in t.shape]
    if d.sometimes(0.4):
        shape.insert(0, 1 + d.below(3))
    n = 1
    for s in [*t.shape, *shape]:
        n *= abs(s)
    return f"{name}.{d.one('expand', 'broadcast_to')}({tuple(shape)})" if n <= MAX_ELEMENTS**2 else None


def narrowed(d, name, t):
    if not t.dim():
        return None
    dim = d.below(t.dim())
    start = d.below(t.shape[dim] + 1)
    return f"{name}.narrow({dim}, {start}, {d.below(t.shape[dim] - start + 1)})"


def selected(d, name, t):
    if not t.dim():
        return None
    dim = d.dim(t, 0)
    return f"{name}.select({dim}, {d.below(2 * t.shape[dim]) - t.shape[dim]})" if t.shape[dim] else None


def as_strided(d, name, t):
    if not t.numel():
        return None
    shape = [1 + d.below(3) for _ in range(d.below(3) + 1)]
    strides = [d.below(4) for _ in shape]
    offset = "" if d.sometimes(0.5) else f", {d.below(3)}"
    return f"{name}.as_strided({tuple(shape)}, {tuple(strides)}{offset})"


def viewed_dtype(d, name, t):
    return f"{name}.view(L.{d.dtype()})"


def windows(d, name, t):
    if not t.dim():
        return None
    dim = d.below(t.dim())
    return f"{name}.unfold({dim}, {1 + d.below(max(t.shape[dim], 1))}, {1 + d.below(2)})"


def part(d, name, t):
    if not t.dim():
        return None
    dim = d.below(t.dim())
    n = t.shape[dim]
    kind = d.below(5)
    if kind == 0 and n:
        return f"{name}.unbind({dim})[{d.below(n)}]"
    if kind == 1 and n:
        size = 1 + d.below(n)
        return f"{name}.split({size}, {dim})[{d.below(-(-n // size))}]"
    if kind == 2 and n:
        return f"{name}.chunk({1 + d.below(3)}, {dim})[0]"
    if kind == 3 and n > 1:
        k = d.below(n)
        return f"{name}.split([{k}, {n - k}], {dim})[{d.below(2)}]"
    return f"{name}.tensor_split({1 + d.below(3)}, {dim})[0]"


def complex_view(d, name, t):
    if t.is_complex():
        return d.one(
            f"{name}.real",
            f"{name}.imag",
            f"{name}.conj()",
            f"L.view_as_real({name})",
            f"{name}.mH",
            f"{name}.adjoint()",
        )
    if t.is_floating_point() and t.dim() and t.shape[-1] == 2:
        return f"L.view_as_complex({name})"
    return f"{name}.{d.one('real', 'conj()', 'positive()')}"


VIEWS = [
    permuted,
    expanded,
    narrowed,
    selected,
    selected,
    as_strided,
    viewed_dtype,
    windows,
    part,
    part,
    part,
    complex_view,
    complex_view,
    lambda d, n, t: f"{n}.transpose({d.dim(t)}, {d.dim(t)})",
    lambda d, n, t: f"{n}.{d.one('swapaxes', 'movedim')}({d.dim(t)}, {d.dim(t)})",
    lambda d, n, t: f"{n}.unsqueeze({d.below(t.dim() + 1)})",
    lambda d, n, t: f"{n}.squeeze({d.one('', d.dim(t))})",
    lambda d, n, t: f"{n}.view({d.view_shape(t.numel())})",
    lambda d, n, t: f"{n}.reshape({d.view_shape(t.numel())})",
    lambda d, n, t: f"{n}.flatten()" if d.sometimes(0.6) else f"{n}.ravel()",
    lambda d, n, t: f"{n}.detach()",
    lambda d, n, t: f"{n}.data",
    lambda d, n, t: f"{n}.view_as({n})",
    lambda d, n, t: f"{n}.contiguous()",
    lambda d, n, t: f"{n}[{d.index(t)}]",
    lambda d, n, t: f"{n}[{d.index(t)}]",
    lambda d, n, t: f"{n}[:]" if t.dim() else f"{n}[...]",
    lambda d, n, t: f"{n}.unflatten({d.dim(t)}, (-1, 2))" if t.dim() else None,
    lambda d, n, t: f"{n}.diagonal({d.one(0, 0, 1, -1)})" if t.dim() > 1 else None,
    lambda d, n, t: f"{n}.mT" if t.dim() > 1 else None,
    lambda d, n, t: f"{n}.{d.one('resolve_conj', 'resolve_neg')}()",
    lambda d, n, t: f"L.{d.one('squeeze', 'atleast_2d', 'atleast_1d', 'real')}({n})",
]
MATRIX_VIEWS = [
    lambda d, n, t: f"{n}.t()",
    lambda d, n, t: f"{n}.T",
    lambda d, n, t: f"{n}.mT",
    lambda d, n, t: f"{n}.H",
    lambda d, n, t: f"L.{d.one('hsplit', 'vsplit')}({n}, 1)[0]",
    lambda d, n, t: f"{n}.diagonal({d.one(0, 0, 1, -1)})",
]


@rule(2)
def parts(d):
    name, t = d.tensor(lambda t: t.dim()) or (None, None)
    if not name:
        return None
    dim = d.below(t.dim())
    n = t.shape[dim]
    if n < 2:
        return None
    expression = d.one(f"{name}.split({-(-n // 2)}, {dim})", f"{name}.chunk(2, {dim})", f"{name}.unbind({dim})[:2]")
    return f"{d.fresh()}, {d.fresh()} = {expression}"


# ---- in place


@rule(18)
def in_place(d):
    name, t = d.tensor()
    kind = d.below(30)
    if kind < 7:
        return assign(d, f"{name}.{d.one(*UNARY, *FLOAT_UNARY[:8])}_()")
    if kind < 13:
        return assign(d, f"{name}.{d.one(*BINARY[:4], *BINARY, *ANY_BINARY)}_({d.operand(t)})")
    if kind < 16:
        return f"{name} {d.one(*OPERATORS)}= {d.operand(t)}"
    if kind < 18:
        return assign(d, f"{name}.{d.one('fill_', 'copy_')}({d.operand(t)})")
    if kind < 19:
        return assign(d, f"{name}.{d.one(*COMPARISONS)}_({d.operand(t)})")
    if kind < 20:
        return assign(
            d, f"{name}.{d.one('addcmul_', 'addcdiv_', 'lerp_')}({d.operand(t, 0, True)}, {d.operand(t, 0.1, True)})"
        )
    if kind < 21:
        return assign(d, f"{name}.clamp_({d.one('0', 'max=1', '-1, 1', 'min=0.5', d.operand(t, 0))})")
    if kind < 22:
        return assign(d, f"{name}.masked_fill_({mask(d, t)}, {d.number(t)})")
    if kind < 23:
        return assign(
            d, f"{name}.{d.one('zero_', 't_', 'squeeze_', 'detach_', 'logical_not_', 'bitwise_not_', 'sgn_')}()"
        )
    if kind < 24:
        return assign(
            d,
            f"{name}.{d.one(f'unsqueeze_({d.below(t.dim() + 1)})', f'transpose_({d.dim(t)}, {d.dim(t)})', f'swapdims_({d.dim(t)}, {d.dim(t)})')}",
        )
    if kind < 25 and t.dim() > 1:
        return assign(d, f"{name}.{d.one('tril_()', 'triu_()', 'fill_diagonal_(2)', 'tril_(1)', 'triu_(-1)')}")
    if kind < 26:
        return assign(d, f"{name}.{d.one('cumsum_', 'cumprod_')}({d.dim(t)})")
    if kind < 27:
        return assign(d, f"{name}.{d.one('add_', 'sub_')}({d.operand(t)}, alpha={d.one('2', '-1', '0', '0.5')})")
    if kind < 28 and t.is_floating_point():
        return assign(
            d,
            f"{name}.{d.one('nan_to_num_()', 'sigmoid_()', 'relu_()', 'renorm_(2, 0, 1.0)', 'mvlgamma_(1)', 'polygamma_(1)')}",
        )
    return index_in_place(d, name, t)


def mask(d, t):
    found = d.tensor(lambda u: str(u.dtype) == "torch.bool" and broadcasts(t.shape, u.shape) and u.dim() <= t.dim())
    if found and d.sometimes(0.5):
        return found[0]
    return d.literal(t.shape[d.below(t.dim() + 1) if t.dim() else 0 :], "bool")


def index_in_place(d, name, t, suffix="_"):
    if not t.dim():
        return None
    dim = d.below(t.dim())
    size = t.shape[dim]
    index = d.positions(size, 1 + d.below(3), False)
    rows = [len(index) if i == dim else s for i, s in enumerate(t.shape)]
    dtype = str(t.dtype)[6:]
    source = d.literal(rows, dtype)
    kind = d.below(7)
    where = f"{dim}, L.tensor({index}, dtype=L.int64)"
    if kind == 0:
        return assign(d, f"{name}.index_{d.one('add', 'copy')}{suffix}({where}, {source})")
    if kind == 1:
        return assign(d, f"{name}.index_fill{suffix}({where}, {d.number(t)})")
    if kind == 2 and t.dim() <= 2:
        full = str(index) if t.dim() == 1 else str([index] * t.shape[0] if dim else [[i] * t.shape[1] for i in index])
        operation = d.one("scatter", "scatter_add", "scatter")
        return assign(d, f"{name}.{operation}{suffix}({dim}, L.tensor({full}, dtype=L.int64), {source})")
    if kind == 3:
        return assign(
            d,
            f"{name}.index_put{suffix}((L.tensor({d.positions(t.shape[0], 2)}, dtype=L.int64),), {d.literal(t.shape[1:], dtype)}, {d.one('True', 'False')})",
        )
    if kind == 4:
        return assign(d, f"{name}.masked_scatter{suffix}({mask(d, t)}, {d.literal(t.shape, dtype)})")
    if kind == 5:
        flat = d.positions(t.numel(), 2)
        return assign(
            d,
            f"{name}.put{suffix}(L.tensor({flat}, dtype=L.int64), {d.literal((len(flat),), dtype)}{d.one('', ', True')})",
        )
    reduction = d.one("amax", "prod", "mean")
    return assign(d, f"{name}.index_reduce{suffix}({where}, {source}, '{reduction}')")


@rule(7)
def set_item(d):
    name, t = d.tensor()
    if d.sometimes(0.2):
        operator = d.one(*OPERATORS[:4])
        return f"{name}[{d.index(t)}] {operator}= {d.number(t)}"
    return f"{name}[{d.index(t)}] = {d.operand(t)}"


# ---- results of their own


@rule(6)
def get_item(d):
    name, t = d.tensor()
    return assign(d, f"{name}[{d.index(t)}]")


@rule(14)
def compute(d):
    name, t = d.tensor()
    kind = d.below(24)
    if kind < 4:
        return assign(d, f"{name}.{d.one(*UNARY)}()")
    if kind < 6:
        return assign(d, f"L.{d.one(*FLOAT_UNARY)}({name})")
    if kind < 11:
        return assign(d, f"{name} {d.one(*OPERATORS)} {d.operand(t)}")
    if kind < 12:
        return assign(d, f"{d.number(t)} {d.one(*OPERATORS)} {name}")
    if kind < 14:
        return assign(d, f"L.{d.one(*BINARY, *ANY_BINARY)}({name}, {d.operand(t)})")
    if kind < 15:
        return assign(d, f"{name} {d.one('<', '<=', '>', '>=', '==', '!=')} {d.operand(t)}")
    if kind < 16:
        return assign(d, f"L.{d.one(*TESTS)}({name})")
    if kind < 17:
        return assign(
            d, f"L.{d.one('addcmul', 'addcdiv', 'lerp')}({name}, {d.operand(t, 0, True)}, {d.operand(t, 0, True)})"
        )
    if kind < 19:
        return assign(d, f"L.where({mask(d, t)}, {name}, {d.operand(t)})")
    if kind < 20:
        return assign(d, f"{name}.clamp({d.one('0', 'max=1', '-1, 1', d.operand(t, 0))})")
    if kind < 21:
        return assign(d, f"{name}.{d.one('clone', 'clone', 'neg', 'abs')}()")
    if kind < 23:
        return assign(d, f"{name}.to(L.{d.dtype()})")
    return assign(d, f"{d.one('~', '-', 'abs', '+')}({name})")


@rule(7)
def reduce(d):
    name, t = d.tensor()
    kind = d.below(12)
    dim = d.dims(t) if d.sometimes(0.3) else d.dim(t)
    keep = d.one("", ", True", ", keepdim=True")
    if kind < 3:
        return assign(d, f"{name}.{d.one(*REDUCTIONS)}()")
    if kind < 7:
        return assign(d, f"{name}.{d.one(*REDUCTIONS)}({dim}{keep})")
    if kind < 9:
        return assign(d, f"{name}.{d.one(*REDUCTIONS_WITH_INDEX)}({d.dim(t)})[{d.one('0', '0', '1')}]")
    if kind < 10:
        return assign(d, f"{name}.{d.one('cumsum', 'cumprod', 'logcumsumexp')}({d.dim(t)})")
    if kind < 11:
        return assign(d, f"{name}.{d.one('cummax', 'cummin')}({d.dim(t)}).values")
    return assign(d, f"L.{d.one('softmax', 'log_softmax')}({name}, {d.dim(t)})")


@rule(7)
def arrange(d):
    name, t = d.tensor()
    kind = d.below(20)
    dim = d.dim(t)
    if kind < 3:
        other = d.tensor(lambda u: u.shape == t.shape)[0]
        return assign(d, f"L.{d.one('cat', 'stack')}([{name}, {other}], {dim})")
    if kind < 4:
        return assign(d, f"{name}.{d.one('flip', 'roll')}({d.one(dim, 0)})")
    if kind < 5:
        return assign(d, f"{name}.repeat({tuple([1 + d.below(2) for _ in range(t.dim() + d.below(2))])})")
    if kind < 6:
        return assign(d, f"{name}.{d.one('tile', 'repeat_interleave')}(2)")
    if kind < 8 and t.dim():
        i = d.below(t.dim())
        return assign(d, f"{name}.index_select({i}, L.tensor({d.positions(t.shape[i], 2, False)}, dtype=L.int64))")
    if kind < 9 and t.numel():
        return assign(d, f"{name}.take(L.tensor({d.positions(t.numel(), 3)}))")
    if kind < 11 and t.dim() == 2 and t.numel():
        return assign(
            d, f"{name}.gather(1, L.tensor({[d.positions(t.shape[1], 2, False) for _ in range(t.shape[0])]}))"
        )
    if kind < 12:
        return assign(d, f"{name}.masked_select({mask(d, t)})")
    if kind < 13:
        return assign(d, f"{name}.sort({dim}, stable=True)[{d.one('0', '1')}]")
    if kind < 14:
        return assign(d, f"L.{d.one('tril', 'triu', 'diag', 'diag_embed', 'trace', 'rot90')}({name})")
    if kind < 16:
        return index_in_place(d, name, t, "")
    if kind < 17:
        return assign(d, f"{name}.nonzero()")
    if kind < 18 and t.dim():
        i = d.below(t.dim())
        return assign(
            d,
            f"L.{d.one('select_scatter', 'diagonal_scatter', 'slice_scatter')}({name}, {d.literal([s for k, s in enumerate(t.shape) if k != i], str(t.dtype)[6:])}, {i}, 0)",
        )
    if kind < 19:
        return assign(d, f"L.{d.one('diff', 'msort', 'cov', 'fliplr', 'aminmax')}({name})")
    return assign(d, f"L.nn.functional.relu({name})")


@rule(5)
def multiply_matrices(d):
    name, t = d.tensor(lambda t: t.dim() in (1, 2, 3)) or (None, None)
    if not name:
        return None
    k = t.shape[-1]
    dtype = str(t.dtype)[6:]
    found = d.tensor(lambda u: u.dtype == t.dtype and u.dim() and u.shape[-min(u.dim(), 2)] == k)
    other = found[0] if found else d.literal((k, 1 + d.below(3)) if d.sometimes(0.7) else (k,), dtype)
    kind = d.below(8)
    if kind < 4:
        return assign(d, f"{name} @ {other}")
    if kind < 5 and t.dim() == 2:
        return assign(d, f"L.einsum('ij,kj->ik', {name}, {name})")
    if kind < 6 and t.dim() == 2:
        return assign(d, f"L.nn.functional.linear({d.literal((2, k), dtype)}, {name})")
    if kind < 7:
        return assign(d, f"L.{d.one('inner', 'outer', 'dot', 'vdot', 'mv', 'mm')}({name}, {other})")
    return assign(
        d, f"L.addmm({d.literal((1,), dtype)}, {name}, {other}, beta={d.one('0', '1', '2')}, alpha={d.one('1', '2')})"
    )


@rule(4)
def out(d):
    found = d.tensor()
    name, t = found
    target = d.tensor(lambda u: u.shape == t.shape and d.sometimes(0.7))
    result = (
        target[0]
        if target and d.sometimes(0.8)
        else d.literal(t.shape if d.sometimes(0.8) else (0,), str(t.dtype)[6:], False)
    )
    kind = d.below(7)
    if kind < 2:
        return assign(d, f"L.{d.one(*UNARY, *FLOAT_UNARY[:6])}({name}, out={result})")
    if kind < 4:
        return assign(d, f"L.{d.one(*BINARY)}({name}, {d.operand(t)}, out={result})")
    if kind < 5:
        return assign(d, f"L.{d.one(*COMPARISONS, *ANY_BINARY)}({name}, {d.operand(t)}, out={result})")
    if kind < 6:
        return assign(
            d,
            f"L.{d.one('cumsum', 'sum', 'amax', 'prod', 'argmax', 'all', 'any', 'mean')}({name}, {d.dim(t)}, out={result})",
        )
    return assign(d, f"L.{d.one('cat', 'stack')}([{name}, {name}], out={result})")


@rule(4)
def question(d):
    name, t = d.tensor()
    other = d.tensor()[0]
    return assign(
        d,
        d.one(
            f"{name}.tolist()",
            f"{name}.shape",
            f"{name}.is_contiguous()",
            f"{name}.numel()",
            f"L.equal({name}, {other})",
            f"L.result_type({name}, {other})",
            f"L.allclose({name}, {other})",
            f"{name}.item()",
            f"bool({name})",
            f"float({name})",
            f"int({name})",
            f"len({name})",
            f"{name}._base is {other}",
            f"{name}.output_nr",
            f"repr({name})" if t.dtype.is_floating_point and t.numel() < 8 else f"{name}.dtype",
            f"{name}.is_set_to({other})",
            f"{name}.size(0)",
            f"{name}.element_size()",
            f"L.broadcast_shapes({name}.shape, {other}.shape)",
            f"{name}.sort({d.dim(t)}, stable=True)",
            f"{name}.unique()",
            f"{name}.topk(1)[0].tolist()",
            f"{name}.max(0)",
            f"{name}.aminmax()",
            f"hash({name}) == hash({other})",
            f"{name}.untyped_storage().nbytes()",
            f"{name}.type()",
        ),
        "r",
    )


# ---- gradients


@rule(4)
def set_requires_grad(d):
    name, t = d.float_tensor() or d.tensor()
    return d.one(
        f"{name}.requires_grad_()",
        f"{name}.requires_grad_()",
        f"{name}.requires_grad = True",
        f"{name}.requires_grad_(False)",
    )


@rule(8)
def modes(d):
    inner = d.one(view, in_place, compute, set_item, view, new)(d)
    if not inner:
        return None
    mode = d.one("no_grad", "no_grad", "no_grad", "enable_grad", "inference_mode")
    return f"with L.{mode}(): {inner}"


@rule(7)
def backward(d):
    name, t = d.tensor(lambda t: t.requires_grad) or (d.tensor() if d.sometimes(0.1) else (None, None))
    if not name:
        return None
    tail = d.one(
        "retain_graph=True", "retain_graph=True", "retain_graph=True, create_graph=True", "", "create_graph=True"
    )
    inputs = ""
    if d.sometimes(0.15):
        inputs = f"inputs=[{d.tensor()[0]}], "
    if d.sometimes(0.3):
        return f"{name}.backward(L.ones_like({name}), {inputs}{tail})"
    return f"loss({name}).backward({inputs}{tail})"


@rule(5)
def gradient(d):
    name, t = d.tensor(lambda t: t.requires_grad) or (None, None)
    if not name:
        return None
    wrt = d.tensor(lambda t: t.requires_grad)[0]
    tail = d.one("create_graph=True", "create_graph=True", "retain_graph=True", "")
    allow = ", allow_unused=True" if d.sometimes(0.7) else d.one("", ", materialize_grads=True")
    if d.sometimes(0.2):
        return assign(
            d, f"L.autograd.grad({name}, [{wrt}], L.ones_like({name}), {tail + allow if tail else allow[2:]})[0]"
        )
    return assign(d, f"L.autograd.grad(loss({name}), [{wrt}], {tail + allow if tail else allow[2:]})[0]")


@rule(4)
def grads(d):
    name, t = d.tensor(lambda t: t.requires_grad) or d.tensor()
    return d.one(
        f"{name}.grad = None",
        assign(d, f"{name}.grad"),
        assign(d, f"{name}.grad"),
        f"{name}.grad.zero_()",
        f"{name}.grad = L.ones_like({name})",
        f"{name}.retain_grad()",
        f"{name}.retain_grad()",
        f"{name}.grad.{d.one('mul_(2)', 'add_(1)', 'detach_()')}",
        f"{name}.grad = {d.tensor()[0]}",
    )


@rule(4)
def hooks(d):
    name, t = d.tensor(lambda t: t.requires_grad) or d.tensor()
    tag = d.count
    return d.one(
        f"{name}.register_hook(record({tag}))",
        f"{name}.register_hook(record({tag}))",
        f"{name}.register_hook(scale({tag}, 2))",
        f"{name}.register_hook(refuse({tag}))" if d.sometimes(0.3) else f"{name}.register_hook(scale({tag}, 3))",
        f"r{d.count} = {name}.register_hook(scale({tag}, 2)); r{d.count}.remove()",
        f"{name}.grad_fn.register_hook(node_record({tag}))",
        f"{name}.grad_fn.register_prehook(node_scale({tag}, 2))",
        f"{name}.register_post_accumulate_grad_hook(accumulated({tag}))",
    )


@rule(3)
def saved_hooks(d):
    inner = d.one(in_place, compute, compute, reduce, apply)(d)
    if not inner:
        return None
    hooks = d.one("saved_tensors_hooks(pack, unpack)", "saved_tensors_hooks(unpack, unpack)", "save_on_cpu()")
    return f"with L.autograd.graph.{hooks}: {inner}"


@rule(4)
def apply(d):
    name, t = d.float_tensor() or (None, None)
    if not name:
        return None
    kind = d.below(12)
    if kind < 2:
        return assign(d, f"AddInPlace.apply({name}, {d.operand(t, 0, True)})")
    if kind < 4:
        return f"{d.fresh()}, {d.fresh()} = {d.one('Pair', 'Signs')}.apply({name})"
    functions = ("Double", "Square", "SavesResult", "Part", "Same", "Nothing", "Refuses", "Once", "Double", "Part")
    return assign(d, f"{d.one(*functions)}.apply({name})")


# ---- copies


@rule(2)
def copied(d):
    name, t = d.tensor()
    return assign(
        d,
        d.one(
            f"copy.deepcopy({name})",
            f"copy.copy({name})",
            f"pickle.loads(pickle.dumps({name}))",
            f"L.from_numpy({name}.numpy())",
            f"L.from_dlpack({name}.detach())",
            f"L.nn.Parameter({name})",
            f"{name}.clone().detach()",
            f"{name}.requires_grad_().clone()",
        ),
    )


@rule(1)
def moved(d):
    name, t = d.tensor()
    other = d.tensor(lambda u: u.dtype == t.dtype)[0]
    return d.one(
        f"{name}.data = {other}",
        assign(d, f"{name}.as_strided_({tuple(t.shape)}, {t.stride()})"),
        f"{name}.{d.one('swapaxes_', 'transpose_')}(0, -1)",
        assign(d, f"L.empty(0, dtype={name}.dtype).set_({other})"),
        f"del {name}",
    )


ALL_SUBCLASS_RULES = []


def subclass_rule(f):
    ALL_SUBCLASS_RULES.append(f)
    return f


@subclass_rule
def subclass(d):
    name, t = d.tensor()
    return assign(
        d,
        d.one(
            f"{name}.as_subclass(Plain)",
            f"{name}.as_subclass(Logged)",
            f"{name}.as_subclass(L.Tensor)",
            f"{name}.detach().as_subclass(Plain).requires_grad_()",
        ),
    )


def add_subclasses(share=4):
    for f in ALL_SUBCLASS_RULES:
        RULES.append(f)
        SHARES.append(share)


def next_step(draw):
    if not draw.pool:
        return new(draw)
    while True:
        if text := draw.choices(RULES, SHARES)[0](draw):
            return text
