"""What __torch_function__ sees of some 300 expressions, for rushlight and torch alike."""

from __future__ import annotations

import copy
import importlib
import operator
import warnings

import numpy as np

# Differences that stay: names under which one function is known twice, and calls inside calls.
KNOWN = {
    "matmul x2",  # refused by the handler's call, in torch before it
    "imatmul 2",
    "t mm",  # torch.spmm is another name of it
    "deepcopy",  # torch refuses
    "copy",  # __copy__ instead of __reduce_ex__
    "np.add",  # NumPy passes more to __array_wrap__ than torch's takes
    "nn.init.ones_",
    "autograd.grad",  # has no name
    "special.erf",  # torch.erf is the same function
    "special.gammaln",
    "dir",
    "__rdiv__",
    "__idiv__",
}


def _expressions(torch, subclass) -> dict:
    F = importlib.import_module(torch.__name__ + ".nn.functional")
    nn = importlib.import_module(torch.__name__ + ".nn")
    p, pi = torch.ones(2, 2), torch.ones(2, 2, dtype=torch.int64)
    x, xi = p.clone().as_subclass(subclass), pi.clone().as_subclass(subclass)
    one = x[0, 0]
    g = torch.ones(2, 2, requires_grad=True).as_subclass(subclass)
    found = {}

    def binary(names, x, p):
        for name in names.split():
            f = getattr(operator, name)
            for sides, (a, b) in {"xx": (x, x), "x2": (x, 2), "2x": (2, x), "px": (p, x), "xp": (x, p)}.items():
                found[f"{name} {sides}"] = lambda f=f, a=a, b=b: f(a, b)

    def inplace(names, x, p):
        for name in names.split():
            f = getattr(operator, name)
            found[name] = lambda f=f: f(x.clone(), x)
            found[f"{name} 2"] = lambda f=f: f(x.clone(), 2)
            found[f"{name} p"] = lambda f=f: f(p.clone(), x)

    binary("add sub mul truediv floordiv mod pow matmul lt le gt ge eq ne", x, p)
    binary("and_ or_ xor lshift rshift", xi, pi)
    inplace("iadd isub imul itruediv imod ipow imatmul", x, p)
    inplace("iand ior ixor ilshift irshift ifloordiv", xi, pi)
    for name in ("neg", "pos", "abs"):
        found[name] = lambda f=getattr(operator, name): f(x)
    found["invert"] = lambda: ~xi
    found["index"] = lambda: operator.index(xi[0, 0])

    attributes = (
        "shape dtype device layout ndim T mT H mH real requires_grad is_leaf grad_fn grad data _version _base itemsize "
        "nbytes is_cuda is_cpu is_sparse is_quantized name output_nr retains_grad is_meta"
    )
    for name in attributes.split():
        found["." + name] = lambda name=name: getattr(x, name)

    methods = (
        "size stride dim numel clone detach contiguous sum mean max min abs exp sqrt t flatten tolist numpy sort argsort "
        "unbind nonzero cumsum isnan var std cos relu sigmoid long float type is_contiguous storage_offset data_ptr "
        "element_size is_floating_point is_complex unique norm fill_ zero_ new_zeros new_empty new_tensor"
    )
    arguments = {"cumsum": (0,), "fill_": (2,), "new_zeros": (2,), "new_empty": (2,), "new_tensor": ([1.0],)}
    for name in methods.split():
        found["x." + name] = lambda name=name: getattr(x.clone(), name)(*arguments.get(name, ()))

    of_one = (
        "sum mean exp relu softmax sort topk unbind chunk split max argmax ones_like rand_like empty_like zeros_like "
        "full_like clone norm cumsum flip roll isnan is_tensor is_floating_point numel typename"
    )
    rest = {
        "softmax": (0,),
        "topk": (1,),
        "chunk": (2,),
        "split": (1,),
        "cumsum": (0,),
        "flip": ((0,),),
        "roll": (1,),
        "full_like": (2,),
    }
    for name in of_one.split():
        found["t " + name] = lambda name=name: getattr(torch, name)(x, *rest.get(name, ()))
    for name in "add sub mul div pow fmod remainder maximum minimum atan2 eq lt matmul mm".split():
        found["t " + name] = lambda name=name: getattr(torch, name)(p, x)
    for name in ("stack", "cat", "vstack", "hstack"):
        found["t " + name] = lambda name=name: getattr(torch, name)([p, x])
    for name in ("dot", "outer"):
        found["t " + name] = lambda name=name: getattr(torch, name)(x[0], p[0])

    found |= {
        "where": lambda: torch.where(p > 0, x, p),
        "bmm": lambda: torch.bmm(x[None], p[None]),
        "is_nonzero": lambda: torch.is_nonzero(one),
        "x[0]": lambda: x[0],
        "x[0:1]": lambda: x[0:1],
        "x[list]": lambda: x[[0, 1]],
        "x[mask]": lambda: x[p > 0],
        "p[x]": lambda: p[xi],
        "p[x, 0]": lambda: p[xi, 0],
        "x[0] =": lambda: x.clone().__setitem__(0, 1),
        "p[0] = x": lambda: p.clone().__setitem__(0, one),
        "len": lambda: len(x),
        "iter": lambda: [type(i).__name__ for i in x],
        "in": lambda: 1 in x,
        "repr": lambda: repr(x),
        "str": lambda: str(x),
        "format": lambda: format(one, ".2f"),
        "bool": lambda: bool(one),
        "float": lambda: float(one),
        "int": lambda: int(one),
        "complex": lambda: complex(one),
        "hash": lambda: type(hash(x)),
        "dir": lambda: dir(x)[:1],
        "deepcopy": lambda: copy.deepcopy(p.clone().as_subclass(subclass)),
        "copy": lambda: copy.copy(x),
        "np.asarray": lambda: np.asarray(x),
        "np.add": lambda: np.add(x, 1),
        "tensor": lambda: torch.tensor(one),
        "as_tensor": lambda: torch.as_tensor(x),
        "as_subclass": lambda: x.as_subclass(torch.Tensor),
        "einsum": lambda: torch.einsum("ij->i", x),
        "F.relu": lambda: F.relu(x),
        "F.linear": lambda: F.linear(x, p),
        "F.dropout": lambda: F.dropout(x),
        "F.softmax": lambda: F.softmax(x, dim=0),
        "F.mse_loss": lambda: F.mse_loss(x, p),
        "F.cross_entropy": lambda: F.cross_entropy(x, torch.tensor([0, 1])),
        "F.layer_norm": lambda: F.layer_norm(x, (2,)),
        "nn.Linear": lambda: nn.Linear(2, 2)(x),
        "nn.Sequential": lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU())(x),
        "nn.init.ones_": lambda: nn.init.ones_(x.clone()),
        "nn.init.uniform_": lambda: nn.init.uniform_(tensor=x.clone()),
        "nn.init.kaiming_uniform_": lambda: nn.init.kaiming_uniform_(tensor=x.clone()),
        "out=x": lambda: torch.add(p, 1, out=x.clone()),
        "out=p": lambda: torch.add(x, 1, out=p.clone()),
        "grad =": lambda: setattr(x, "grad", None),
        "requires_grad_": lambda: x.clone().requires_grad_(),
        "requires_grad =": lambda: setattr(x.clone(), "requires_grad", True),
        "data =": lambda: setattr(x.clone(), "data", p),
        "backward": lambda: (g * 2).sum().backward(),
        "autograd.grad": lambda: torch.autograd.grad((g * 2).sum(), g),
        "register_hook": lambda: g.register_hook(lambda g: None).remove(),
        "broadcast_tensors": lambda: torch.broadcast_tensors(x, p),
        "meshgrid": lambda: torch.meshgrid(x[0], p[0], indexing="ij"),
        "atleast_3d": lambda: torch.atleast_3d(x),
        "block_diag": lambda: torch.block_diag(x, p),
        "cartesian_prod": lambda: torch.cartesian_prod(x[0], p[0]),
        "tensordot": lambda: torch.tensordot(x, p),
        "cdist": lambda: torch.cdist(x, p),
        "fft": lambda: torch.fft.fft(x),
        "special.erf": lambda: torch.special.erf(x),
        "special.gammaln": lambda: torch.special.gammaln(x),
        "vector_norm": lambda: torch.linalg.vector_norm(x),
        "Parameter": lambda: nn.Parameter(x),
        "Parameter is": lambda: isinstance(nn.Parameter(x), nn.Parameter),
        "Parameter + 1": lambda: nn.Parameter(p) + 1,
        "Parameter + x": lambda: nn.Parameter(p) + x,
        "__reduce_ex__": lambda: type(x.__reduce_ex__(2)),
        "__radd__": lambda: x.__radd__(1),
        "__rdiv__": lambda: x.__rdiv__(1),
        "__idiv__": lambda: x.clone().__idiv__(1),
        "__ipow__": lambda: x.clone().__ipow__(2),
        "to": lambda: x.to(torch.float64),
        "to itself": lambda: x.to(torch.float32),
        "T.T": lambda: x.T.T,
        "max.values": lambda: x.max(0).values,
        "sum input=": lambda: torch.sum(input=x, dim=0),
        "sum dim=": lambda: x.sum(dim=0),
        "unflatten": lambda: x.unflatten(0, (1, 2)),
        "untyped_storage": lambda: x.untyped_storage(),
        "allclose": lambda: torch.allclose(x, p),
        "equal": lambda: torch.equal(x, p),
        "item": lambda: one.item(),
        "x @ x.T": lambda: x @ x.T,
        "new_full": lambda: x.new_full((2,), 3.0),
        "stack(list)": lambda: torch.stack(list(x)),
        "clamp": lambda: torch.clamp(x, p),
        "lerp": lambda: torch.lerp(p, p, x),
        "addmm": lambda: torch.addmm(p, x, p),
        "scatter": lambda: p.scatter(0, pi * 0, x),
        "index_select": lambda: torch.index_select(p, 0, xi[0]),
        "rsub": lambda: torch.rsub(x, p),
        "histc": lambda: torch.histc(x),
        "take": lambda: torch.take(x, pi),
        "no_grad": lambda: torch.no_grad()(lambda: x + 1)(),
    }
    return found


def _shown(result, tensor: type) -> str:
    if isinstance(result, (tuple, list)) and any(isinstance(r, tensor) for r in result):
        return f"{type(result).__name__}({', '.join(_shown(r, tensor) for r in result)})"
    return type(result).__name__


def run(torch) -> dict[str, tuple]:
    """By expression: the type of the result or exception, and (function, classes, types of arguments) of each call."""
    overrides = importlib.import_module(torch.__name__ + ".overrides")
    log = []

    class My(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            name = overrides.resolve_name(func) or getattr(func, "__name__", "?")
            classes = sorted(t.__name__ for t in types if t is not torch.Tensor)
            given = [type(a).__name__ for a in (*args, *(kwargs or {}).values()) if isinstance(a, torch.Tensor)]
            log.append((name, classes, given))
            return super().__torch_function__(func, types, args, kwargs)

    results = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, expression in _expressions(torch, My).items():
            log.clear()
            try:
                shown = _shown(expression(), torch.Tensor)
            except Exception as e:
                shown = f"raises {type(e).__name__}"
            results[name] = (shown, tuple(log))
    return results
