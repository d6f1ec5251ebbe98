"""What a rule costs hospitals of unequal size, and what one of them can do under it.

    python bench/robust.py [--seeds 20] [--shift 1] [--before 0] [--json]

Eight hospitals have 0.55% to 51.7% of 20,000 patients (94:1), whose measurements and effects differ
from hospital to hospital (`--shift` scales by how much). Each trains a logistic regression for one
round from the same model: of zeros, or one that so many rounds over all patients have made
(`--before`). The contributions are merged by swarmhub's own rules: as they are, with the change of
the smallest or of the largest hospital times 1000, and with that of the largest reversed. A figure
is the distance of the merged change from the weighted mean of the honest ones, in parts of its
length; the mean of all seeds.

Krum (Blanchard et al., NIPS 2017) is computed here for comparison; swarmhub does not offer it.

Exits with 1 if a figure of the first round is above its limit (LIMITS).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from swarmhub.merge import Rule, WeightedSource, merge_parameters
from swarmhub.merge.vectors import Buffer
from swarmhub.params import Layout, Tensor

Array = npt.NDArray[np.float64]
Merging = Callable[[Array, Array], Array]  # base (p,), contributions (8, p) -> merged (p,)

SIZES = (110, 450, 600, 900, 1_400, 2_200, 4_000, 10_340)
FEATURES = 40
STEPS, RATE = 20, 0.5  # of gradient descent in a round
RULES = {
    "weighted mean": Rule("weighted_mean"),
    "clipped mean": Rule("clipped_mean"),
    "share cap 25%": Rule("weighted_mean", 100, 250),
    "share cap 25% + clip": Rule("clipped_mean", 100, 250),
    "trimmed mean": Rule("trimmed_mean", 250),
    "coordinate median": Rule("coordinate_median"),
    "geometric median": Rule("geometric_median"),
    "share cap 25% + geometric median": Rule("geometric_median", 100, 250),
    "NNM + trimmed mean": Rule("nnm_trimmed_mean", 250),
}
KRUM = "Krum (not offered)"
ATTACKS = {  # hospital, factor of its change
    "clean": (0, 1.0),
    "smallest x1000": (0, 1000.0),
    "largest x1000": (7, 1000.0),
    "largest x-1": (7, -1.0),
}
LIMITS = {
    ("clipped mean", "clean"): 0.01,
    ("clipped mean", "smallest x1000"): 0.01,
    ("share cap 25% + clip", "largest x1000"): 0.1,
}


def make_hospitals(seed: int, shift: float) -> list[tuple[Array, Array]]:
    """Rows (n, p) and labels (n,) of each hospital."""
    rng = np.random.default_rng(seed)
    effects = rng.standard_normal(FEATURES) / np.sqrt(FEATURES)
    found = []
    for size in SIZES:
        own = effects + shift * rng.standard_normal(FEATURES) / FEATURES
        x = rng.standard_normal((size, FEATURES)) + shift * rng.standard_normal(FEATURES) / 4
        y = (rng.random(size) < 1 / (1 + np.exp(-x @ (2 * own)))).astype(np.float64)
        found.append((x, y))
    return found


def train(start: Array, x: Array, y: Array) -> Array:
    """A round of gradient descent, (p,) -> (p,)."""
    w = start.copy()
    for _ in range(STEPS):
        w -= RATE * x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y)
    return w


def merge_by(rule: Rule, base: Array, contributions: Array) -> Array:
    """Swarmhub's merge of contributions (8, p)."""
    layout = Layout.of([Tensor("w", "F64", base.shape)])
    sources = [
        WeightedSource(i, size, Buffer(pad(row, layout)))
        for i, (size, row) in enumerate(zip(SIZES, contributions, strict=True), 1)
    ]
    chunks = merge_parameters(rule, layout, sources, Buffer(pad(base, layout)))
    return np.frombuffer(b"".join(bytes(c) for c in chunks), np.float64, base.size)


def pad(row: Array, layout: Layout) -> bytes:
    """The canonical buffer of one array."""
    return row.astype("<f8").tobytes().ljust(layout.nbytes, b"\0")


def krum(_: Array, contributions: Array) -> Array:
    """The contribution nearest to its N - f - 2 nearest others, f = 1."""
    squares = ((contributions[:, None] - contributions[None]) ** 2).sum(axis=2)
    near = np.sort(squares, axis=1)[:, 1 : len(squares) - 2]
    best: Array = contributions[int(near.sum(axis=1).argmin())]
    return best


def measure(seeds: Sequence[int], shift: float, before: int) -> dict[str, dict[str, float]]:
    """Mean relative errors by rule and attack."""
    rules: dict[str, Merging] = {name: partial(merge_by, rule) for name, rule in RULES.items()}
    rules[KRUM] = krum
    errors: dict[str, dict[str, list[float]]] = {r: {a: [] for a in ATTACKS} for r in rules}
    for seed in seeds:
        hospitals = make_hospitals(seed, shift)
        every = (np.concatenate(parts) for parts in zip(*hospitals, strict=True))
        rows, labels = every
        base = np.zeros(FEATURES)
        for _ in range(before):
            base = train(base, rows, labels)
        honest = np.stack([train(base, x, y) for x, y in hospitals])
        right = np.average(honest - base, axis=0, weights=SIZES)
        for attack, (who, factor) in ATTACKS.items():
            sent = honest.copy()
            sent[who] = base + factor * (honest[who] - base)
            for name, merging in rules.items():
                off = merging(base, sent) - base - right
                errors[name][attack].append(float(np.linalg.norm(off) / np.linalg.norm(right)))
    return {r: {a: float(np.mean(e)) for a, e in by.items()} for r, by in errors.items()}


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--shift", type=float, default=1.0)
    parser.add_argument("--before", type=int, default=0, help="rounds before the measured one")
    parser.add_argument("--json", action="store_true", help="one JSON line")
    given = parser.parse_args()
    found = measure(range(given.seeds), given.shift, given.before)
    if given.json:
        print(json.dumps(found))
    else:
        print("| rule |", " | ".join(ATTACKS), "|")
        print("|---|" + "---|" * len(ATTACKS))
        for name, by in found.items():
            print("|", name, "|", " | ".join(f"{by[a]:.3g}" for a in ATTACKS), "|")
    limits = {} if given.before else LIMITS
    above = [key for key, most in limits.items() if not found[key[0]][key[1]] <= most]
    for rule, attack in above:
        print(f"{rule}, {attack}: above {LIMITS[rule, attack]}", file=sys.stderr)
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
