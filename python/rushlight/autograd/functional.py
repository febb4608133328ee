"""Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from .. import _C
from .._missing import missing

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tensors(values, name, function):
    """The values as a tuple, and whether they were one."""
    is_tuple = isinstance(values, tuple)
    result = values if is_tuple else (values,)
    for i, value in enumerate(result):
        if not isinstance(value, _C.Tensor):
            where = (
                f"the value at index {i} has type {type(value)}"
                if is_tuple
                else f"the given {name} has type {type(value)}"
            )
            raise TypeError(
                f"The {name} given to {function} must be either a Tensor or a tuple of Tensors but {where}."
            )
    return result, is_tuple


def _prepare(inputs, create_graph):
    """Inputs of which derivatives can be taken, whatever else they belong to."""
    return tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in inputs)


def _finish(tensors, create_graph):
    return tensors if create_graph else tuple(t.detach() for t in tensors)


def _shape(results, is_tuple):
    return results if is_tuple else results[0]


def _weights(v, like, name, is_tuple):
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {name} contains a single Tensor with a single element."
            )
        return tuple(_C.ones_like(x) for x in like)
    v, v_tuple = _tensors(v, "v", name)
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (a, b) in enumerate(zip(v, like)):
        if a.shape != b.shape:
            prefix = f"Entry {i} in " if v_tuple else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {b.shape} but got {a.shape}.")
    return v


def _check_strict(outputs, name):
    for i, out in enumerate(outputs):
        if not out.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in "
                f"a differentiable manner from the input when running in strict mode."
            )


def _grad(outputs, inputs, weights=None, create_graph=False, retain_graph=None):
    """autograd.grad that takes outputs without a history."""
    live = [i for i, out in enumerate(outputs) if out.requires_grad]
    if not live:
        return (None,) * len(inputs)
    return _C._autograd_grad(
        [outputs[i] for i in live],
        inputs,
        None if weights is None else [weights[i] for i in live],
        create_graph=create_graph,
        retain_graph=retain_graph,
        allow_unused=True,
    )


def _filled(grads, inputs, strict, what, create_graph=False):
    result = []
    for i, (g, x) in enumerate(zip(grads, inputs)):
        if g is None:
            if strict:
                raise RuntimeError(f"{what} is independent of input {i}. This is not allowed in strict mode.")
            g = _C.zeros_like(x)
        elif strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The derivative of {what} with respect to input {i} is independent of that input. This is not allowed "
                f"in strict mode when create_graph=True."
            )
        result.append(g)
    return tuple(result)


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """Return func(*inputs) and the product of ``v`` (shaped as the outputs) with the Jacobian."""
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "vjp")
        inputs = _prepare(inputs, create_graph)
        outputs, out_tuple = _tensors(func(*inputs), "outputs of the user-provided function", "vjp")
        if strict:
            _check_strict(outputs, "vjp")
        weights = _weights(v, outputs, "user-provided function returns", out_tuple)
        grads = _filled(_grad(outputs, inputs, weights, create_graph), inputs, strict, "The output", create_graph)
    return _shape(_finish(outputs, create_graph), out_tuple), _shape(_finish(grads, create_graph), in_tuple)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """Return func(*inputs) and the product of the Jacobian with ``v`` (shaped as the inputs), by two backwards."""
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "jvp")
        inputs = _prepare(inputs, create_graph)
        direction = _weights(v, inputs, "input to the user-provided function", in_tuple)
        outputs, out_tuple = _tensors(func(*inputs), "outputs of the user-provided function", "jvp")
        if strict:
            _check_strict(outputs, "jvp")
        # The gradient is linear in the weights; differentiating it by them gives the product.
        weights = tuple(_C.zeros_like(out).requires_grad_() for out in outputs)
        grads = _filled(_grad(outputs, inputs, weights, create_graph=True), inputs, strict, "The output")
        products = _filled(
            _grad(grads, weights, direction, create_graph), outputs, strict, "The derivative", create_graph
        )
    return _shape(_finish(outputs, create_graph), out_tuple), _shape(_finish(products, create_graph), out_tuple)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """Return the Jacobian: for every output and input a tensor of shape out.shape + in.shape.

    A tuple of inputs gives a tuple; a tuple of outputs gives a tuple of those. ``vectorize`` and ``strategy`` change
    nothing: there is one backward per element of the outputs.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "jacobian")
        inputs = _prepare(inputs, create_graph)
        outputs, out_tuple = _tensors(func(*inputs), "outputs of the user-provided function", "jacobian")
        if strict:
            _check_strict(outputs, "jacobian")
        result = []
        for number, out in enumerate(outputs):
            rows = []
            for element in out.reshape(-1).unbind():
                grads = _grad((element,), inputs, None, create_graph, retain_graph=True)
                rows.append(
                    _filled(grads, inputs, strict, f"Output {number} of the user-provided function", create_graph)
                )
            columns = tuple(
                _C.stack([row[k] for row in rows]).reshape(out.shape + x.shape)
                if rows
                else _C.zeros(out.shape + x.shape, dtype=x.dtype)
                for k, x in enumerate(inputs)
            )
            result.append(_shape(_finish(columns, create_graph), in_tuple))
    return _shape(tuple(result), out_tuple)


def _scalar(func, name):
    def single(*args):
        out = func(*args)
        if not isinstance(out, _C.Tensor):
            if not (isinstance(out, tuple) and len(out) == 1 and isinstance(out[0], _C.Tensor)):
                raise RuntimeError(f"The function given to {name} should return a single Tensor")
            out = out[0]
        if out.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return out.reshape(())

    return single


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """Return the second derivatives of a scalar function: in.shape + in.shape, or a tuple of tuples of those."""
    inputs, in_tuple = _tensors(inputs, "inputs", "hessian")
    single = _scalar(func, "hessian")

    def gradient(*args):
        grads = jacobian(single, args, create_graph=True, strict=strict)
        return grads

    result = jacobian(gradient, inputs, create_graph=create_graph, strict=strict)
    return result if in_tuple else result[0][0]


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """Return func(*inputs) of a scalar function and the product of ``v`` with its Hessian."""
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "vhp")
        inputs = _prepare(inputs, create_graph)
        direction = _weights(v, inputs, "input to the user-provided function", in_tuple)
        output = _scalar(func, "vhp")(*inputs)
        if strict:
            _check_strict((output,), "vhp")
        grads = _filled(_grad((output,), inputs, None, True), inputs, strict, "The output", True)
        products = _filled(_grad(grads, inputs, direction, create_graph), inputs, strict, "The gradient", create_graph)
    return _finish((output,), create_graph)[0], _shape(_finish(products, create_graph), in_tuple)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """The same as vhp: the Hessian of a real function is symmetric."""
    return vhp(func, inputs, v, create_graph, strict)


__getattr__ = missing(__name__)
