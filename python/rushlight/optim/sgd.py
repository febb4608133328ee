"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable

import rushlight as rl

from .optimizer import Optimizer, _check_not_negative, _number, evaluate_closure

TYPE_CHECKING = False  # spares the import of typing
if TYPE_CHECKING:
    from typing import Any

    from .optimizer import ParamsT

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    g = grad (or -grad with ``maximize``) + weight_decay * p; buf = momentum * buf + (1 - dampening) * g, the first
    time g; p -= lr * buf, with ``nesterov`` lr * (g + momentum * buf). ``foreach`` and ``fused`` are ignored.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | rl.Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_not_negative(learning__rate=lr, momentum__value=momentum, weight_decay__value=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        if differentiable:
            raise NotImplementedError("SGD: differentiable=True is not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = evaluate_closure(closure)
        with rl.no_grad():
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def _step_group(self, group: dict) -> None:
        momentum = group["momentum"]
        weight_decay = _number(group["weight_decay"])
        nesterov = group["nesterov"]
        keep = 1 - group["dampening"]
        maximize = group["maximize"]
        lr = _number(group["lr"])
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if maximize:
                grad = -grad
            if weight_decay:
                grad = grad.add(param, alpha=weight_decay)
            if momentum:
                state = self.state[param]
                buf = state.get("momentum_buffer")
                if buf is None:
                    # A temporary made above belongs to nobody else: no copy.
                    buf = state["momentum_buffer"] = grad if maximize or weight_decay else grad.detach().clone()
                else:
                    buf.mul_(momentum).add_(grad, alpha=keep)
                grad = grad.add(buf, alpha=momentum) if nesterov else buf
            param.add_(grad, alpha=-lr)
