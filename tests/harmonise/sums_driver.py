"""Made-up hospitals, and a study's `sum` stage in a loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZES = (40, 25, 60, 1, 12)  # of which the fourth has one row, the fifth one class
GENES = 30
CONSTANT, FAR, LOCAL = 4, 7, 9  # constant everywhere; mean 1e6, sd 1e-3; constant at the second
LACKED = slice(20, 26)  # columns that the third hospital does not have


@dataclass(frozen=True, eq=False)
class Site:
    """Rows x (n, p), group (n,) of 0 and 1, covariates z (n, 2): an age and a sex."""

    x: np.ndarray
    group: np.ndarray
    z: np.ndarray


def make_sites(seed=0, sizes=SIZES, genes=GENES, missing=0.05, special=True):
    """Hospitals that differ in level and spread; the first genes tell the group."""
    rng = np.random.default_rng(seed)
    level, spread = rng.normal(8, 2, genes), rng.gamma(4, 0.25, genes) + 0.1
    effect = np.where(np.arange(genes) < genes // 5, 1.0, 0.0)
    found = []
    for k, n in enumerate(sizes):
        group = (rng.random(n) < 0.3 + 0.1 * k).astype(float)
        group[: min(n, 2)] = (0, 1)[: min(n, 2)]
        z = np.stack([rng.integers(30, 80, n), rng.integers(0, 2, n)], axis=1).astype(float)
        noise = rng.normal(size=(n, genes)) * spread * rng.gamma(8, 0.125, genes)
        x = level + rng.normal(0, 1, genes) + np.outer(group, effect) + noise
        x += np.outer(z[:, 0] - 50, rng.normal(0, 0.01, genes))
        if special:
            group[:] = group if k != 4 else 1.0
            x[:, CONSTANT], x[:, FAR] = 0.1, 1e6 + 1e-3 * rng.normal(size=n)
            x[:, LOCAL] = 3.3 if k == 1 else x[:, LOCAL]
        x[rng.random(x.shape) < missing] = np.nan
        if special and k == 2:
            x[:, LACKED] = np.nan
        found.append(Site(x, group, z))
    return found


def pooled(sites):
    """All rows in one place: x (n, p), group (n,), z (n, 2), the number of the hospital (n,)."""
    place = np.concatenate([np.full(len(s.x), k) for k, s in enumerate(sites)])
    parts = [np.concatenate([getattr(s, name) for s in sites]) for name in ("x", "group", "z")]
    return *parts, place


def form(arrays):
    """Names, shapes and types of arrays."""
    return {name: (a.shape, str(a.dtype)) for name, a in arrays.items()}


def run(steps, agreed, sums=None):
    """Run rounds until the last, from the newest sums if there are any -> (sums, rounds).

    Each round's arrays have one form at all hospitals and are finite; the agreed ones are equal.
    """
    shape, rounds = None, 0
    while sums is None or not steps[0].is_last(sums):
        sent = [step.arrays(sums) for step in steps]
        shape = form(sent[0]) if shape is None else shape
        for arrays in sent:
            assert form(arrays) == shape
            assert all(np.isfinite(a).all() for a in arrays.values())
            for name in agreed:
                np.testing.assert_array_equal(arrays[name], sent[0][name])
        sums = {}
        for name in sent[0]:
            total = sent[0][name].copy()
            for arrays in [] if name in agreed else sent[1:]:
                total += arrays[name]
            sums[name] = total
        rounds += 1
        assert rounds <= steps[0].turns
    assert all(step.is_last(sums) for step in steps)
    return sums, rounds
