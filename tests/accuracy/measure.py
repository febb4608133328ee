"""Largest errors, in units in the last place (ULP), of the vectorised functions against references.

    python measure.py [--march x86-64-v4] [--isa v4] [--quick] [--functions exp,log]
    python measure.py --package rushlight --step 64 --markdown docs/accuracy.md

Without --package the functions of src/cpu/vmath.h are compiled for the given -march; with it they are the functions
of that name in a Python package whose arrays convert from and to NumPy (rushlight, torch, numpy).

References: mpmath with 300 bits; float32 first against a C double library (through NumPy/SciPy), then the candidates for
the largest error against mpmath; both at the special values against the IEEE / C result. Error of a result y: |y - exact| / ulp(exact), ulp(exact) the spacing of
the type at the rounded exact value; a result that rounds to infinity must be infinity or the largest finite number.
"""

import argparse
import ctypes
import itertools
import os
import subprocess
import sys
import tempfile

import mpmath as mp
import numpy as np
from scipy import special

mp.mp.prec = 300
HERE = os.path.dirname(os.path.abspath(__file__))


# --- what is measured -------------------------------------------------------------------------------------------------


class Function:
    """reference: on float64 arrays; exact: on mpmath numbers; dense: intervals to sample more closely.

    floor: errors count in ULP of this where the result is smaller, for functions whose zeros are no floating point
    numbers: near them the last digit of the argument decides about all digits of the result.
    """

    def __init__(self, reference, exact, dense=(), arity=1, floor=0.0):
        self.reference, self.exact, self.dense, self.arity, self.floor = reference, exact, dense, arity, floor


def exact_sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def reference_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


def reference_sinc(x):
    # Exact up to the last two lines, so that large arguments keep their phase and integers give 0.
    whole = np.round(x)
    turn = np.where(np.fmod(whole, 2) == 0, 1.0, -1.0)
    return np.where(x == 0, 1.0, turn * np.sin(np.pi * (x - whole)) / (np.pi * x))


def odd(f):
    """SciPy's I1 loses the sign of zero and is NaN at infinity."""
    limit = np.inf if f is special.i1 else 0.0
    return lambda x: np.copysign(np.where(np.isinf(x), limit, np.abs(f(x))), np.where(np.isnan(x), 0, x))


def exact_lgamma(x):
    return mp.re(mp.loggamma(x))


def exact_digamma(x):
    if x <= 0 and x == mp.floor(x):
        raise ValueError("pole")
    return mp.digamma(x)


