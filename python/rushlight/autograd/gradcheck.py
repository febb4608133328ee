"""Compares derivatives with central differences.

Derivatives of a real output L with respect to a complex input x + iy are dL/dx + i dL/dy; complex outputs are checked
as pairs of real ones.
"""

from __future__ import annotations

import sys
import types
import warnings
from itertools import product

from .. import _C

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative differs from what central differences give."""


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_batched_forward_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Check the first derivatives of ``func`` with respect to all inputs that require grad.

    inputs: a tensor or a tuple; those that require grad should be float64 or complex128.
    eps: half the distance of the two points of a difference; atol, rtol: as in allclose.
    nondet_tol: how much two runs of the same derivative may differ.
    check_undefined_grad: also leave out outputs, one at a time. check_grad_dtypes: gradients have the dtypes of inputs.
    check_forward_ad: there is no forward mode: a warning, and NotImplementedError with check_backward_ad=False.
    Returns True; where a derivative is wrong raises GradcheckError, or returns False with raise_exception=False.
    The arguments without a meaning here (batched gradients, fast_mode, masked) are accepted.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    if not check_backward_ad:
        raise NotImplementedError("gradcheck: rushlight has no forward-mode derivatives to check")
    if check_forward_ad:
        warnings.warn(
            "gradcheck: rushlight has no forward-mode derivatives; only backward mode is checked", stacklevel=2
        )
    inputs = (inputs,) if isinstance(inputs, _C.Tensor) else tuple(inputs)
    try:
        _check_inputs(inputs)
        _check_grads(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes, check_undefined_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    gen_non_contig_grad_outputs=False,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_fwd_over_rev=False,
    check_rev_over_rev=True,
    fast_mode=False,
    masked=False,
):
    """Check the second derivatives of ``func``: gradcheck of its gradients.

    grad_outputs: weights of the outputs; random ones that require grad by default. The rest as in gradcheck.
    """
    inputs = (inputs,) if isinstance(inputs, _C.Tensor) else tuple(inputs)
    if grad_outputs is None:
        outputs = _differentiable(func(*inputs))
        weights = []
        for out in outputs:
            dtype = out.dtype if out.dtype in (_C.float64, _C.complex128) else _C.float64
            weight = _C.randn(out.shape, dtype=dtype).to(out.dtype)
            if gen_non_contig_grad_outputs:
                weight = _C.stack([weight, weight], -1)[..., 0]
            weights.append(weight.detach().requires_grad_())
    elif isinstance(grad_outputs, _C.Tensor):
        weights = [grad_outputs]
    else:
        weights = list(grad_outputs)
    count = len(weights)

    def gradients(*args):
        values, given = args[: len(args) - count], args[len(args) - count :]
        wanted = [x for x in values if isinstance(x, _C.Tensor) and x.requires_grad]
        found = _C._autograd_grad(_differentiable(func(*values)), wanted, given, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*inputs, *weights),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
    )


def _as_tuple(outputs):
    if isinstance(outputs, _C.Tensor):
        return (outputs,)
    if not isinstance(outputs, (tuple, list)):
        raise ValueError(f"the function must return a tensor or a tuple of tensors, not {type(outputs).__name__}")
    return tuple(o for o in outputs if isinstance(o, _C.Tensor))


def _floating(tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _differentiable(outputs):
    return tuple(o for o in _as_tuple(outputs) if o.requires_grad)


def _check_inputs(inputs):
    wanted = False
    for i, x in enumerate(inputs):
        if not (isinstance(x, _C.Tensor) and x.requires_grad):
            continue
        wanted = True
        if x.dtype not in (_C.float64, _C.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                f"will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        if any(n > 1 and s == 0 for n, s in zip(x.shape, x.stride())):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                f"non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous "
                f"on the input before passing it to gradcheck."
            )
        x.retain_grad()
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )


def _real_outputs(func, inputs):
    """The floating outputs as (number, part, real tensor), part "imaginary", "real" or "" of real outputs."""
    result = []
    for i, out in enumerate(_as_tuple(func(*inputs))):
        if out.is_complex():
            result += [(i, "imaginary", _C.imag(out)), (i, "real", _C.real(out))]
        elif _floating(out):
            result.append((i, "", out))
    return result


def _numerical(func, inputs, x, eps):
    """One Jacobian per real output, of shape [x.numel(), out.numel()]."""
    data = x.data
    complex_input = x.is_complex()
    rows = None

    def values():
        return [out.detach().clone() for _, _, out in _real_outputs(func, inputs)]

    before_any = values()

    def compare(found, index):
        for one, other in zip(before_any, found):
            for what in ("shape", "dtype"):
                if getattr(one, what) != getattr(other, what):
                    raise AssertionError(
                        f"Expected `func` to return outputs with the same {what} when inputs are perturbed on index "
                        f"{index} by {eps}, but got: {getattr(other, what)} and {getattr(one, what)}."
                    )
        return [out.reshape(-1) for out in found]

    for index in product(*(range(n) for n in x.shape)):
        before = data[index].item()
        derivative = None
        for direction in (1.0, 1j) if complex_input else (1.0,):
            data[index] = before + eps * direction
            above = compare(values(), index)
            data[index] = before - eps * direction
            below = compare(values(), index)
            data[index] = before
            steps = [(a - b) / (2 * eps) * direction for a, b in zip(above, below)]
            derivative = steps if derivative is None else [d + s for d, s in zip(derivative, steps)]
        rows = [[] for _ in derivative] if rows is None else rows
        for row, d in zip(rows, derivative):
            row.append(d)
    if rows is None:
        return None
    return [_C.stack(row) for row in rows]


def _analytical(outputs, inputs):
    """Per real output and input: the Jacobian of shape [x.numel(), out.numel()]."""
    result = []
    for _, _, out in outputs:
        columns = [[] for _ in inputs]
        for index in product(*(range(n) for n in out.shape)):
            if not out.requires_grad:
                grads = [None] * len(inputs)
            else:
                weight = _C.zeros(out.shape, dtype=out.dtype)
                weight[index] = 1
                grads = _C._autograd_grad(out, inputs, weight, retain_graph=True, allow_unused=True)
            for column, g, x in zip(columns, grads, inputs):
                if g is not None and g.shape != x.shape:
                    raise GradcheckError(f"Analytical gradient has incorrect size: {g.shape} for an input of {x.shape}")
                column.append(_C.zeros(x.shape, dtype=x.dtype).reshape(-1) if g is None else g.detach().reshape(-1))
        result.append(
            [
                _C.stack(column, 1) if column else _C.zeros(x.numel(), 0, dtype=x.dtype)
                for column, x in zip(columns, inputs)
            ]
        )
    return result


def _check_grads(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes, check_undefined_grad):
    outputs = _real_outputs(func, inputs)
    wanted = [(i, x) for i, x in enumerate(inputs) if isinstance(x, _C.Tensor) and x.requires_grad]
    tensors = [x for _, x in wanted]
    if check_grad_dtypes:
        for _, _, out in outputs:
            if out.requires_grad:
                for g, x in zip(_C._autograd_grad(out.sum(), tensors, retain_graph=True, allow_unused=True), tensors):
                    if g is not None and g.dtype != x.dtype:
                        raise GradcheckError(f"Gradient has dtype {g.dtype} for an input of {x.dtype}")
    if not any(out.requires_grad for _, _, out in outputs):
        for _, x in wanted:
            for jacobian in _numerical(func, inputs, x, eps) or ():
                if not bool((jacobian == 0).all()):
                    raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    analytical = _analytical(outputs, tensors)
    again = _analytical(outputs, tensors)
    for k, (i, x) in enumerate(wanted):
        numerical = _numerical(func, inputs, x, eps)
        for n, (number, part, _) in enumerate(outputs):
            a, repeated = analytical[n][k], again[n][k]
            if not _C.allclose(a, repeated, rtol=0, atol=nondet_tol, equal_nan=True):
                raise GradcheckError(
                    f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    f"gives different values, although analytical gradient matches numerical gradient. The tolerance "
                    f"for nondeterminism was {nondet_tol}."
                )
            if numerical is None:
                continue
            if not _C.allclose(a, numerical[n].to(a.dtype), rtol=rtol, atol=atol, equal_nan=True):
                where = f"While considering the {part} part of complex outputs only, " if part else ""
                raise GradcheckError(
                    f"{where}Jacobian mismatch for output {number} with respect to input {i},\n"
                    f"numerical:{numerical[n]}\nanalytical:{a}\n"
                )
    if check_undefined_grad:
        _check_zero_weights(outputs, tensors)
        _check_missing_weights(outputs, tensors)


def _check_zero_weights(outputs, inputs):
    """Derivatives are linear: weights of zero give gradients of zero."""
    live = [out for _, _, out in outputs if out.requires_grad]
    if not live:
        return
    weights = [_C.zeros(out.shape, dtype=out.dtype) for out in live]
    for g in _C._autograd_grad(live, inputs, weights, retain_graph=True, allow_unused=True):
        if g is not None and not bool((g == 0).all()) and bool(_C.isfinite(_C.abs(g)).all()):
            raise GradcheckError("backward not multiplied by grad_output")


def _check_missing_weights(outputs, inputs):
    """An output without a gradient is like one with a gradient of zero."""
    live = [out for _, _, out in outputs if out.requires_grad]
    for left_out in range(len(live) if len(live) > 1 else 0):
        weights = [_C.ones(out.shape, dtype=out.dtype) for out in live]
        rest, given = list(live), list(weights)
        del rest[left_out], given[left_out]
        weights[left_out] = _C.zeros_like(weights[left_out])
        try:
            found = _C._autograd_grad(rest, inputs, given, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError("Expected backward function to handle undefined output grads.") from error
        expected = _C._autograd_grad(live, inputs, weights, retain_graph=True, allow_unused=True)
        for g, e in zip(found, expected):
            if g is None and e is None:
                continue
            one = _C.zeros_like(e) if g is None else g
            other = _C.zeros_like(g) if e is None else e
            if not _C.allclose(one, other, equal_nan=True):
                raise GradcheckError("An output without a gradient must act as one with a gradient of zero.")


class _CallableModule(types.ModuleType):
    """``autograd.gradcheck`` is the function and this module at the same time."""

    def __call__(self, *args, **kwargs):
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
