"""How often `swarmhub evaluate` sees that AUC has fallen by .1 within 200 later patients, and how
often it says so of patients of the same kind.

    python bench/drift.py [--runs 400]

Scores of a logistic model with one normal input; the later patients follow a weaker one. `known`
stands for a reference that is known without error.
"""

from __future__ import annotations

import argparse

import numpy as np

from swarmhub.evaluation.figures import evaluate_scores
from swarmhub.models.drift import Patients, compare_figures

LATER, FALL = 200, 0.1
KNOWN = 20_000


def compute_area(slope: float) -> float:
    """AUC of a logistic model with this slope on a normal input."""
    x = np.linspace(-6, 6, 4001)
    share = 1 / (1 + np.exp(-slope * x))
    ones, zeros = np.exp(-x * x / 2) * share, np.exp(-x * x / 2) * (1 - share)
    ones, zeros = ones / ones.sum(), zeros / zeros.sum()
    return float((ones * (np.cumsum(zeros) - zeros / 2)).sum())


def find_slope(area: float) -> float:
    """The slope that has this AUC."""
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if compute_area(middle) < area else (low, middle)
    return low


def draw(rng: np.random.Generator, rows: int, true: float, model: float) -> Patients:
    """Figures of patients with a true slope, scored by a model with another one."""
    x = rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-true * x))).astype(int)
    return evaluate_scores(y, 1 / (1 + np.exp(-model * x)), 0.5).figures


def measure(area: float, earlier: int, runs: int) -> np.ndarray:
    """Shares of runs in which (order, calibration) are said to have moved: of the same kind of
    patients, and after the fall; (2, 2)."""
    before, after = find_slope(area), find_slope(area - FALL)
    found = np.zeros((2, 2))
    for run in range(runs):
        rng = np.random.default_rng([run, round(area * 100), earlier])
        known = draw(rng, earlier, before, before)
        for k, true in enumerate((before, after)):
            moved = compare_figures(known, draw(rng, LATER, true, before))
            found[k] += [one.has_moved for one in moved]
    return found / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print(f"{runs} runs; {LATER} later patients; AUC falls by {FALL}")
    print("AUC   earlier   order: false alarms, found   calibration: false alarms, found")
    for area in (0.75, 0.8, 0.85, 0.9):
        for earlier in (200, 600, KNOWN):
            (a, b), (c, d) = measure(area, earlier, runs)
            name = "known" if earlier == KNOWN else str(earlier)
            print(f"{area:.2f}  {name:>7}   {a:18.3f} {c:7.3f}   {b:24.3f} {d:7.3f}", flush=True)


if __name__ == "__main__":
    main()