FUNCTIONS = {
    "exp": Function(np.exp, mp.exp, [(-1, 1), (-110, 90), (-750, 710)]),
    "exp2": Function(np.exp2, lambda x: mp.mpf(2) ** x, [(-1, 1), (-151, 129), (-1076, 1025)]),
    "expm1": Function(np.expm1, mp.expm1, [(-1, 1), (-110, 90), (-50, 710)]),
    "sigmoid": Function(reference_sigmoid, exact_sigmoid, [(-1, 1), (-110, 90), (-750, 50)]),
    "tanh": Function(np.tanh, mp.tanh, [(-1, 1), (-10, 10), (-24, 24)]),
    "sinh": Function(np.sinh, mp.sinh, [(-1, 1), (-90, 90), (-711, 711)]),
    "cosh": Function(np.cosh, mp.cosh, [(-1, 1), (-90, 90), (-711, 711)]),
    "log": Function(np.log, mp.log, [(0.5, 2), (0, 100)]),
    "log2": Function(np.log2, lambda x: mp.log(x) / mp.log(2), [(0.5, 2), (0, 100)]),
    "log10": Function(np.log10, lambda x: mp.log(x) / mp.log(10), [(0.5, 2), (0, 100)]),
    "log1p": Function(np.log1p, mp.log1p, [(-1, 1), (-1, 100)]),
    "sin": Function(np.sin, mp.sin, [(-4, 4), (-1000, 1000), (-2e5, 2e5), (-2e9, 2e9)]),
    "cos": Function(np.cos, mp.cos, [(-4, 4), (-1000, 1000), (-2e5, 2e5), (-2e9, 2e9)]),
    "tan": Function(np.tan, mp.tan, [(-4, 4), (-1000, 1000), (-2e5, 2e5), (-2e9, 2e9)]),
    "asin": Function(np.arcsin, mp.asin, [(-1, 1)]),
    "acos": Function(np.arccos, mp.acos, [(-1, 1)]),
    "atan": Function(np.arctan, mp.atan, [(-1, 1), (-5, 5)]),
    "erf": Function(special.erf, mp.erf, [(-1, 1), (-4, 4), (-6, 6)]),
    "erfc": Function(special.erfc, mp.erfc, [(-1, 1), (-4, 11), (-6, 28)]),
    "rsqrt": Function(lambda x: 1 / np.sqrt(x), lambda x: 1 / mp.sqrt(x), [(0, 10)]),
    "asinh": Function(np.arcsinh, mp.asinh, [(-1, 1), (-100, 100)]),
    "acosh": Function(np.arccosh, mp.acosh, [(1, 2), (1, 100)]),
    "atanh": Function(np.arctanh, mp.atanh, [(-1, 1)]),
    "logit": Function(special.logit, lambda x: mp.log(x / (1 - x)), [(0, 1)]),
    "sinc": Function(reference_sinc, mp.sincpi, [(-4, 4), (-100, 100)]),
    "erfinv": Function(lambda x: np.where(x == 0, x, special.erfinv(x)), mp.erfinv, [(-1, 1)]),
    "lgamma": Function(
        lambda x: np.where(np.isinf(x), np.inf, special.gammaln(x)),
        exact_lgamma,
        [(0, 4), (-10, 10), (0, 200)],
        floor=1,
    ),
    "digamma": Function(special.digamma, exact_digamma, [(0, 4), (-10, 10), (0, 200)], floor=1),
    "i0": Function(
        lambda x: np.where(np.isinf(x), np.inf, special.i0(x)),
        lambda x: mp.besseli(0, x),
        [(-10, 10), (-90, 90), (-710, 710)],
    ),
    "i0e": Function(special.i0e, lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), [(-10, 10), (-90, 90), (-710, 710)]),
    "i1": Function(odd(special.i1), lambda x: mp.besseli(1, x), [(-10, 10), (-90, 90), (-710, 710)]),
    "i1e": Function(
        odd(special.i1e), lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), [(-10, 10), (-90, 90), (-710, 710)]
    ),
    "pow": Function(np.power, lambda x, y: mp.mpf(x) ** y, [(0.5, 2)], arity=2),
    "atan2": Function(np.arctan2, mp.atan2, [(-2, 2)], arity=2),
    "hypot": Function(np.hypot, mp.hypot, [(-2, 2)], arity=2),
    "logaddexp": Function(np.logaddexp, lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), [(-2, 2)], arity=2, floor=1),
    "xlogy": Function(special.xlogy, lambda x, y: x * mp.log(y), [(-2, 2)], arity=2),
    "xlog1py": Function(special.xlog1py, lambda x, y: x * mp.log1p(y), [(-2, 2)], arity=2),
}


# --- samples ----------------------------------------------------------------------------------------------------------


def every_magnitude(dtype, n, rng):
    """Bit patterns drawn uniformly: every exponent, denormals, both signs, a few infinities and NaN."""
    width = np.uint32 if dtype == np.float32 else np.uint64
    return rng.integers(0, np.iinfo(width).max, n, dtype=width, endpoint=True).view(dtype)


def specials(dtype):
    info = np.finfo(dtype)
    tiny = info.smallest_subnormal
    base = np.array(
        [
            0,
            0.5,
            1,
            1.5,
            2,
            3,
            0.1,
            10,
            1e5,
            info.max,
            info.tiny,
            tiny,
            info.tiny - tiny,
            np.inf,
            np.nan,
            1 + info.eps,
            1 - info.epsneg,
            np.pi,
            np.pi / 2,
            np.pi / 4,
            np.log(2),
            1e6,
            2.0**31,
            2.0**63,
            88.72283,
            709.782712893384,
            103.97,
            745.13,
        ],
        dtype=dtype,
    )
    return np.concatenate([base, -base])


def near_quarter_turns(dtype, n, rng):
    k = np.concatenate([np.arange(1, 2000), rng.integers(1, 2**40, n)]).astype(np.float64)
    x = (k * (np.pi / 2)).astype(dtype)
    return np.concatenate([x, np.nextafter(x, dtype(0)), np.nextafter(x, dtype(np.inf))])


