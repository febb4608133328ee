"""Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

import contextlib

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


def _weights(v, like, name, function, is_tuple):
    """``v`` as a tuple shaped as the tensors ``like``, called ``name``; one where v is None and they are a number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {name} contains a single Tensor with a single element."
                if name.startswith("input")
                else f"The vector v can only be None if the {name} a single Tensor with a single element."
            )
        return tuple(_C.ones_like(x) for x in like)
    v, _ = _tensors(v, "v", function)
    if len(v) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}."
            if is_tuple
            else "The given v should contain a single Tensor."
        )
    for i, (a, b) in enumerate(zip(v, like)):
        if a.shape != b.shape:
            entry = f"Entry {i} in " if is_tuple else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {b.shape} but got {a.shape}.")
    return v


_NEEDED = {
    "outputs": "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
    "differentiable manner from the input when running in strict mode.",
    "gradients": "The gradient with respect to input {} is independent of the inputs of the user-provided function. "
    "This is not allowed in strict mode.",
    "jacobian": "The jacobian of the user-provided function with respect to input {} is independent of the inputs of "
    "the user-provided function. This is not allowed in strict mode.",
}


def _check_strict(tensors, kind, strict):
    """In strict mode, raise RuntimeError for the first tensor that does not require grad."""
    if not strict:
        return
    for i, tensor in enumerate(tensors):
        if tensor is None or not tensor.requires_grad:
            raise RuntimeError(_NEEDED[kind].format(i))


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


def _filled(grads, inputs, strict, what, create_graph=False, product=None):
    """Zeros for absent gradients; in strict mode RuntimeError.

    what: whose derivative it is, number {} of the input still to be filled in. product: the name of the derivative,
    which with create_graph and strict must depend on the inputs as well.
    """
    result = []
    for i, (g, x) in enumerate(zip(grads, inputs)):
        if g is None:
            if strict:
                raise RuntimeError(what.format(i) + " This is not allowed in strict mode.")
            g = _C.zeros_like(x)
        elif strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The {product} of the user-provided function is independent of input {i}. This is not allowed in "
                f"strict mode when create_graph=True."
            )
        result.append(g)
    return tuple(result)


_OUTPUT = "The output of the user-provided function is independent of input {}."
_JACOBIAN = "The jacobian of the user-provided function is independent of input {}."
_INPUT_OF_FUNCTION = "input to the user-provided function"


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """Return func(*inputs) and the product of ``v`` (shaped as the outputs) with the Jacobian.

    create_graph: the results can be differentiated. strict: RuntimeError, rather than zeros, where an output does not
    depend on an input.
    """
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "vjp")
        inputs = _prepare(inputs, create_graph)
        outputs, out_tuple = _tensors(func(*inputs), "outputs of the user-provided function", "vjp")
        _check_strict(outputs, "outputs", strict)
        weights = _weights(v, outputs, "user-provided function returns", "vjp", out_tuple)
        grads = _filled(
            _grad(outputs, inputs, weights, create_graph), inputs, strict, _OUTPUT, create_graph, "jacobian"
        )
    return _shape(_finish(outputs, create_graph), out_tuple), _shape(_finish(grads, create_graph), in_tuple)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """Return func(*inputs) and the product of the Jacobian with ``v`` (shaped as the inputs), by two backwards."""
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "jvp")
        inputs = _prepare(inputs, create_graph)
        direction = _weights(v, inputs, _INPUT_OF_FUNCTION, "jvp", in_tuple)
        outputs, out_tuple = _tensors(func(*inputs), "outputs of the user-provided function", "jvp")
        _check_strict(outputs, "outputs", strict)
        # The gradient is linear in the weights; differentiating it by them gives the product.
        weights = tuple(_C.zeros_like(out).requires_grad_() for out in outputs)
        grads = _filled(_grad(outputs, inputs, weights, create_graph=True), inputs, strict, _OUTPUT)
        _check_strict(grads, "gradients", strict)
        what = (
            "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the "
            "double backward trick to compute forward mode gradients."
        )
        products = _filled(
            _grad(grads, weights, direction, create_graph), outputs, strict, what, create_graph, "jacobian"
        )
    return _shape(_finish(outputs, create_graph), out_tuple), _shape(_finish(products, create_graph), out_tuple)


def _rows(outputs, inputs, create_graph, strict=False):
    """For every output and input a tensor of shape out.shape + in.shape, by one backward per element."""
    result = []
    for number, out in enumerate(outputs):
        what = f"Output {number} of the user-provided function is independent of input {{}}."
        count = out.numel()
        flat = out.reshape(-1)
        columns = [[] if create_graph else _C.empty((count, *x.shape), dtype=x.dtype, device=x.device) for x in inputs]
        for j in range(count):
            grads = _grad((flat[j],), inputs, None, create_graph, retain_graph=True)
            for column, g in zip(columns, _filled(grads, inputs, strict, what, create_graph, "jacobian")):
                if create_graph:
                    column.append(g)
                else:
                    column[j] = g
        if create_graph and count:
            columns = [_C.stack(column) for column in columns]
        elif create_graph:
            columns = [_C.zeros((0, *x.shape), dtype=x.dtype, device=x.device) for x in inputs]
        result.append(tuple(column.reshape(out.shape + x.shape) for column, x in zip(columns, inputs)))
    return tuple(result)


