"""Functions of statistics that NumPy lacks: digamma, trigamma and its inverse, the tail of
Student's t, and the false discovery rate.

Relative accuracy is 1e-10 or better over the ranges that the tests state.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from swarmhub.data.harmonise.iterate import Array

SHIFT = 16  # arguments are raised to it by the recurrence, before the asymptotic series
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730)  # B2, B4, ...
HALF = (
    -1 / 8,
    1 / 192,
    -1 / 640,
    17 / 14336,
    -31 / 18432,
)  # of log G(a + 1/2) / G(a) in 1/a, 1/a^3
ROOT = (
    1.0,
    -1 / 48,
    1 / 2560,
    -61 / 7741440,
    1261 / 7431782400,
)  # sqrt(h / sinh h), h = y/2, in y^2
LARGE = 1000.0  # half the degrees of freedom: from here on by `_tail_of_many`
NEAR = 0.05  # log(1 + t^2 / df) up to which its series is exact to 1e-13
FRACTIONS = 5000  # terms of the continued fraction; at half of LARGE it takes under 100
TINY = 1e-300


def digamma(x: npt.ArrayLike) -> Array:
    """Return the derivative of log gamma for positive x (Abramowitz and Stegun 6.3.5, 6.3.18)."""
    at = np.array(x, dtype=np.float64)
    found = np.zeros_like(at)
    for _ in range(SHIFT):
        low = at < SHIFT
        found = np.where(low, found - 1 / at, found)
        at = np.where(low, at + 1, at)
    found = found + np.log(at) - 0.5 / at
    for k, b in enumerate(BERNOULLI, start=1):
        found = found - b / (2 * k * at ** (2 * k))
    return found


def trigamma(x: npt.ArrayLike) -> Array:
    """Return the second derivative of log gamma for positive x (the same, 6.4.6 and 6.4.12)."""
    at = np.array(x, dtype=np.float64)
    found = np.zeros_like(at)
    for _ in range(SHIFT):
        low = at < SHIFT
        found = np.where(low, found + 1 / at**2, found)
        at = np.where(low, at + 1, at)
    found = found + 1 / at + 0.5 / at**2
    for k, b in enumerate(BERNOULLI, start=1):
        found = found + b / at ** (2 * k + 1)
    return found


def trigamma_inverse(value: float) -> float:
    """Return x with trigamma(x) = value, for a positive value: Newton's method on 1/trigamma, which
    is convex and nearly linear (Smyth, Stat Appl Genet Mol Biol 2004;3:3, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        here = float(trigamma(x))
        step = here * (1 - here / value) / _tetragamma(x)
        x += step
        if abs(step) < 1e-14 * x:
            break
    return x


def _tetragamma(x: float) -> float:
    found = 0.0
    while x < SHIFT:
        found -= 2 / x**3
        x += 1
    found -= 1 / x**2 + 1 / x**3
    for k, b in enumerate(BERNOULLI, start=1):
        found -= (2 * k + 1) * b / x ** (2 * k + 2)
    return found


# Student's t


def two_sided(t: npt.ArrayLike, df: npt.ArrayLike) -> Array:
    """Return the probability that |T| exceeds |t|, for `df` > 0 degrees of freedom (infinite: the
    normal distribution), NaN for NaN: I_x(df/2, 1/2) at x = df / (df + t^2)."""
    size, free = np.broadcast_arrays(np.abs(np.asarray(t, dtype=np.float64)), df)
    found = np.full(size.shape, np.nan)
    known = ~np.isnan(size) & (free > 0)
    normal = known & np.isinf(free)
    found[normal] = _erfc(size[normal] / math.sqrt(2))
    rest = known & ~normal
    with np.errstate(over="ignore"):
        y = np.zeros(size.shape)
        y[rest] = np.log1p(size[rest] * (size[rest] / free[rest]))  # -log x
    many = rest & (free > 2 * LARGE) & (y < NEAR)
    found[many] = _tail_of_many(free[many] / 2, y[many])
    few = rest & ~many
    found[few] = _tail_of_few(free[few] / 2, y[few])
    return found


def _tail_of_many(a: Array, y: Array) -> Array:
    """Return I_x(a, 1/2) at x = exp(-y) for large a and small y.

    In s = -log of the integrand's variable it is the integral from y on of
    exp(-(a - 1/4) s) s^(-1/2) sqrt((s/2) / sinh(s/2)); the root is a series in s^2, and each of its
    terms an incomplete gamma function.
    """
    rate = a - 0.25
    z = rate * y
    gamma, order = math.sqrt(math.pi) * _erfc(np.sqrt(z)), 0.5  # of (order, z)
    found = np.zeros_like(a)
    for k, c in enumerate(ROOT):
        found = found + c * gamma / rate ** (2 * k)
        for _ in range(2):
            gamma = order * gamma + z**order * np.exp(-z)
            order += 1
    return found * np.exp(_log_gamma_step(a) - 0.5 * np.log(rate)) / math.sqrt(math.pi)


def _tail_of_few(a: Array, y: Array) -> Array:
    """Return I_x(a, 1/2) at x = exp(-y) by the continued fraction of the incomplete beta function
    (Abramowitz and Stegun 26.5.8), on the side on which it converges."""
    x, rest = np.exp(-y), -np.expm1(-y)
    log_beta = 0.5 * math.log(math.pi) - _log_gamma_step(a)
    with np.errstate(divide="ignore"):
        front = np.exp(-a * y + 0.5 * np.log(rest) - log_beta)
    half = np.full_like(a, 0.5)
    swapped = x >= (a + 1) / (a + 2.5)
    fraction = _fraction(
        np.where(swapped, half, a), np.where(swapped, a, half), np.where(swapped, rest, x)
    )
    found = np.where(swapped, 1 - front * fraction / 0.5, front * fraction / a)
    return np.clip(found, 0.0, 1.0)


def _fraction(a: Array, b: Array, x: Array) -> Array:
    """Return the continued fraction by Lentz' method (Appl Opt 1976;15:668)."""
    c = np.ones_like(x)
    d = 1 / _off_zero(1 - (a + b) * x / (a + 1))
    found = d.copy()
    for m in range(1, FRACTIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = np.ones_like(x)
        for term in (even, odd):
            d = 1 / _off_zero(1 + term * d)
            c = _off_zero(1 + term / c)
            change = c * d
            found = found * change
        if not np.any(np.abs(change - 1) > 1e-15):
            break
    return found


def _off_zero(x: Array) -> Array:
    return np.where(np.abs(x) < TINY, TINY, x)


def _log_gamma_step(a: Array) -> Array:
    """Return log gamma(a + 1/2) - log gamma(a), without the cancellation of the two."""
    at, found = a.copy(), np.zeros_like(a)
    for _ in range(SHIFT):
        low = at < SHIFT
        found = np.where(low, found + np.log(at / (at + 0.5)), found)
        at = np.where(low, at + 1, at)
    found = found + 0.5 * np.log(at)
    for k, c in enumerate(HALF):
        found = found + c / at ** (2 * k + 1)
    return found


def _erfc(x: Array) -> Array:
    return np.array([math.erfc(v) for v in x.ravel().tolist()]).reshape(x.shape)


def false_discovery(p: Array) -> Array:
    """Return the adjusted p of each test, (p,), by Benjamini and Hochberg (J R Stat Soc B
    1995;57:289); NaN is no test."""
    found = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    if tested.size:
        order = tested[np.argsort(-p[tested], kind="stable")]
        rank = np.arange(len(order), 0, -1)
        found[order] = np.minimum.accumulate(np.minimum(p[order] * len(order) / rank, 1.0))
    return found