def sample(name, f, dtype, n, rng):
    if f.arity == 1:
        parts = [every_magnitude(dtype, n, rng), specials(dtype)]
        parts += [rng.uniform(a, b, n).astype(dtype) for a, b in f.dense]
        if name in ("sin", "cos", "tan"):
            parts.append(near_quarter_turns(dtype, n // 8, rng))
        if name.startswith("log"):
            parts.append((1 + rng.standard_normal(n) * 10.0 ** -rng.uniform(0, 8, n)).astype(dtype))
        return (np.concatenate(parts),)
    s = specials(dtype)
    a, b = np.meshgrid(s, s)
    pairs = [(a.ravel(), b.ravel()), (every_magnitude(dtype, n, rng), every_magnitude(dtype, n, rng))]
    if name == "pow":
        # Results over the whole range for every magnitude of the base, then bases near 1, then integral powers.
        x = np.abs(every_magnitude(dtype, n, rng))
        x[~np.isfinite(x) | (x == 0)] = 2
        top = 128 if dtype == np.float32 else 1024
        with np.errstate(all="ignore"):
            z = rng.uniform(-1.15 * top, 1.05 * top, n)
            pairs.append((x, (z / np.log2(x.astype(np.float64))).astype(dtype)))
            x = (1 + rng.standard_normal(n) * 10.0 ** -rng.uniform(0, 7, n)).astype(dtype)
            x = np.where(x > 0, x, dtype(1.25))
            pairs.append((x, (z / np.log2(x.astype(np.float64))).astype(dtype)))
        pairs.append((rng.uniform(0, 10, n).astype(dtype), rng.uniform(-3, 3, n).astype(dtype)))
        pairs.append((rng.uniform(-20, 20, n).astype(dtype), rng.integers(-40, 40, n).astype(dtype)))
    else:
        scale = 10.0 ** rng.uniform(-3, 3, n)
        pairs.append((rng.standard_normal(n).astype(dtype), (scale * rng.standard_normal(n)).astype(dtype)))
    return tuple(np.concatenate(c) for c in zip(*pairs))


# --- comparison -------------------------------------------------------------------------------------------------------


def ulp(x, dtype):
    """Spacing of the type at x, as float64; that of the largest finite number at infinity."""
    with np.errstate(all="ignore"):
        x = np.minimum(np.abs(x), np.finfo(dtype).max)
        below = np.nextafter(x, dtype(0))
        return np.where(x == np.finfo(dtype).max, x - below, np.spacing(x)).astype(np.float64)


def ulp_errors(got, exact_hi, exact_lo, dtype, floor=0.0):
    """exact = exact_hi + exact_lo * ulp(exact_hi), exact_hi of the type. Infinite where the class or sign is wrong."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        got64, hi = got.astype(np.float64), exact_hi.astype(np.float64)
        # Both multiples of the same power of two near each other, so the quotients are exact.
        u = ulp(exact_hi, dtype)
        error = np.abs((got64 / u - hi / u) - exact_lo)
    same = (got == exact_hi) & (np.signbit(got) == np.signbit(exact_hi))
    error = np.where(np.isinf(exact_hi) & same, 0, error)
    error = np.where(np.isinf(exact_hi) & ~same, np.where(got == np.copysign(info.max, exact_hi), 1, np.inf), error)
    error = np.where(
        np.isfinite(exact_hi) & np.isinf(got),
        np.where(got == np.copysign(np.inf, exact_hi), np.where(np.abs(exact_hi) == info.max, 1, np.inf), np.inf),
        error,
    )
    error = np.where((exact_hi == 0) & (got == 0), np.where(same, np.abs(exact_lo), np.inf), error)
    error = np.where(np.isnan(exact_hi), np.where(np.isnan(got), 0, np.inf), error)
    error = np.where(np.isnan(got) & ~np.isnan(exact_hi), np.inf, error)
    near = np.isfinite(error) & (np.abs(hi) < floor)
    if floor and near.any():
        error[near] *= u[near] / float(ulp(dtype(floor), dtype))
    # A sum that is nearly 0 may have either sign.
    return np.where(np.isinf(error) & (hi == 0) & (got64 == 0) & (floor > 0), 0, error)


def reference_f32(f, args):
    with np.errstate(all="ignore"):
        exact = f.reference(*(a.astype(np.float64) for a in args))
        hi = exact.astype(np.float32)
        lo = np.where(np.isfinite(hi), (exact - hi.astype(np.float64)) / ulp(hi, np.float32), 0)
    return hi, lo


def reference_exact(f, args, dtype):
    """mpmath where arguments and result are finite and not zero, the C library elsewhere."""
    info = np.finfo(dtype)
    digits, lowest, top = info.nmant + 1, info.minexp - info.nmant, info.maxexp
    with np.errstate(all="ignore"):
        approx = f.reference(*(a.astype(np.float64) for a in args)).astype(dtype)
    hi, lo = approx.copy(), np.zeros(len(approx))
    for i in range(len(approx)):
        values = [float(a[i]) for a in args]
        if not all(np.isfinite(values)) or np.isnan(approx[i]) or any(v == 0 for v in values):
            continue
        try:
            exact = f.exact(*(mp.mpf(v) for v in values))
        except (OverflowError, ValueError, ZeroDivisionError):
            continue
        if mp.isinf(exact) or exact == 0:
            continue
        sign = float(mp.sign(exact))
        if abs(exact) >= mp.mpf(2) ** top * (1 - mp.mpf(2) ** -(digits + 1)):
            hi[i] = np.copysign(np.inf, sign)
        elif abs(exact) < mp.mpf(2) ** (lowest - 1):
            hi[i] = np.copysign(0.0, sign)
        else:
            # To the nearest multiple of the spacing at this magnitude, also where numbers are denormal.
            step = max(int(mp.frexp(exact)[1]) - digits, lowest)
            hi[i] = np.copysign(dtype(float(mp.ldexp(mp.nint(mp.ldexp(exact, -step)), step))), sign)
            lo[i] = float((exact - mp.mpf(float(hi[i]))) / mp.mpf(float(ulp(hi[i], dtype))))
    return hi, lo


# --- how a function is called -----------------------------------------------------------------------------------------


def compile_harness(march, isa, compiler="g++"):
    out = os.path.join(tempfile.mkdtemp(prefix="vmath"), "harness.so")
    flags = ["-std=c++20", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC"]
    if march.endswith("v4"):
        flags.append("-mprefer-vector-width=512")
    source = os.path.join(HERE, "..", "..", "src", "cpu")
    subprocess.run(
        compiler.split()
        + flags
        + [f"-march={march}", f"-DRL_ISA={isa}", f"-I{source}", os.path.join(HERE, "harness.cpp"), "-o", out],
        check=True,
    )
    return ctypes.CDLL(out)


def caller_of_library(library):
    def call(name, dtype, args):
        symbol = ("f32_" if dtype == np.float32 else "f64_") + name
        if not hasattr(library, symbol):
            return None
        args = [np.ascontiguousarray(a) for a in args]
        out = np.empty_like(args[0])
        getattr(library, symbol)(*(ctypes.c_void_p(a.ctypes.data) for a in [out] + args), ctypes.c_int64(out.size))
        return out

    return call


def caller_of_package(module):
    import importlib

    package = importlib.import_module(module)

    def call(name, dtype, args):
        f = getattr(package, name, None) or getattr(getattr(package, "special", None), name, None)
        if f is None:
            return None
        if module == "numpy":
            with np.errstate(all="ignore"):
                return f(*args)
        return np.asarray(f(*(package.from_numpy(np.ascontiguousarray(a)) for a in args)).numpy())

    return call


# Errors this large in float32 are measured again with mpmath, the largest this many.
CANDIDATES = 64


def errors_of(f, dtype, args, got):
    """Errors in ULP and the values that were expected."""
    if dtype == np.float64:
        hi, lo = reference_exact(f, args, dtype)
        return ulp_errors(got, hi, lo, dtype, f.floor), hi
    hi, lo = reference_f32(f, args)
    error = ulp_errors(got, hi, lo, dtype, f.floor)
    worst = np.argsort(error)[-CANDIDATES:]
    hi[worst], lo[worst] = reference_exact(f, tuple(a[worst] for a in args), dtype)
    error[worst] = ulp_errors(got[worst], hi[worst], lo[worst], dtype, f.floor)
    return error, hi


def sweep(step, chunk=1 << 22):
    """Every step-th float32 there is, in chunks."""
    for start in range(0, 1 << 32, step * chunk):
        yield np.arange(start, min(start + step * chunk, 1 << 32), step, dtype=np.uint64).astype(np.uint32).view("f4")


def measure(call, names, quick=False, step=0, seed=0):
    """Yields (name, dtype, largest error in ULP, arguments of it, got, expected, number of samples).

    step: float32 functions of one argument are measured at every step-th number too; 0: not.
    """
    for name in names:
        f = FUNCTIONS[name]
        for dtype in (np.float32, np.float64):
            rng = np.random.default_rng(seed)
            n = (200_000 if quick else 2_000_000) if dtype == np.float32 else (1000 if quick else 10_000)
            batches = [sample(name, f, dtype, n, rng)]
            if step and dtype == np.float32 and f.arity == 1:
                batches = itertools.chain(batches, ((x,) for x in sweep(step)))
            worst, count = None, 0
            for args in batches:
                got = call(name, dtype, args)
                if got is None:
                    break
                error, want = errors_of(f, dtype, args, got)
                i = int(np.argmax(error))
                count += len(got)
                if worst is None or error[i] > worst[0]:
                    worst = float(error[i]), [a[i] for a in args], got[i], want[i]
            if worst:
                yield name, dtype, *worst, count


HEADER = """# Accuracy of the transcendental functions

The largest error found of each function, in units in the last place (ULP) of the result, against mpmath with 300 bits.
{samples}
Made by `tests/accuracy/measure.py --package rushlight --markdown docs/accuracy.md{option}` on a processor that runs the
{isa} kernels; the other instruction sets run the same source.

Samples: bit patterns drawn uniformly (every exponent, denormals, infinities, NaN), the special values of the C
standard (zeros of both signs, the largest and smallest numbers, infinities), intervals where a function is used most
and for sin, cos and tan numbers near multiples of a quarter turn up to 2**40 and beyond. At special values the class
and the sign of the result must be right. Half precision computes in float32 and rounds once. Functions marked *
have zeros between floating point numbers; where their results are below 1 in magnitude, errors count in ULP of 1.

Complex functions (tests/python/test_complex.py) are not in the table: complex64 computes in double and rounds once but
for sqrt, exp and products; complex128 is within 4.5 ULP of the magnitude of the result, quotients within 2.5, at every
magnitude, but for pow, whose error grows with |b log a|, logaddexp where the sum nearly vanishes, and exp2 of imaginary
parts beyond 2**40.

| function | float32 | at | float64 | at |
|---|---|---|---|---|
"""


def markdown(rows, quick, step, isa):
    counts = [max((row[6] for row in rows if row[1] == t), default=0) for t in (np.float32, np.float64)]
    samples = f"Up to {counts[0]:,} float32 and {counts[1]:,} float64 arguments a function."
    text = HEADER.format(samples=samples, option=" --quick" * quick + (f" --step {step}" if step else ""), isa=isa)
    by_name = {}
    for name, dtype, error, at, *_ in rows:
        by_name.setdefault(name, {})[dtype] = (f"{error:.2f}", ", ".join(repr(a.item()) for a in at))
    for name, cells in by_name.items():
        mark = "*" if FUNCTIONS[name].floor else ""
        text += (
            f"| `{name}`{mark} | {' | '.join(' | '.join(cells.get(t, ('', ''))) for t in (np.float32, np.float64))} |\n"
        )
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--march", default="x86-64-v4")
    parser.add_argument("--isa")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--library", help="a compiled harness")
    parser.add_argument("--package")
    parser.add_argument("--functions")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--step", type=int, default=0, help="measure every STEP-th float32 too")
    parser.add_argument("--markdown", help="write the table to this file")
    parser.add_argument("--limit", type=float, default=2.0, help="exit status 1 if an error is larger")
    options = parser.parse_args()
    isa = options.isa or options.march.replace("x86-64-", "").replace("-", "_")
    if options.package:
        call = caller_of_package(options.package)
    elif options.library:
        call = caller_of_library(ctypes.CDLL(options.library))
    else:
        call = caller_of_library(compile_harness(options.march, isa, options.compiler))
    names = options.functions.split(",") if options.functions else list(FUNCTIONS)
    bad, rows = 0, []
    print(f"{'function':9} {'type':8} {'max ULP':>9}  at")
    for row in measure(call, names, options.quick, options.step):
        name, dtype, error, at, got, want, n = row
        where = ", ".join(repr(a.item()) for a in at)
        print(
            f"{name:9} {dtype.__name__:8} {error:9.3f}  {where}: {got.item()!r}, exact {want.item()!r}  ({n} values)",
            flush=True,
        )
        rows.append(row)
        bad += not error <= options.limit
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write(markdown(rows, options.quick, options.step, isa))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
