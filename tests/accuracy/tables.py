"""The tables of src/cpu/vmath_tables.h. Run it and paste what it prints."""

import struct

import mpmath as mp
from coefficients import rounder

mp.mp.dps = 40
f32 = rounder("f32")


def from_bits(b):
    return struct.unpack("<f", struct.pack("<I", b))[0]


def bits(v):
    return struct.unpack("<I", struct.pack("<f", v))[0]


def literal(v):
    t = "%.9g" % float(v)
    return t + ("f" if "." in t or "e" in t else ".0f")


def show(name, values):
    print(f"{name}: {', '.join(literal(v) for v in values)}")


def nearly_float(middle, functions, steps, stride):
    """The float32 near `middle` at which all functions are nearest to float32 values, relatively."""
    base = bits(float(middle))
    worst = lambda v: max(abs(g(v) - f32(g(v))) / abs(g(v)) for g in functions)
    return min((mp.mpf(from_bits(base + k)) for k in range(-steps, steps + 1, stride)), key=worst)


def tanh():
    """Polynomials of degree 5 on the pieces of [0, 9.02); least squares at Chebyshev nodes."""
    rows = {i: [mp.mpf(0)] * 7 for i in range(32)}
    first, last, nodes = bits(0.125) >> 21, bits(9.0) >> 21, 40
    for b in range(first, last + 1):
        lo = mp.mpf(0) if b == first else mp.mpf(from_bits(b << 21))
        hi = mp.mpf("9.02") if b == last else mp.mpf(from_bits((b + 1) << 21))
        if b == first:
            c, fixed = mp.mpf(0), [mp.mpf(0), mp.mpf(1)]
        else:
            c = nearly_float((lo + mp.mpf(from_bits((b + 1) << 21))) / 2, [mp.tanh], 3000, 7)
            fixed = [f32(mp.tanh(c))]
        d = [(lo + hi) / 2 - c + (hi - lo) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * nodes)) for i in range(nodes)]
        w = [1 / mp.tanh(c + t) for t in d]
        coef = list(fixed)
        while len(coef) < 6:
            powers = range(len(coef), 6)
            a = mp.matrix([[wi * t**p for p in powers] for t, wi in zip(d, w)])
            rhs = mp.matrix([wi * (mp.tanh(c + t) - sum(v * t**p for p, v in enumerate(coef))) for t, wi in zip(d, w)])
            coef.append(f32(mp.lu_solve(a, rhs)[0]))
        rows[b & 31] = [c] + coef
    for k in range(7):
        show(f"kTanhTable[{k}]", [rows[i][k] for i in range(32)])


def interpolate(g, lo, hi, centre, degree, nodes=40):
    """Coefficients of powers of x - centre: g at Chebyshev nodes of [lo, hi]."""
    middle, half = (lo + hi) / 2, (hi - lo) / 2
    angles = [mp.pi * (2 * i + 1) / (2 * nodes) for i in range(nodes)]
    values = [g(middle + half * mp.cos(t)) for t in angles]
    coef = [mp.mpf(0)] * (degree + 1)
    before, now = [mp.mpf(1)], [(centre - middle) / half, 1 / half]  # T_j as polynomials of x - centre
    slope = [2 * v for v in now]
    for j in range(degree + 1):
        c = 2 * sum(v * mp.cos(j * t) for v, t in zip(values, angles)) / nodes / (2 if j == 0 else 1)
        for i, v in enumerate(before):
            coef[i] += c * v
        after = [mp.mpf(0)] * (len(now) + 1)
        for i, v in enumerate(now):
            after[i] += v * slope[0]
            after[i + 1] += v * slope[1]
        for i, v in enumerate(before):
            after[i] -= v
        before, now = now, after
    return coef


def show_pieces(name, pieces, to, text):
    """One column per piece: the value at the centre as two numbers, then the coefficients from degree 1 on."""
    columns = [[to(c[0]), c[0] - to(c[0])] + c[1:] for c in pieces]
    for k in range(len(columns[0])):
        print(f"{name}[{k}]: {', '.join(text(c[k]) for c in columns)}")


def erf():
    """erf(a)/a around n * 49/128, n < 16; relative error 2^-57.7."""
    width = mp.mpf(49) / 128
    quotient = lambda a: mp.erf(a) / a if a else 2 / mp.sqrt(mp.pi)
    pieces = [
        interpolate(quotient, (n - mp.mpf(0.5)) * width, (n + mp.mpf(0.5)) * width, n * width, 12) for n in range(16)
    ]
    pieces[0][1::2] = [mp.mpf(0)] * 6  # an even function
    show_pieces("kErfTable", pieces, lambda v: mp.mpf(float(v)), lambda v: "%.17g" % float(v))


def erfc():
    """erfc(a) e^(a^2) around n * 21/64, n < 32; relative error 2^-28.9."""
    width = mp.mpf(21) / 64
    g = lambda a: mp.erfc(a) * mp.exp(a * a)
    lows = [max(mp.mpf(0), (n - mp.mpf(0.5)) * width) for n in range(32)]
    pieces = [interpolate(g, lo, (n + mp.mpf(0.5)) * width, n * width, 6) for n, lo in enumerate(lows)]
    show_pieces("kErfcTable", pieces, f32, literal)


def log():
    logs = [mp.log, lambda r: mp.log(r, 2), lambda r: mp.log(r, 10)]
    reciprocals = []
    for i in range(32):
        lo, hi = (from_bits(0x3F3E0000 + ((i + k) << 18)) for k in (0, 1))
        reciprocals.append(mp.mpf(1) if lo < 1 < hi else nearly_float(2 / (mp.mpf(lo) + hi), logs, 6000, 3))
    show("kLogReciprocal", reciprocals)
    for k, g in enumerate(logs):
        show(f"kLogTable[{k}]", [mp.mpf(0) if r == 1 else -g(r) for r in reciprocals])


if __name__ == "__main__":
    tanh()
    erf()
    erfc()
    log()
