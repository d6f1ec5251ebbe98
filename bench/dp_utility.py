"""What differential privacy costs on the four heart tables, without nodes.

    python bench/dp_utility.py [--splits 10] [--draws 20] [--rounds 10 20 30]

A split sets aside 30% of the patients of each class at each hospital; figures are the AUC of all
held-out patients together, mean over splits and draws of the noise. `plain` is fedavg as in a study
without privacy: features from merged statistics, 20 rounds of five steps. The others take the
recipe's clipped steps over the features of the declared scales, a study of so many rounds:

    no noise  the same steps without noise: what clipping and declared scales cost
    each      each hospital's noise is sigma (in units of the clip)
    masked    each hospital's noise is sigma / sqrt(t - c), n = 4, t = 3, c = 1
    ideal     the noise of the sum is sigma, as one trusted place would add it

sigma makes so many rounds (epsilon, 1e-5)-private together (`privacy.accounting`).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.heart import describe, write_heart
from swarmhub.data.metrics import auc
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema
from swarmhub.demo.yardstick import outcomes
from swarmhub.examples.rehearsal import Split
from swarmhub.privacy.accounting import compute_noise
from swarmhub.recipes.designing import make_declared_design
from swarmhub.recipes.linear.averaging import Walk, walk_down
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.clipped import Rows, Step, take_step
from swarmhub.recipes.linear.losses import LOGISTIC
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.private import CLIP, PATIENTS, RATE
from swarmhub.recipes.stages import FIXED
from swarmhub.train.bounded import Bound

DELTA = 1e-5
EPSILONS = (1.0, 5.0)
HEART = Declaration(Outcome("label", positive=("1",), negative=("0",)))
Floats = npt.NDArray[np.float64]


def spread_of(noise: str, sigma: float, hospitals: int) -> float:
    """Return the noise of the sum of all hospitals' steps, in units of the clip."""
    together = hospitals - (hospitals - 1) // 3 - 1  # t - c
    return sigma * {
        "no noise": 0.0, "ideal": 1.0, "each": math.sqrt(hospitals),
        "masked": math.sqrt(hospitals / together),
    }[noise]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tables:
    """The hospitals' rows of one split, and the held-out patients of all."""

    rows: Sequence[Rows]
    test_x: Floats
    test_y: Floats

    @classmethod
    def of(cls, split: Split, x: Sequence[Floats], test_x: Sequence[Floats]) -> Tables:
        """Return the tables of a split, with the features of its hospitals."""
        rows = [
            Rows.of(own, outcomes([part]), part.patient_codes())
            for own, part in zip(x, split.training, strict=True)
        ]
        return cls(rows, np.concatenate(test_x), outcomes(split.held))

    def score(self, point: Floats) -> float:
        """Return the AUC of a point (1, p + 1)."""
        found = auc(self.test_y, self.test_x @ point[0, :-1] + point[0, -1])
        assert found is not None
        return found


def train(
    tables: Tables, rounds: int, step: Step, spread: float, rng: np.random.Generator
) -> float:
    """Return the AUC after rounds of clipped steps with noise in their sum."""
    total = sum(len(rows.y) for rows in tables.rows)
    point = np.zeros((1, tables.test_x.shape[1] + 1))
    for _ in range(rounds):
        new = np.zeros_like(point)
        for rows in tables.rows:
            mine = replace(step, bound=replace(step.bound, samples=len(rows.y)))
            made = take_step(rows, LOGISTIC, point, mine).astype(np.float32)
            new += len(rows.y) / total * made
        new += spread * step.bound.clip / total * rng.normal(size=point.shape)
        point = new.astype(np.float32).astype(np.float64)
    return tables.score(point)


def train_plain(split: Split) -> float:
    """Return the AUC of fedavg as in a study without privacy."""
    tables = Tables.of(split, split.x, [split.matrix(part) for part in split.held])
    class_rows = split.design.class_rows
    models = Models.of([FIXED], class_rows, LOGISTIC)
    stacks = [
        Stack.of(models, Axes.of(x), outcomes([part]))
        for x, part in zip(split.x, split.training, strict=True)
    ]
    point = np.zeros(split.x[0].shape[1] + 1)
    for _ in range(20):
        parts = [len(s.y) / sum(class_rows) * walk_down(s, point, Walk()) for s in stacks]
        point = np.sum(parts, axis=0).astype(np.float32).astype(np.float64)
    return tables.score(point[None])


def declare(split: Split) -> Tables:
    """Return a split's tables with the features of the declared scales."""
    schema = Schema.of(describe(split.schema.declaration))
    design = make_declared_design(schema)
    return Tables.of(
        split, [design.matrix(p) for p in split.training], [design.matrix(p) for p in split.held]
    )


def read_splits(splits: int) -> Iterator[Split]:
    """Yield the splits of the heart tables."""
    spec = Spec("bench", title="Bench", data=HEART)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_heart(Path(folder)).values()
        parts = [read_dataset(Files((path,)), Schema.of(HEART)) for path in paths]
    for seed in range(1, splits + 1):
        yield Split.of(spec, parts, seed, 0.3)


def measure(
    every: Sequence[Tables], epsilon: float, rounds: int, step: Step, draws: int
) -> dict[str, float]:
    """Return the mean AUC by where the noise is added."""
    sigma = compute_noise(epsilon, DELTA, rounds)
    found = {}
    for noise in ("no noise", "each", "masked", "ideal"):
        rng = np.random.default_rng(0)
        spread = spread_of(noise, sigma, len(every[0].rows))
        times = draws if spread else 1
        aucs = [train(t, rounds, step, spread, rng) for t in every for _ in range(times)]
        found[noise] = float(np.mean(aucs))
    return found


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--rounds", type=int, nargs="+", default=[10, 20, 30])
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--clip", type=float, default=CLIP)
    given = parser.parse_args()
    splits = list(read_splits(given.splits))
    plain = float(np.mean([train_plain(split) for split in splits]))
    every = [declare(split) for split in splits]
    step = Step(given.rate, 1.0 / (FIXED * PATIENTS), Bound(given.clip, 0))
    print(f"AUC of {given.splits} splits; rate {step.rate:g}, clip {given.clip:g}")
    print(f"plain {plain:.4f}")
    print("| epsilon | rounds | sigma | no noise | each | masked | ideal |")
    print("|---|---|---|---|---|---|---|")
    for epsilon in EPSILONS:
        for rounds in given.rounds:
            found = measure(every, epsilon, rounds, step, given.draws)
            values = " | ".join(f"{value:.4f}" for value in found.values())
            sigma = compute_noise(epsilon, DELTA, rounds)
            print(f"| {epsilon:g} | {rounds} | {sigma:.2f} | {values} |")


if __name__ == "__main__":
    main()
