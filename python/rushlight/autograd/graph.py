"""The recorded graph: its nodes, and the edge behind a tensor."""

from __future__ import annotations

from typing import NamedTuple

from .._C import _Node as Node

__all__ = ["GradientEdge", "Node", "get_gradient_edge"]


class GradientEdge(NamedTuple):
    """The place where the gradient of a tensor arrives: a node and the number of its output."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor) -> GradientEdge:
    """Return the edge of a tensor that requires grad; for a leaf, that of its AccumulateGrad node."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    if node is None:
        node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
    return GradientEdge(node, tensor.output_nr)
