"""A typed program: what people write with the package, checked by mypy and pyright, and run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import rushlight as torch
import rushlight.nn.functional as F
from rushlight import Tensor, nn, optim
from rushlight.autograd import Function
from rushlight.autograd.function import FunctionCtx


class Swish(Function):
    """x * sigmoid(x) with a derivative of its own."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, beta: float) -> Tensor:
        gate = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, gate)
        ctx.beta = beta
        return x * gate

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        x, gate = ctx.saved_tensors
        return grad * (gate + ctx.beta * x * gate * (1 - gate)), None


class Gauss(nn.Module):
    """A module with a buffer, a parameter and a forward of two arguments."""

    width: nn.Parameter
    centre: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.width = nn.Parameter(torch.ones(features))
        self.register_buffer("centre", torch.linspace(-1, 1, features))

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return torch.exp(-(((x - self.centre) * self.width) ** 2) * scale)

    def extra_repr(self) -> str:
        return f"features={self.width.size(0)}"


class Network(nn.Module):
    def __init__(self, inputs: int, hidden: int, classes: int, depth: int = 2) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.gauss = Gauss(hidden)
        self.layers = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(depth)])
        self.last = nn.Sequential(nn.Dropout(0.1), nn.Linear(hidden, classes, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gauss(self.first(x), scale=0.5)
        for layer in self.layers:
            x = Swish.apply(layer(x), 1.0) + x
        logits: Tensor = self.last(x)
        return logits


def batches(x: Tensor, y: Tensor, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(x.size(0), generator=generator)
    for chosen in order.split(size):
        yield x[chosen], y[chosen]


def make_data(count: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.normal(size=(count, 2))).to(torch.float32)
    labels = (points[:, 0] * points[:, 1] > 0).long()
    return points, labels


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(dim=1) == y).float().mean().item())


def train(model: Network, x: Tensor, y: Tensor, epochs: int) -> list[float]:
    decay = [p for name, p in model.named_parameters() if name.endswith("weight")]
    rest = [p for name, p in model.named_parameters() if not name.endswith("weight")]
    opt = optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": rest}], lr=0.01, betas=(0.9, 0.99))
    schedule = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=epochs)
    norms: list[float] = []
    losses: list[float] = []

    def keep_norm(grad: Tensor) -> None:
        norms.append(grad.norm().item())

    handle = model.first.weight.register_hook(keep_norm)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for inputs, target in batches(x, y, 32, epoch):
            opt.zero_grad()
            loss = F.cross_entropy(model(inputs), target, label_smoothing=0.05)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            opt.step()
            total += loss.item() * inputs.size(0)
        schedule.step()
        losses.append(total / x.size(0))
    handle.remove()
    model.eval()
    assert all(math.isfinite(n) for n in norms)
    return losses


def refine(start: Tensor) -> Tensor:
    """A closure, and SGD on a plain tensor."""
    point = start.clone().requires_grad_()
    opt = optim.SGD([point], lr=0.1, momentum=0.9)

    def closure() -> Tensor:
        opt.zero_grad()
        loss = ((point - 3) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(100):
        opt.step(closure)
    return point.detach()


def results(x: Tensor) -> dict[str, Any]:
    """Named results, indexing, views, numbers and arrays."""
    values, indices = x.max(dim=1)
    top = torch.topk(x.flatten(), k=3, largest=True)
    ordered = x.sort(dim=0, descending=True)
    low, high = torch.aminmax(x)
    mantissa, exponent = torch.frexp(x)
    mean, deviation = torch.std_mean(x, dim=0)[::-1]
    rows, columns = torch.nonzero(x > 0, as_tuple=True)
    unique: Tensor = torch.unique(x.round())
    shape: tuple[int, ...] = x.shape
    height, width = x.size(0), x.size()[-1]
    array = x[..., None].numpy()
    x[0, :2] = 0
    x[x < -1] = torch.tensor(-1.0)
    x[1:, [0, -1]] *= 2
    x += 1
    x = x.T.contiguous().view(width, height).unsqueeze(0).permute(0, 2, 1).reshape(-1)
    parts = torch.stack([*x.chunk(2)], dim=0) @ torch.eye(x.numel() // 2)
    with torch.enable_grad():
        leaf = torch.tensor([1.0, 2.0], requires_grad=True)
        (slope,) = torch.autograd.grad((leaf**3).sum(), leaf, create_graph=True)
    is_same: bool = torch.equal(values, x) or torch.allclose(low, high) or bool(parts.any())
    if leaf.grad is not None:
        leaf.grad.zero_()
    return {
        "top": top.values.tolist() + top.indices.tolist(),
        "ordered": ordered.values[0].tolist(),
        "argmax": indices.tolist(),
        "numbers": [float(mean[0]), int(exponent[0, 0]), len(deviation), mantissa.dim(), rows.numel(), columns.ndim],
        "types": [str(x.dtype), str(x.device), x.is_floating_point(), slope.grad_fn is not None, is_same],
        "sizes": [shape[0], height, width, x.stride(0), x.stride()[-1], array.shape, unique.numel()],
    }


def main() -> None:
    torch.manual_seed(0)
    x, y = make_data(256)
    model = Network(2, 16, 2)
    losses = train(model, x, y, epochs=10)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copy = Network(2, 16, 2)
    copy.load_state_dict(state)
    copy.to(torch.float64).to(torch.float32).eval()
    assert losses[-1] < losses[0]
    assert accuracy(model, x, y) == accuracy(copy, x, y) > 0.8
    assert torch.allclose(refine(torch.zeros(2)), torch.full((2,), 3.0), atol=0.1)
    print(losses[-1], results(torch.randn(4, 5)))


if __name__ == "__main__":
    main()
