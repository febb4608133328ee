"""Minimax polynomial coefficients of src/cpu/vmath_*.h. Run it and paste what it prints.

Remez exchange in mpmath, minimising max |weight(t) * (P(t) - g(t))| on [a, b]. The
coefficients are rounded one at a time, lowest degree first, with the rest fitted again, or at once, whichever is better.
"""

import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60


def weight_at(weight, t):
    """0 where the weight is 0/0: such points (t = 0 for relative errors) are left out."""
    try:
        return weight(t)
    except ZeroDivisionError:
        return 0


def remez(g, weight, a, b, powers, iterations=8, grid=400):
    """Coefficients for the given powers of t and the maximal weighted error."""
    n = len(powers)
    a, b = mp.mpf(a), mp.mpf(b)
    ts = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * i / grid) for i in range(grid + 1)]
    pts = []
    for t in ts:
        w = weight_at(weight, t)
        if w:
            pts.append((t, g(t), w))
    k = [round(i * (len(pts) - 1) / n) for i in range(n + 1)]
    best = None
    for _ in range(iterations):
        rows = mp.matrix(n + 1, n + 1)
        rhs = mp.matrix(n + 1, 1)
        for r, i in enumerate(k):
            t, gt, wt = pts[i]
            for c, p in enumerate(powers):
                rows[r, c] = wt * t**p
            rows[r, n] = (-1) ** r
            rhs[r] = wt * gt
        try:
            sol = mp.lu_solve(rows, rhs)
        except ZeroDivisionError:  # these points do not determine it: least squares over all
            full = mp.matrix([[wt * t**p for p in powers] for t, _, wt in pts])
            sol = mp.lu_solve(full, mp.matrix([wt * gt for _, gt, wt in pts]))
        coef = [sol[i] for i in range(n)]
        err = [w * (sum(c * t**p for c, p in zip(coef, powers)) - gt) for t, gt, w in pts]
        worst = max(abs(e) for e in err)
        if best is None or worst < best[1]:
            best = (coef, worst)
        # The extremum of each run of equal sign; keep n + 1 in a row with the largest errors.
        ext = []
        for i, e in enumerate(err):
            if ext and mp.sign(err[ext[-1]]) == mp.sign(e):
                if abs(e) > abs(err[ext[-1]]):
                    ext[-1] = i
            else:
                ext.append(i)
        if len(ext) < n + 1:
            break
        while len(ext) > n + 1:
            ext.pop(0 if abs(err[ext[0]]) < abs(err[ext[-1]]) else -1)
        if ext == k:
            break
        k = ext
    return best


def rounder(dtype):
    if dtype == "f32":
        return lambda c: mp.mpf(float(np.float32(float(c))))
    return lambda c: mp.mpf(float(c))


def fit(name, dtype, g, weight, a, b, powers, fixed=None):
    """Prints the rounded coefficients. fixed: {power: value} held as given."""
    rnd = rounder(dtype)
    a, b = mp.mpf(a), mp.mpf(b)

    def error(c):
        worst = 0
        for i in range(1001):
            t = a + (b - a) * i / 1000
            w = weight_at(weight, t)
            if w:
                worst = max(worst, abs(w * (sum(v * t**p for p, v in c.items()) - g(t))))
        return worst

    best = None
    for stepwise in (True, False):
        done = {p: mp.mpf(v) for p, v in (fixed or {}).items()}
        todo = [p for p in powers if p not in done]
        while todo:
            rest = lambda t: g(t) - sum(c * t**p for p, c in done.items())
            coef, _ = remez(rest, weight, a, b, todo)
            step = 1 if stepwise else len(todo)
            for p, c in zip(todo[:step], coef[:step]):
                done[p] = rnd(c)
            todo = todo[step:]
        e = error(done)
        if best is None or e < best[0]:
            best = (e, done)
    suffix = "f" if dtype == "f32" else ""
    print(f"// {name} {dtype}: error {mp.nstr(best[0], 3)} = 2^{mp.nstr(mp.log(best[0], 2), 4)}")
    digits = 9 if dtype == "f32" else 17
    print("  " + ", ".join(f"{float(best[1][p]):.{digits}g}{suffix}" for p in powers), flush=True)
    return best[1]


def split(name, value, bits, count, last_dtype):
    """value = sum of parts of the given number of bits each."""
    rest = mp.mpf(value)
    out = []
    for i in range(count):
        e = mp.floor(mp.log(abs(rest), 2)) + 1
        if i == count - 1:
            part = rounder(last_dtype)(rest)
        else:
            part = mp.nint(rest * mp.mpf(2) ** (bits - e)) * mp.mpf(2) ** (e - bits)
        out.append(float(part))
        rest -= part
    print(f"// {name} =", " + ".join(float.hex(v) for v in out), f"rest {mp.nstr(rest, 3)}", flush=True)


