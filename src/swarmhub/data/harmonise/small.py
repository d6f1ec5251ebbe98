"""Small dense algebra with the same bits on every machine.

Hospitals compute the next agreed point from the same sums. LAPACK and BLAS choose other orders of
additions on other processors, and eigenvectors of close eigenvalues may then differ in more than
their last bits, so that no agreed point would be left. Here only elementwise +, -, *, / and square
roots are used, in a stated order: IEEE 754 rounds each of them alike everywhere.
"""

from __future__ import annotations

import math

import numpy as np

from swarmhub.data.harmonise.iterate import Array, Mask

ESTIMABLE = 1e-10  # share of a column's squares that the columns before it leave; R's lm has 1e-14
SWEEPS = 60  # of Jacobi's method; it needs about eight


def fold_sum(x: Array) -> Array:
    """Return the sum over the first axis: halves are added until one row is left."""
    while len(x) > 1:
        half = (len(x) + 1) // 2
        lower = x[:half].copy()
        lower[: len(x) - half] += x[half:]
        x = lower
    return x[0] if len(x) else np.zeros(x.shape[1:])


def combine(columns: Array, weights: Array) -> Array:
    """Return the columns times weights: (p, w), (w, m) -> (p, m)."""
    found = np.zeros((len(columns), weights.shape[1]))
    for k in range(columns.shape[1]):
        found += columns[:, k : k + 1] * weights[k]
    return found


def inner(left: Array, right: Array) -> Array:
    """Return left' right: (p, v), (p, w) -> (v, w)."""
    if left.shape[1] > right.shape[1]:
        return inner(right, left).T
    return np.stack([fold_sum(left[:, k : k + 1] * right) for k in range(left.shape[1])])


def orthonormalise(columns: Array) -> Array:
    """Return an orthonormal basis of the columns (p, w), in order, by Gram-Schmidt done twice;
    a column that depends on those before it becomes 0."""
    found = np.zeros_like(columns)
    for k in range(columns.shape[1]):
        column = columns[:, k : k + 1]
        size = math.sqrt(float(inner(column, column)[0, 0]))
        if not size > 0:
            continue
        column = column / size
        for _ in range(2):
            column = column - combine(found[:, :k], inner(found[:, :k], column)) if k else column
        left = math.sqrt(float(inner(column, column)[0, 0]))
        if left > 1e-10:
            column = column / left
            if k:  # what is left of a small remainder may lean on the others again
                column = column - combine(found[:, :k], inner(found[:, :k], column))
                column = column / math.sqrt(float(inner(column, column)[0, 0]))
            found[:, k] = column[:, 0]
    return found


def eigen(symmetric: Array) -> tuple[Array, Array]:
    """Return eigenvalues (w,), descending, and eigenvectors (w, w) in columns, of a symmetric
    matrix by Jacobi's cyclic rotations (Golub and Van Loan, Matrix Computations, 8.5)."""
    a, vectors = symmetric.copy(), np.eye(len(symmetric))
    size = float(np.abs(a).max(initial=0.0))
    for _ in range(SWEEPS):
        rotated = False
        for i in range(len(a) - 1):
            for j in range(i + 1, len(a)):
                if abs(a[i, j]) > 1e-17 * size:
                    _rotate(a, vectors, i, j)
                    rotated = True
        if not rotated:
            break
    values = np.diag(a)
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]


def _rotate(a: Array, vectors: Array, i: int, j: int) -> None:
    """Make a[i, j] zero, in place."""
    tau = float(a[j, j] - a[i, i]) / (2 * float(a[i, j]))
    tangent = math.copysign(1.0, tau) / (abs(tau) + math.sqrt(1 + tau * tau))
    cos = 1 / math.sqrt(1 + tangent * tangent)
    sin = tangent * cos
    a[:, i], a[:, j] = cos * a[:, i] - sin * a[:, j], sin * a[:, i] + cos * a[:, j]
    a[i], a[j] = cos * a[i] - sin * a[j], sin * a[i] + cos * a[j]
    a[i, j] = a[j, i] = 0.0
    vectors[:, i], vectors[:, j] = (
        cos * vectors[:, i] - sin * vectors[:, j], sin * vectors[:, i] + cos * vectors[:, j],
    )  # fmt: skip


def solve_in_order(gram: Array, size: Array, right: Array) -> tuple[Array, Array, Mask, Array]:
    """Solve normal equations of p small systems by elimination in the order of their columns.

    gram (p, q, q); size (p, q): squares of each column before anything is taken out of it; right
    (p, q). A column of which less than `ESTIMABLE` is left by those before it is dropped: its
    solution is 0. Returns the solution (p, q), the pivots (p, q) (1 / the last one is the last
    diagonal element of the inverse), which columns are kept (p, q), and right' gram^-1 right (p,).
    """
    a, b = gram.copy(), right.copy()
    p, q = b.shape
    kept = np.zeros((p, q), dtype=np.bool_)
    inverse, pivots = np.zeros((p, q)), np.zeros((p, q))
    explained = np.zeros(p)
    for j in range(q):
        pivots[:, j] = a[:, j, j]
        kept[:, j] = pivots[:, j] > ESTIMABLE * size[:, j]
        np.divide(1.0, pivots[:, j], out=inverse[:, j], where=kept[:, j])
        explained += b[:, j] * b[:, j] * inverse[:, j]
        factor = a[:, j + 1 :, j] * inverse[:, j : j + 1]
        a[:, j + 1 :, j + 1 :] -= factor[:, :, None] * a[:, None, j, j + 1 :]
        b[:, j + 1 :] -= factor * b[:, j : j + 1]
    solution = np.zeros((p, q))
    for j in reversed(range(q)):
        known = b[:, j].copy()
        for k in range(j + 1, q):
            known -= a[:, j, k] * solution[:, k]
        solution[:, j] = known * inverse[:, j]
    return solution, pivots, kept, explained
