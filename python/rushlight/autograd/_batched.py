"""``grad`` for a batch of weights: one run per row."""

from __future__ import annotations

from .. import _C


def grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads):
    """As ``autograd.grad``, for grad_outputs with one more leading dim; the results have it too."""
    outputs = (outputs,) if isinstance(outputs, _C.Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, _C.Tensor) else tuple(inputs)
    if grad_outputs is None:
        raise RuntimeError("grad_outputs must be given where is_grads_batched=True")
    weights = (grad_outputs,) if isinstance(grad_outputs, _C.Tensor) else tuple(grad_outputs)
    for i, (weight, output) in enumerate(zip(weights, outputs)):
        if weight is not None and weight.shape[1:] != output.shape:
            raise RuntimeError(
                f"If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                f"dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding "
                f"output, but a mismatch was detected: grad_output[{i}] has a shape of {weight.shape} and output[{i}] "
                f"has a shape of {output.shape}."
            )
    count = next(len(w) for w in weights if w is not None)
    create_graph = bool(create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    rows = []
    for row in range(count):
        last = row == count - 1
        rows.append(
            _C._autograd_grad(
                outputs,
                inputs,
                [None if w is None else w[row] for w in weights],
                retain_graph=keep if last else True,
                create_graph=create_graph,
                allow_unused=allow_unused,
                materialize_grads=materialize_grads,
            )
        )
    return tuple(None if any(g is None for g in column) else _C.stack(column) for column in zip(*rows))