def exp_():
    half = mp.log(2) / 2 * mp.mpf("1.0001")
    for d, deg in (("f32", 6), ("f64", 11)):
        # (e^r - 1 - r) / r^2, the error relative to e^r
        def g(t):
            return mp.mpf(1) / 2 + t / 6 if t == 0 else (mp.expm1(t) - t) / t**2

        fit("exp", d, g, lambda t: t**2 / mp.exp(t), -half, half, range(deg - 1))
    for d, deg in (("f32", 6), ("f64", 12)):
        # 2^r: (2^r - 1) / r
        def g2(t):
            return mp.log(2) if t == 0 else mp.expm1(t * mp.log(2)) / t

        fit("exp2", d, g2, lambda t: t / mp.mpf(2) ** t, -0.50001, 0.50001, range(deg))
    split("ln2 f32", mp.log(2), 15, 2, "f32")
    split("ln2 f64", mp.log(2), 41, 2, "f64")


def log_():
    lo, hi = mp.mpf(2) / 3 - 1, mp.mpf(4) / 3 - 1
    for d, deg in (("f32", 9), ("f32", 10)):
        # (log1p(f) - f + f^2/2) / f^3, the error relative to log1p(f)
        def g(t):
            return mp.mpf(1) / 3 if abs(t) < mp.mpf(10) ** -12 else (mp.log1p(t) - t + t * t / 2) / t**3

        fit("log", d, g, lambda t: t**3 / mp.log1p(t), lo, hi, range(deg - 2))


def log_atanh_():
    # log(m) = 2 atanh(s), s = f / (2 + f): (2 atanh(s) - 2 s) / s^3 in z = s^2
    zmax = (mp.mpf(1) / 5) ** 2 * mp.mpf("1.001")

    def g(z):
        s = mp.sqrt(z)
        return mp.mpf(2) / 3 if s < mp.mpf(10) ** -9 else 2 * (mp.atanh(s) - s) / s**3

    for n in (6, 7, 8):
        fit("log atanh", "f64", g, lambda z: z / 2, mp.mpf(10) ** -20, zmax, range(n))


def pow_():
    # log2(1 + f) / f and (log(1 + f) - f + f^2/2) / f^3, |f| <= 0.033
    h = mp.mpf("0.0306")
    for n in (5, 6):
        g = lambda t: 1 / mp.log(2) if abs(t) < mp.mpf(10) ** -30 else mp.log1p(t) / t / mp.log(2)
        fit("powf log2", "f64", g, lambda t: mp.mpf(1), -h, h, range(n))

    def g3(t):
        return mp.mpf(1) / 3 if abs(t) < mp.mpf(10) ** -15 else (mp.log1p(t) - t + t * t / 2) / t**3

    for n in (8, 9, 10):
        fit("pow log", "f64", g3, lambda t: t**2, -h, h, range(n))


def sin_():
    h = mp.pi / 2 * mp.mpf("1.0001")
    for d, n in (("f32", 4), ("f32", 5), ("f64", 9), ("f64", 10)):
        # (sin r - r) / r^3 in s = r^2
        def g(s):
            r = mp.sqrt(s)
            return -mp.mpf(1) / 6 if r < mp.mpf(10) ** -9 else (mp.sin(r) - r) / r**3

        fit("sin", d, g, lambda s: mp.sqrt(s) ** 3 / mp.sin(mp.sqrt(s)), mp.mpf(10) ** -16, h**2, range(n))
    split("pi f32", mp.pi, 24, 3, "f32")
    split("pi f64", mp.pi, 53, 3, "f64")


def tan_():
    # The multiple of pi/2 of large float32 arguments is off by up to 0.5%.
    for d, n, over in (("f32", 6, "1.007"), ("f64", 14, "1.0001")):
        h = mp.pi / 4 * mp.mpf(over)

        def g(s):
            r = mp.sqrt(s)
            return mp.mpf(1) / 3 if r < mp.mpf(10) ** -9 else (mp.tan(r) - r) / r**3

        fit("tan", d, g, lambda s: mp.sqrt(s) ** 3 / mp.tan(mp.sqrt(s)), mp.mpf(10) ** -16, h**2, range(n))
    split("pi/2 f32", mp.pi / 2, 24, 3, "f32")
    split("pi/2 f64", mp.pi / 2, 53, 3, "f64")


def atan_():
    for d, n in (("f32", 8), ("f32", 9), ("f64", 19), ("f64", 20)):

        def g(s):
            r = mp.sqrt(s)
            return -mp.mpf(1) / 3 if r < mp.mpf(10) ** -9 else (mp.atan(r) - r) / r**3

        fit("atan", d, g, lambda s: mp.sqrt(s) ** 3 / mp.atan(mp.sqrt(s)), mp.mpf(10) ** -16, 1, range(n))


