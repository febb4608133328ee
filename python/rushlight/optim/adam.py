"""Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable

import rushlight as rl

from .optimizer import Optimizer, _check_not_negative, _number, evaluate_closure

TYPE_CHECKING = False  # spares the import of typing
if TYPE_CHECKING:
    from typing import Any

    from .optimizer import ParamsT

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam. ``decoupled_weight_decay``: shrink the parameters instead of adding to the gradient (AdamW).

    m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2; both divided by 1 - beta^step, and
    p -= lr * m / (sqrt(v) + eps). ``amsgrad`` takes the largest v so far. ``foreach`` and ``fused`` are ignored.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | rl.Tensor = 1e-3,
        betas: tuple[float | rl.Tensor, float | rl.Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check_not_negative(learning__rate=lr, epsilon__value=eps)
        for i, beta in enumerate(betas):
            if not 0.0 <= _number(beta) < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        _check_not_negative(weight_decay__value=weight_decay)
        if capturable or differentiable:
            raise NotImplementedError(f"{type(self).__name__}: capturable and differentiable are not supported")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = evaluate_closure(closure)
        with rl.no_grad():
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def _new_state(self, param, amsgrad: bool) -> dict:
        state = {
            "step": rl.tensor(0.0),
            "exp_avg": rl.zeros_like(param),
            "exp_avg_sq": rl.zeros_like(param),
        }
        if amsgrad:
            state["max_exp_avg_sq"] = rl.zeros_like(param)
        return state

    def _step_group(self, group: dict) -> None:
        lr, weight_decay, eps = _number(group["lr"]), group["weight_decay"], group["eps"]
        beta1, beta2 = map(_number, group["betas"])
        amsgrad, maximize, decoupled = group["amsgrad"], group["maximize"], group["decoupled_weight_decay"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(self._new_state(param, amsgrad))
            if maximize:
                grad = -grad
            if weight_decay:
                if decoupled:
                    param.mul_(1 - lr * weight_decay)
                else:
                    grad = grad.add(param, alpha=weight_decay)

            step = state["step"].add_(1).item()
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            mean.lerp_(grad, 1 - beta1)
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            if amsgrad:
                square = rl.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
            denominator = square.sqrt().div_(math.sqrt(1 - beta2**step)).add_(eps)
            param.addcdiv_(mean, denominator, value=-lr / (1 - beta1**step))


class AdamW(Adam):
    """Adam with decoupled weight decay, 0.01 by default."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | rl.Tensor = 1e-3,
        betas: tuple[float | rl.Tensor, float | rl.Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
