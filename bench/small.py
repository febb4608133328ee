"""Time of small operations, in nanoseconds: python bench/small.py [--module torch]."""

from __future__ import annotations

import argparse
import importlib
import timeit

STATEMENTS = (
    "a + b",
    "a1 + b1",
    "a * 2.0",
    "a[0]",
    "a[1:3, 2:5]",
    "a.T",
    "a.sum()",
    "torch.exp(a)",
    "a @ b",
    "a > b",
    "torch.zeros(3, 4)",
    "torch.tensor([1., 2., 3.])",
    "a.shape",
    "s.item()",
    "((x + 2) * x).mean().backward()",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", default="rushlight", help="module with torch's API")
    torch = importlib.import_module(parser.parse_args().module)
    torch.set_num_threads(1)
    scope = {
        "torch": torch,
        "a": torch.rand(10, 10),
        "b": torch.rand(10, 10),
        "a1": torch.rand(1),
        "b1": torch.rand(1),
        "s": torch.tensor(1.5),
        "x": torch.ones(2, 2, requires_grad=True),
    }
    for statement in STATEMENTS:
        timer = timeit.Timer(statement, globals=scope)
        loops, _ = timer.autorange()
        loops = max(loops // 10, 1)
        print(f"{statement:36} {min(timer.repeat(20, loops)) / loops * 1e9:8.0f} ns")


if __name__ == "__main__":
    main()