def asin_():
    for d, n in (("f32", 5), ("f64", 11), ("f64", 12)):

        def g(s):
            r = mp.sqrt(s)
            return mp.mpf(1) / 6 if r < mp.mpf(10) ** -9 else (mp.asin(r) - r) / r**3

        fit(
            "asin",
            d,
            g,
            lambda s: mp.sqrt(s) ** 3 / mp.asin(mp.sqrt(s)),
            mp.mpf(10) ** -16,
            mp.mpf("0.25001"),
            range(n),
        )


def sinh_():
    h = mp.log(2) / 2 * mp.mpf("1.0001")
    for d, n in (("f32", 2), ("f32", 3), ("f64", 5), ("f64", 6)):

        def g(s):
            r = mp.sqrt(s)
            return mp.mpf(1) / 6 if r < mp.mpf(10) ** -9 else (mp.sinh(r) - r) / r**3

        fit("sinh", d, g, lambda s: s, mp.mpf(10) ** -16, h**2, range(n))

        def g2(s):
            return mp.mpf(1) / 2 if s < mp.mpf(10) ** -18 else (mp.cosh(mp.sqrt(s)) - 1) / s

        fit("cosh", d, g2, lambda s: s, mp.mpf(10) ** -16, h**2, range(n + 1))


def erf_():
    for d, n in (("f32", 7), ("f64", 13)):
        # erf(x) / x - c in s = x^2, |x| <= 1, c = 2 / sqrt(pi) of the type
        c = rounder(d)(2 / mp.sqrt(mp.pi))

        def g(s):
            r = mp.sqrt(s)
            return (2 / mp.sqrt(mp.pi) if r < mp.mpf(10) ** -20 else mp.erf(r) / r) - c

        fit("erf", d, g, lambda s: mp.mpf(1), mp.mpf(10) ** -30, 1, range(n))
    for d, centre, end, n in (("f32", 2, 4, 7), ("f64", mp.mpf("2.25"), 6, 19)):
        # log erfc(centre + t), the error of the exponential relative to erf
        def log_erfc(t):
            return mp.log(mp.erfc(t + centre))

        weight = lambda t: mp.erfc(t + centre) / mp.erf(t + centre)
        fit("log erfc", d, log_erfc, weight, mp.mpf("0.99") - centre, end - centre, range(n))
    for d, lo, hi, n in (("f32", 0.49, 10.2, 10), ("f64", 0.49, 27.3, 24)):
        # (a + 2) e^(a^2) erfc(a) - c in t = (a - 2) / (a + 2), c the value at t = 0 in the type
        def g(t):
            a = 2 * (1 + t) / (1 - t)
            return (a + 2) * mp.exp(a * a) * mp.erfc(a)

        c = rounder(d)(g(0))
        t = lambda a: (mp.mpf(a) - 2) / (mp.mpf(a) + 2)
        fit("erfc", d, lambda t: g(t) - c, lambda t: 1 / g(t), t(lo), t(hi), range(n))


