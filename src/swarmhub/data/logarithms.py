"""Logarithms with the same bits on every machine, for declared transforms.

`np.log`, `np.log2`, `np.log10` and `np.log1p` have code of their own for some processors and differ
in the last bits. Here only IEEE 754 additions, multiplications and divisions are used, each a NumPy
operation of its own: x = m 2^e with m in [sqrt(1/2), sqrt(2)), f = (m - 1) / (m + 1), and

    log x = e ln 2 + 2 (f + f^3 / 3 + f^5 / 5 + ... + f^23 / 23)        |f| <= 0.172
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits: exact times a whole e
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
PER_LN10 = float.fromhex("0x1.bcb7b1526e50ep-2")
HALF_ROOT = float.fromhex("0x1.6a09e667f3bcdp-1")


def log(x: Floats) -> Floats:
    """Return the natural logarithm of positive numbers; NaN for NaN."""
    exponent, part = _split(x)
    found: Floats = exponent * LN2_HIGH + (part + exponent * LN2_LOW)
    return found


def log2(x: Floats) -> Floats:
    """Return the logarithm to base 2, exact for powers of 2."""
    exponent, part = _split(x)
    found: Floats = exponent + part * PER_LN2
    return found


def log10(x: Floats) -> Floats:
    """Return the logarithm to base 10."""
    return log(x) * PER_LN10


def log1p(x: Floats) -> Floats:
    """Return log(1 + x) for x > -1, exact to the last digits for small x too."""
    near = 1.0 + x
    found: Floats = log(near) + (x - (near - 1.0)) / near
    return found


def _split(x: Floats) -> tuple[Floats, Floats]:
    """Return (e, log m)."""
    m, e = np.frexp(x)
    is_low = m < HALF_ROOT
    m, exponent = np.where(is_low, 2.0 * m, m), e - is_low.astype(np.float64)
    f = (m - 1.0) / (m + 1.0)
    square = f * f
    total = np.full(f.shape, 1.0 / 23.0)
    for k in range(21, 0, -2):
        total *= square
        total += 1.0 / k
    return exponent, 2.0 * f * total
