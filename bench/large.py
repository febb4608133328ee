"""Time of large operations, in milliseconds: python bench/large.py [--module torch] [--threads 1]."""

from __future__ import annotations

import argparse
import importlib
import timeit

STATEMENTS = (
    "v + w",
    "v.sum()",
    "torch.tanh(u)",
    "torch.exp(u)",
    "u.sort()",
    "m @ m",
    "torch.softmax(m, 1)",
    "m.t().contiguous()",
    "(p @ m).relu().sum().backward()",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", default="rushlight", help="module with torch's API")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch = importlib.import_module(options.module)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    scope = {
        "torch": torch,
        "v": torch.rand(10_000_000),
        "w": torch.rand(10_000_000),
        "u": torch.randn(1_000_000),
        "m": torch.randn(1024, 1024),
        "p": torch.randn(1024, 1024, requires_grad=True),
    }
    for statement in STATEMENTS:
        timer = timeit.Timer(statement, globals=scope)
        loops, _ = timer.autorange()
        loops = max(loops // 10, 1)
        print(f"{statement:36} {min(timer.repeat(20, loops)) / loops * 1e3:8.3f} ms")


if __name__ == "__main__":
    main()