def gamma_():
    # lgamma(2 + u) / u, and what Stirling's formula lacks times x, in z = 1 / x^2
    g = lambda u: mp.psi(0, 2) if abs(u) < mp.mpf(10) ** -25 else mp.loggamma(2 + u) / u
    fit("lgamma", "f64", g, lambda u: 1 / g(u), mp.mpf("-0.5001"), mp.mpf("0.5001"), range(18))

    def stirling(z):
        x = 1 / mp.sqrt(z)
        return (mp.loggamma(x) - (x - mp.mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x

    weight = lambda z: mp.sqrt(z) / mp.loggamma(1 / mp.sqrt(z))
    fit("lgamma tail", "f64", stirling, weight, mp.mpf(10) ** -12, 1 / mp.mpf("7.49") ** 2, range(7))
    # digamma(3/2 + t) over the distance from its zero, and log x - 1/(2x) - digamma(x) over z
    zero = mp.findroot(lambda x: mp.psi(0, x), 1.46)
    split("zero of digamma", zero, 53, 3, "f64")

    def quotient(t):
        x = t + mp.mpf(3) / 2
        return mp.psi(1, x) if abs(x - zero) < mp.mpf(10) ** -20 else mp.psi(0, x) / (x - zero)

    fit("digamma", "f64", quotient, lambda t: 1 / quotient(t), mp.mpf("-0.5"), mp.mpf("0.5"), range(25))

    def tail(z):
        x = 1 / mp.sqrt(z)
        return (mp.log(x) - 1 / (2 * x) - mp.psi(0, x)) / z

    weight = lambda z: z / mp.psi(0, 1 / mp.sqrt(z))
    fit("digamma tail", "f64", tail, weight, mp.mpf(10) ** -10, 1 / mp.mpf("1.999") ** 2, range(17))
    # sin(pi r) / (pi r) in r^2
    g = lambda s: mp.sinc(mp.pi * mp.sqrt(s))
    fit("sinc", "f64", g, lambda s: 1 / g(s), mp.mpf(10) ** -20, mp.mpf("0.25"), range(9))
    # (cos(pi r) - 1) / r^2 in r^2
    g = lambda s: -(mp.pi**2) / 2 if s < mp.mpf(10) ** -18 else (mp.cos(mp.pi * mp.sqrt(s)) - 1) / s
    fit("cos", "f64", g, lambda s: s, mp.mpf(10) ** -20, mp.mpf("0.0626"), range(7))


def erfinv_():
    # erfinv(x) / x in w = -log(1 - x^2) or its square root, shifted
    def inverse(w):
        x = mp.sqrt(-mp.expm1(-w))
        if w < 6:
            return mp.erfinv(x)
        q, y = 1 - x, mp.sqrt(w - mp.log(mp.sqrt(mp.pi * w)))
        for _ in range(60):
            d = (mp.erfc(y) - q) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
            y += d / (1 - y * d)
            if abs(d) < mp.mpf(10) ** -28:
                break
        return y

    def g(w):
        return mp.sqrt(mp.pi) / 2 if w < mp.mpf(10) ** -20 else inverse(w) / mp.sqrt(-mp.expm1(-w))

    c = mp.mpf("3.125")
    fit("erfinv centre", "f64", lambda t: g(t + c), lambda t: 1 / g(t + c), -c, c, range(26))
    fit("erfinv centre", "f32", g, lambda t: 1 / g(t), 0, 5, range(11), fixed={0: mp.sqrt(mp.pi) / 2})
    for d, low, high, shift, n in (
        ("f32", 5, "16.7", 3, 10),
        ("f64", "6.25", 16, "3.25", 21),
        ("f64", 16, "36.8", 5, 20),
    ):
        a, b, m = mp.sqrt(mp.mpf(low)), mp.sqrt(mp.mpf(high)), mp.mpf(shift)
        fit("erfinv outer", d, lambda t: g((t + m) ** 2), lambda t: 1 / g((t + m) ** 2), a - m, b - m, range(n))


def chebyshev(name, g, a, b, n):
    """Prints the coefficients, in s in [-1, 1] for t in [a, b], of the Chebyshev interpolant of degree n - 1."""
    middle, half, count = (mp.mpf(a) + b) / 2, (mp.mpf(b) - a) / 2, n + 20
    angles = [mp.pi * (k + mp.mpf(1) / 2) / count for k in range(count)]
    values = [g(middle + half * mp.cos(x)) for x in angles]
    weights = [2 * sum(v * mp.cos(j * x) for v, x in zip(values, angles)) / count for j in range(n)]
    weights[0] /= 2
    before, now, powers = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)], [mp.mpf(0)] * n
    for w in weights:
        for i, c in enumerate(before):
            powers[i] += w * c
        after = [mp.mpf(0)] + [2 * c for c in now]
        for i, c in enumerate(before):
            after[i] -= c
        before, now = now, after
    print(f"// {name} f64\n  " + ", ".join(f"{float(c):.17g}" for c in powers), flush=True)


def bessel_():
    # (I0(x) - 1) / q and (2 I1(x) / x - 1) / q in q = x^2 / 4; sqrt(x) e^-x I(x) and sqrt(x) e^x K(x) in 1 / x
    for order in (0, 1):

        def g(q):
            x = 2 * mp.sqrt(q)
            return ((mp.besseli(0, x) if order == 0 else mp.besseli(1, x) * 2 / x) - 1) / q

        end = mp.mpf("7.75") ** 2 / 4
        for n in (16, 10):  # for doubles and for floats
            fit(f"i{order}", "f64", g, lambda q: 1 / (g(q) + 1 / q), mp.mpf(10) ** -15, end, range(n))
        tail = lambda t: mp.besseli(order, 1 / t) * mp.exp(-1 / t) / mp.sqrt(t)
        for n in (24, 12):
            chebyshev(f"i{order} tail", tail, 0, mp.mpf(4) / 31, n)

        def outer(t):
            return mp.sqrt(mp.pi / 2) if t < mp.mpf(10) ** -9 else mp.besselk(order, 1 / t) * mp.exp(1 / t) / mp.sqrt(t)

        chebyshev(f"k{order}", outer, 0, 1, 34)


if __name__ == "__main__":
    names = sys.argv[1:] or [n[:-1] for n in list(globals()) if n.endswith("_") and not n.startswith("_")]
    for n in names:
        globals()[n + "_"]()