def _columns(outputs, inputs, create_graph, forward):
    """The same by one backward per element of the inputs: the rows of the gradient as a function of its weights.

    forward: as forward mode, which gives the dtype of the output rather than that of the input.
    """
    weights = tuple(_C.zeros_like(out).requires_grad_() for out in outputs)
    grads = _filled(_grad(outputs, inputs, weights, create_graph=True), inputs, False, _OUTPUT)
    transposed = _rows(grads, weights, create_graph)

    def turned(t, out, x):
        order = (*range(x.dim(), t.dim()), *range(x.dim()))
        return t.permute(order).contiguous().to(out.dtype if forward else x.dtype)

    return tuple(tuple(turned(row[k], out, x) for row, x in zip(transposed, inputs)) for k, out in enumerate(outputs))


def _jacobian(outputs, inputs, create_graph, strict, vectorize, forward):
    fewer = sum(x.numel() for x in inputs) < sum(out.numel() for out in outputs)
    real = not any(t.is_complex() for t in (*outputs, *inputs))
    if vectorize and (forward or fewer) and real and _C._has_plain_history(outputs):
        with contextlib.suppress(RuntimeError):  # a derivative that has none: row by row
            return _columns(outputs, inputs, create_graph, forward)
    return _rows(outputs, inputs, create_graph, strict)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """Return the Jacobian: for every output and input a tensor of shape out.shape + in.shape.

    A tuple of inputs gives a tuple; a tuple of outputs gives a tuple of those. There is one backward per element of the
    outputs. ``vectorize``: one per element of the inputs where these are fewer (by the derivative of the gradient in
    its weights), unless custom functions or hooks take part. strategy="forward-mode" always wants that, and needs
    ``vectorize``.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    forward = strategy == "forward-mode"
    if forward and create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
            "supported together (yet)."
        )
    if strict and (forward or vectorize):
        what = '`strategy="forward-mode"`' if forward else "`vectorize=True`"
        raise RuntimeError(
            f"torch.autograd.functional.jacobian: `strict=True` and {what} are not supported together (yet)."
        )
    if forward and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", "jacobian")
        inputs = _prepare(inputs, create_graph)
        outputs, out_tuple = _tensors(func(*inputs), "outputs of the user-provided function", "jacobian")
        _check_strict(outputs, "outputs", strict)
        found = _jacobian(outputs, inputs, create_graph, strict, vectorize, forward)
        result = tuple(_shape(_finish(columns, create_graph), in_tuple) for columns in found)
    return _shape(result, out_tuple)


def _number(func, inputs, name, strict):
    """func(*inputs), which must be one tensor of one element."""
    outputs, is_tuple = _tensors(func(*inputs), "outputs of the user-provided function", name)
    _check_strict(outputs, "outputs", strict)
    if is_tuple:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return outputs[0]


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """Return the second derivatives of a scalar function: in.shape + in.shape, or a tuple of tuples of those."""
    inputs, in_tuple = _tensors(inputs, "inputs", "hessian")

    def single(*args):
        return _number(func, args, "hessian", strict).reshape(())

    def gradient(*args):
        grads = jacobian(single, args, create_graph=True)
        _check_strict(grads, "jacobian", strict)
        return grads

    result = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return result if in_tuple else result[0][0]


def _hessian_product(func, inputs, v, create_graph, strict, name):
    with _C.enable_grad():
        inputs, in_tuple = _tensors(inputs, "inputs", name)
        inputs = _prepare(inputs, create_graph)
        direction = _weights(v, inputs, _INPUT_OF_FUNCTION, name, in_tuple)
        output = _number(func, inputs, name, strict)
        grads = _filled(_grad((output,), inputs, None, True), inputs, strict, _OUTPUT)
        _check_strict(grads, "jacobian", strict)
        products = _filled(
            _grad(grads, inputs, direction, create_graph), inputs, strict, _JACOBIAN, create_graph, "hessian"
        )
    return _finish((output,), create_graph)[0], _shape(_finish(products, create_graph), in_tuple)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """Return func(*inputs) of a scalar function and the product of ``v`` with its Hessian."""
    return _hessian_product(func, inputs, v, create_graph, strict, "vhp")


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """The same as vhp: the Hessian of a real function is symmetric."""
    return _hessian_product(func, inputs, v, create_graph, strict, "hvp")


missing(__name__)
