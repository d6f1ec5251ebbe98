"""Arithmetic that gives the same bits on every machine.

Products by a BLAS library, and `np.exp` or `np.tanh`, differ in the last bits between processors:
each has code of its own for the vector instructions that it finds. IEEE 754 rounds one addition,
multiplication, division or square root alike everywhere. So a score is made of these alone, each a
NumPy operation of its own (no fused multiply-add), in a stated order:

    add_up     start, then each feature's product in the order of the features, one by one
    exp        x = k ln 2 + r with whole k; Taylor's polynomial of r by Horner, degree 13; times 2^k
    sigmoid    1 / (1 + exp(-x)), or exp(x) / (1 + exp(x)) below 0
    tanh       (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)) with the sign of x
    softmax    exp(x_k - largest x) / their sum, added in the order of the classes

Rows never meet, so that neither their number nor the parts in which they are computed change a bit.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BLOCK = 64  # features that are turned to lie side by side
PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 33 bits: exact times a whole k
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
SMALLEST = -746.0  # exp of this is 0
COEFFICIENTS = tuple(1.0 / math.factorial(k) for k in range(13, -1, -1))  # error below 1e-17


def add_up(x: Floats, weight: Floats, start: Floats) -> Floats:
    """Return start_k + x_1 w_1k + ... + x_p w_pk, added from left to right: x (n, p), weight (p,
    k), start (k,) -> (k, n)."""
    total = np.repeat(start[:, None], len(x), axis=1)
    for first in range(0, x.shape[1], BLOCK):
        here = slice(first, first + BLOCK)
        columns = np.ascontiguousarray(x[:, here].T)  # (BLOCK, n)
        for product in columns[:, None, :] * weight[here, :, None]:  # (k, n)
            total += product
    return total


def exp(x: Floats) -> Floats:
    """Return e^x of values of at most 700, within two units of the last place."""
    bounded = np.maximum(x, SMALLEST)
    k = np.rint(bounded * PER_LN2)
    r = (bounded - k * LN2_HIGH) - k * LN2_LOW  # at most 0.35
    found = np.full(r.shape, COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:]:
        found *= r
        found += coefficient
    powers: Floats = np.ldexp(found, k.astype(np.int32))
    return powers


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    small = exp(-np.abs(x))
    found: Floats = np.where(x < 0, small, 1.0) / (1.0 + small)
    return found


def tanh(x: Floats) -> Floats:
    """Return the hyperbolic tangent, with an error of at most 3e-16."""
    small = exp(-2.0 * np.abs(x))
    return np.copysign((1.0 - small) / (1.0 + small), x)


def softmax(x: Floats) -> Floats:
    """Return e^x_k / (e^x_1 + ... + e^x_K) of each column: (K, n) -> (K, n)."""
    found = exp(x - x.max(axis=0))
    total = found[0].copy()
    for one in found[1:]:
        total += one
    found /= total
    return found
