"""Models of outcomes with classes and of continuous ones, without any training."""

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


def design_of(declaration, features=4):
    """A design of numbers f0, f1, ... with mean 50 and standard deviation 10."""
    sources = tuple(Source("number", f"f{k}") for k in range(features))
    rows = (40,) * max(1, len(declaration.outcome.classes))
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
