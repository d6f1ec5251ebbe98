"""Reports on other outcomes made by hand, for tests."""

import dataclasses

import numpy as np
from reports import DECLARED, reported, site

from swarmhub.contract.records import Outcome
from swarmhub.evaluation import classes, regression, survival
from swarmhub.operations.report.features import Feature
from swarmhub.recipes.survival.kaplan_meier import draw_censoring, draw_curve
from swarmhub.recipes.survival.times import TimeGrid, observe, tally

CELLS = ("B cell", "T cell", "NK cell", "monocyte")
OF_CLASSES = Outcome("cell_type", "classes", classes=CELLS)
OF_AGE = Outcome("age", "continuous", unit="years")
OF_DEATH = Outcome(
    "status", "time_to_event", positive=("death",), time="months", unit="months", horizon="12"
)
HOSPITALS = 3
GRID = TimeGrid.of([float(k) for k in range(1, 31)])
MEAN, DEVIATION = 50.0, 12.0  # of the age in training


def simulate_classes(seed=1, rows=120, shift=0.0):
    """Labels (n,), probabilities (n, 4) and hospitals (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    logits = rng.normal(size=(rows, 4)) + (2.0 - shift) * np.eye(4)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return y, p, np.arange(rows) % HOSPITALS


def simulate_age(seed=1, rows=150, noise=5.0):
    """Ages (n,), predicted ages (n,) and hospitals (n,)."""
    rng = np.random.default_rng(seed)
    at = np.arange(rows) % HOSPITALS
    y = MEAN + 3.0 * at + DEVIATION * rng.normal(size=rows)
    return y, 5.0 + 0.9 * y + noise * rng.normal(size=rows), at


def add(parts, model):
    """The settled counts of a model."""
    every = list(parts)
    return {f"{model}/{n}": sum(p[n] for p in every).tolist() for n in every[0]}


def class_counts(model="swarm", **more):
    y, p, at = simulate_classes(**more)
    return add((classes.make_counts(y[at == k], p[at == k]) for k in range(HOSPITALS)), model)


def age_counts(model="swarm", **more):
    y, p, at = simulate_age(**more)
    return add(
        (
            regression.make_counts(
                y[at == k],
                p[at == k],
                regression.Baseline(MEAN, DEVIATION, MEAN + 3.0 * k),
            )
            for k in range(HOSPITALS)
        ),
        model,
    )


CLASS_FIGURES = {
    "samples": 40.0, "loss": 0.6, "accuracy": 0.8, "macro_f1": 0.712, "local accuracy": 0.7,
    "left-out accuracy": 0.75,
}  # fmt: skip
AGE_FIGURES = {
    "samples": 50.0, "mae": 4.0, "rmse": 5.0, "r2": 0.811, "baseline mae": 9.51,
    "local mae": 4.53, "left-out mae": 4.22,
}  # fmt: skip


def reported_classes(**changes):
    usual = {
        "outcome": dataclasses.asdict(OF_CLASSES), "class_rows": (80, 60, 40, 20),
        "declared": dataclasses.replace(DECLARED, outcome=OF_CLASSES, subgroups=()),
        "counts": class_counts() | class_counts("left-out", shift=0.5), "subgroups": (),
        "sites": (site("Aldmoor", **CLASS_FIGURES), site("Birkhall")), "metric": "accuracy",
        "features": (
            Feature("cd19", 0.75, 12.0, 3.0, "number", "CPM", (0.75, -0.5, -0.25, 0.0)),
            Feature("sex=f", -0.5, 0.5, 0.5, "category", "", (0.25, 0.25, -0.5, 0.0)),
        ),
        "terms": [("outcome", "one of four"), ("inputs", "block 'cells'")],
    }  # fmt: skip
    return reported(**(usual | changes))


def reported_age(**changes):
    usual = {
        "outcome": dataclasses.asdict(OF_AGE), "class_rows": (300,), "scale": (MEAN, DEVIATION),
        "declared": dataclasses.replace(DECLARED, outcome=OF_AGE, subgroups=()),
        "counts": age_counts() | age_counts("left-out", noise=7.0), "subgroups": (),
        "sites": (site("Aldmoor", curve=(6.0, None, 4.0), **AGE_FIGURES), site("Birkhall")),
        "metric": "mae", "mean_curve": [6.0, 5.0, 4.0],
        "features": (
            Feature("crp", 2.5, 12.0, 3.0, "number", "mg/l"),
            Feature("sex=f", -0.5, 0.5, 0.5, "category"),
        ),
        "terms": [("outcome", "a number"), ("inputs", "block 'blood'")],
    }  # fmt: skip
    return reported(**(usual | changes))


def simulate_times(seed=1, rows=240, noise=0.0):
    """Observed patients, log hazards (n,), predicted survival (n, T) and hospitals (n,)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    time, end = rng.exponential(15 * np.exp(-x)), rng.uniform(3, 40, rows)
    score = x + noise * rng.normal(size=rows)
    alive = np.exp(-np.exp(score)[:, None] * GRID.ends / 15)
    return observe(GRID, np.minimum(time, end), time <= end), score, alive, np.arange(rows) % 3


def agree(cuts=(0.4, 0.7)):
    """The terms of the evaluation, of the test patients as if they were those of training."""
    sums = tally(simulate_times()[0])
    events, censored = sums["events"][0], sums["censored"][0]
    curve = draw_curve(GRID, events, censored).survival
    return survival.Agreed(GRID, 11, np.array(cuts), draw_censoring(GRID, events, censored), curve)


def time_counts(model="swarm", agreed=None, **more):
    observed, score, alive, at = simulate_times(**more)
    return add(
        (
            survival.make_counts(
                agreed or agree(), observed.take(at == k), score[at == k], alive[at == k]
            )
            for k in range(HOSPITALS)
        ),
        model,
    )


TIME_FIGURES = {
    "samples": 80.0, "events": 50.0, "c_index": 0.75, "c_index low": 0.66, "c_index high": 0.82,
    "brier": 0.17, "integrated_brier": 0.15, "skill": 0.21, "observed/expected": 1.08,
    "local c_index": 0.7, "left-out c_index": 0.72,
}  # fmt: skip


def reported_times(**changes):
    usual = {
        "outcome": dataclasses.asdict(OF_DEATH), "class_rows": (200, 300), "recipe": "cox",
        "declared": dataclasses.replace(DECLARED, outcome=OF_DEATH, subgroups=()),
        "counts": time_counts() | time_counts("left-out", noise=0.5), "subgroups": (),
        "sites": (site("Aldmoor", **TIME_FIGURES), site("Birkhall")), "metric": "c_index",
        "features": (
            Feature("crp", 0.5, 12.0, 3.0, "number", "mg/l"),
            Feature("sex=f", -0.2, 0.5, 0.5, "category"),
        ),
        "terms": [("outcome", "a time"), ("inputs", "block 'blood'")], "agreed": agree(),
        "penalty": {"chosen": 0.5},
    }  # fmt: skip
    return reported(**(usual | changes))
