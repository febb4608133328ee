"""Random choices that the rules of grammar.py share: tensors of the pool, dims, numbers, literals and indices as text."""

import random

DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "complex64",
    "complex128",
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
)
# float32 first: most programs compute with it.
WEIGHTS = (12, 4, 2, 2, 3, 1, 3, 1, 1, 1, 2, 4)
MAX_ELEMENTS = 160


class Draw(random.Random):
    """The random numbers of one program, with the tensors that it has by now (those of the reference)."""

    def __init__(self, seed):
        super().__init__(seed)
        self.pool = {}
        self.count = 0

    def fresh(self, letter="v"):
        self.count += 1
        return f"{letter}{self.count}"

    def one(self, *choices):
        return choices[int(self.random() * len(choices))]

    def sometimes(self, share):
        return self.random() < share

    def below(self, n):
        return int(self.random() * n)

    def dtype(self):
        return self.choices(DTYPES, WEIGHTS)[0]

    # ---- tensors

    def tensor(self, suits=None):
        """(name, tensor) of the pool, younger ones more often; None where none suits."""
        names = list(self.pool) if suits is None else [n for n, t in self.pool.items() if suits(t)]
        if not names:
            return None
        name = names[max(self.below(len(names)), self.below(len(names)))]
        return name, self.pool[name]

    def float_tensor(self):
        return self.tensor(lambda t: t.is_floating_point() or t.is_complex())

    def operand(self, t, share_numbers=0.25, same_dtype=False):
        """Text of something that broadcasts with t: a tensor of the pool, a number or a new tensor."""
        if self.sometimes(share_numbers):
            return self.number(t)
        shape = t.shape

        def suits(u):
            return (u.dtype == t.dtype or not same_dtype) and broadcasts(shape, u.shape)

        if (found := self.tensor(suits)) and self.sometimes(0.8):
            return found[0]
        dtype = str(t.dtype)[6:] if same_dtype or self.sometimes(0.7) else self.dtype()
        n = len(shape)
        return self.literal([1 if self.sometimes(0.2) else s for s in shape[self.below(n + 1) if n else 0 :]], dtype)

    def number(self, t):
        if t.is_complex() and self.sometimes(0.2):
            return self.one("1j", "(1-2j)", "(0.5+1j)")
        if t.is_floating_point() or t.is_complex():
            return self.one("2", "0.5", "-1.5", "3", "-1", "0", "1", "2.5", "True")
        return self.one("2", "3", "1", "-1", "0", "2", "5", "True", "0.5")

    def literal(self, shape, dtype=None, grad=None):
        """A new tensor as text: small numbers that every dtype holds exactly."""
        dtype = dtype or self.dtype()
        n = 1
        for s in shape:
            n *= s
        floating = dtype[0] in "fbc" and dtype != "bool"
        tail = ", requires_grad=True" if (floating and self.sometimes(0.5) if grad is None else grad) else ""
        kind = self.below(10)
        if kind < 2:
            return f"L.{self.one('ones', 'zeros')}({tuple(shape)}, dtype=L.{dtype}{tail})"
        if kind < 3:
            return f"L.full({tuple(shape)}, {'True' if dtype == 'bool' else self.one('1', '2', '3')}, dtype=L.{dtype}{tail})"
        if n > 12 or kind < 6:
            steps = "0.5" if floating else "1"
            start = "0" if dtype in ("uint8", "bool") else self.one("0", "1", "-3", "-1")
            arange = f"(L.arange({n}) * {steps} + {start})" if floating else f"(L.arange({n}) + {start})"
            tail = ".requires_grad_()" if tail else ""
            shaped = "" if len(shape) == 1 else f".reshape({tuple(shape)})"
            order = self.below(6)
            if n and len(shape) == 2 and order < 2:  # leaves that are views
                shaped = f".reshape({tuple(shape[::-1])}).t()"
            return f"{arange}.to(L.{dtype}){shaped}{tail}"
        return f"L.tensor({self.numbers(shape, dtype)}, dtype=L.{dtype}{tail})"

    def numbers(self, shape, dtype):
        if shape:
            inner = self.numbers(shape[1:], dtype) if shape[0] == 0 else None
            return "[" + ", ".join(inner or self.numbers(shape[1:], dtype) for _ in range(shape[0])) + "]"
        if dtype == "bool":
            return self.one("True", "False")
        if dtype == "uint8":
            return str(self.below(7))
        if dtype[0] == "i":
            return str(self.below(9) - 3)
        if dtype[0] == "c":
            return f"({(self.below(11) - 5) * 0.5}+{self.below(5) * 0.5}j)"
        if self.sometimes(0.02):
            return self.one("math.nan", "math.inf", "-math.inf", "-0.0")
        return str((self.below(12) - 5) * 0.5)

    def shape(self):
        kind = self.below(20)
        if kind < 1:
            return ()
        if kind < 2:
            return self.one((0,), (2, 0), (0, 3))
        if kind < 8:
            return (1 + self.below(7),)
        if kind < 15:
            return (1 + self.below(4), 1 + self.below(4))
        if kind < 19:
            return (1 + self.below(3), 1 + self.below(3), 1 + self.below(4))
        return (2, 1 + self.below(2), 2, 1 + self.below(3))

    # ---- arguments

    def dim(self, t, wrong=0.01):
        n = t.dim()
        if self.sometimes(wrong):
            return self.one(n, -n - 1, 5)
        return self.below(2 * n) - n if n else self.one(0, -1)

    def dims(self, t):
        n = t.dim()
        chosen = self.sample(range(n), self.below(n) + 1) if n else []
        return tuple(d - n if self.sometimes(0.2) else d for d in chosen)

    def positions(self, size, count, negative=True):
        low = -size if negative else 0
        return [self.below(size - low) + low for _ in range(count)] if size else []

    def index(self, t):
        """Text of an index of t: any mix of what may stand between the brackets."""
        kind = self.below(14)
        sizes = t.shape
        n = len(sizes)
        if kind == 0 and t.numel():
            mask = self.tensor(
                lambda u: str(u.dtype) == "torch.bool" and u.dim() and tuple(u.shape) == tuple(sizes[: u.dim()])
            )
            if mask:
                return mask[0]
            return (
                f"{self.tensor(lambda u: u is t)[0]} {self.one('>', '<=', '==')} {self.one('1', '0', '0.5')}"
                if not t.is_complex()
                else "..."
            )
        if kind == 1:
            return self.one("...", "()", "None", "True", "False", ":")
        parts, d, advanced = [], 0, 0
        for _ in range(self.below(n + 1) + (1 if n else 0)):
            part = self.below(12)
            if part == 0:
                parts.append(self.one("None", "...", "True") if "..." not in parts else "None")
                continue
            if d >= n:
                break
            size = sizes[d]
            d += 1
            if part < 5:
                parts.append(self.slice(size))
            elif part < 8 and size:
                parts.append(str(self.below(2 * size) - size))
            elif part < 11 and size and advanced < 2:
                advanced += 1
                parts.append(self.advanced_index(size))
            elif part == 11 and size and size <= 6:
                parts.append(str([self.sometimes(0.6) for _ in range(size)]))
            else:
                parts.append(":")
        return ", ".join(parts) if parts else "..."

    def slice(self, size):
        a, b = self.below(size + 1), self.below(size + 1)
        if self.sometimes(0.7) and a > b:
            a, b = b, a
        text = f"{a if self.sometimes(0.6) else ''}:{b if self.sometimes(0.5) else ''}"
        return text + (f":{1 + self.below(3)}" if self.sometimes(0.3) else "")

    def advanced_index(self, size):
        shape = self.one((1,), (2,), (2,), (3,), (2, 2), ())
        flat = self.positions(size, max(1, shape[0] if len(shape) == 1 else 4 if shape else 1))
        if not shape:
            return f"L.tensor({flat[0]})"
        if len(shape) == 2:
            return f"L.tensor({[flat[:2], flat[2:]]})"
        return str(flat) if self.sometimes(0.4) else f"L.tensor({flat})"

    def view_shape(self, n):
        """A shape of n elements."""
        shape = []
        for _ in range(self.below(3)):
            for k in (2, 3, 4, 5):
                if n % k == 0 and n and self.sometimes(0.5):
                    shape.append(k)
                    n //= k
                    break
        shape.insert(self.below(len(shape) + 1), n)
        if self.sometimes(0.2):
            shape.insert(self.below(len(shape) + 1), 1)
        if self.sometimes(0.3) and n:
            shape[self.below(len(shape))] = -1
        return tuple(shape)


def broadcasts(shape, other):
    """Whether a tensor of shape `other` broadcasts to `shape` or with it, without growing much."""
    if len(other) > len(shape) + 1:
        return False
    return all(a == b or a == 1 or b == 1 for a, b in zip(reversed(shape), reversed(other)))
