"""Models of outcomes with classes, of continuous ones and of times, without any training."""

import numpy as np
from model_tools import ORIGIN

from swarmhub.contract.records import Declaration, Outcome
from swarmhub.data.design import Design, Source
from swarmhub.models.exported import ExportedModel
from swarmhub.models.predict import Model

STAGES = Declaration(Outcome("stage", "classes", classes=("I", "II", "III")))
SEXES = Declaration(Outcome("sex", "classes", classes=("female", "male")))
GLUCOSE = Declaration(Outcome("glucose", "continuous", unit="mmol/l"))
DECLARED = {"three classes": STAGES, "two classes": SEXES, "continuous": GLUCOSE}
SCALE = (5.5, 1.25)  # mean and standard deviation of glucose
DEATHS = Declaration(
    Outcome("dead", "time_to_event", positive=("yes",), negative=("no",), time="days", unit="days")
)


def design_of(declaration, features=4):
    """A design of numbers f0, f1, ... with mean 50 and standard deviation 10."""
    sources = tuple(Source("number", f"f{k}") for k in range(features))
    rows = (40,) * max(1, len(declaration.outcome.classes))
    if declaration.outcome.kind == "time_to_event":
        rows = (50, 30)
    scale = SCALE if declaration.outcome.kind == "continuous" else (0.0, 1.0)
    return Design(sources, np.full(features, 50.0), np.full(features, 10.0), rows, scale)


def model_for(declaration, features=4, seed=0):
    """A model with random arrays."""
    rng, k = np.random.default_rng(seed), len(declaration.outcome.classes)
    shapes: dict[str, tuple[int, ...]] = {"bias": (1,), "weight": (features,)}
    if k > 2:
        shapes = {"bias": (k,), "weight": (k, features)}
    arrays = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    design = design_of(declaration, features)
    return Model(ExportedModel("logistic", declaration, design, arrays, ORIGIN))


def curves_of(seed=0, size=30, cuts=4):
    """The arrays of a model of times beside its weights, on a grid of 10, 20, ... days."""
    hazard = np.cumsum(np.random.default_rng(seed).uniform(0.005, 0.05, size))
    return {
        "times": 10.0 * np.arange(1, size + 1), "hazard": hazard, "survival": np.exp(-hazard),
        "censoring": np.linspace(1.0, 0.3, size), "cuts": np.linspace(0.1, 0.6, cuts),
    }  # fmt: skip


def cox_for(declaration=DEATHS, features=4, seed=0, **changes):
    """A model of times with random weights; `changes` replace arrays."""
    weight = np.random.default_rng(seed).normal(0, 0.5, features)
    arrays = {"weight": weight, **curves_of(seed), **changes}
    return Model(
        ExportedModel("cox", declaration, design_of(declaration, features), arrays, ORIGIN)
    )


def followed_of(model, rows=80, seed=4):
    """Columns of patients elsewhere with times and events that a model of times predicts."""
    rng, columns = np.random.default_rng(seed), inputs_of(rows, seed=seed)
    margin = standardised(columns) @ model.exported.arrays["weight"]
    time = rng.exponential(400 * np.exp(-margin))
    end = rng.uniform(20, 320, rows)
    event = np.where(time <= end, "yes", "no")
    return columns | {"dead": event, "days": np.round(np.minimum(time, end), 1)}


def inputs_of(rows=60, features=4, seed=1):
    """Columns f0, f1, ... of patients."""
    x = np.random.default_rng(seed).normal(50, 10, (rows, features))
    return {f"f{k}": x[:, k] for k in range(features)}


def standardised(columns):
    """The inputs of a model, (n, p)."""
    return (np.column_stack(list(columns.values())) - 50.0) / 10.0


def outcomes_of(declaration, rows=60, seed=2):
    """A column with the outcome of patients, in the words or the unit of a study."""
    rng, words = np.random.default_rng(seed), declaration.outcome.classes
    return rng.normal(*SCALE, rows) if not words else rng.choice(words, rows)
