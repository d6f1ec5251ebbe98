"""Models for tests: designs and arrays without any training."""

from dataclasses import replace

import numpy as np
from data_tools import write as write

from swarmhub.contract.records import Declaration, Outcome
from swarmhub.data.design import Design, Source
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema, declare_label
from swarmhub.data.summaries import statistics_of
from swarmhub.merge import merge_statistics
from swarmhub.models.exported import Contributor, ExportedModel, Measure, Origin
from swarmhub.models.predict import Model
from swarmhub.recipes.designing import make_design

DIAGNOSIS = Declaration(Outcome("diagnosis", positive=("PD",), negative=("healthy",)))
ORIGIN = Origin(
    "park", "Parkinson's by voice", "test-chain", 12, "5" * 64, "d" * 64,
    (Contributor(1, "Ulm", 300), Contributor(2, "Kiel", 200)),
)  # fmt: skip
MEASURE = Measure("auc", "0.8712", 140, "held-out patients of all hospitals")


def text_of(rows=60, shift=0, header=True):
    """A table of patients: age, sex, crp, stage and the diagnosis."""
    lines = [
        f"{40 + (k + shift) % 37},{'FM'[k % 3 == 0]},{k % 7}.5,{['I', 'II', 'III'][k % 3]},"
        f"{['PD', 'healthy'][(k * 5 + k // 4) % 2]}"
        for k in range(rows)
    ]
    return "\n".join(["age,sex,crp,stage,diagnosis"] * header + lines) + "\n"


def arrays_of(recipe, features, seed=0, dtype=np.float64, hidden=16):
    """Arrays of a recipe with random numbers."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"bias": (1,), "weight": (features,)}
    if recipe == "mlp":
        shapes |= {"hidden.bias": (hidden,), "hidden.weight": (features, hidden), "mix": (hidden,)}
    return {n: rng.normal(0, 0.5, s).astype(dtype) for n, s in shapes.items()}


def merged_of(paths, declaration=None):
    """Merged statistics of files, one a hospital; without a declaration of a `label`."""
    schema = Schema.of(declaration or declare_label("label"))
    found = [read_dataset(Files((path,)), schema, Findings()) for path in paths]
    return merge_statistics({i: statistics_of(d) for i, d in enumerate(found, start=1)})


def exported_of(paths, declaration=DIAGNOSIS, recipe="logistic"):
    """An exported model over the design of these files, one a hospital."""
    merged = merged_of(paths, declaration)
    design = make_design(merged, declaration, Schema.of(declaration))
    return ExportedModel(
        recipe, declaration, design, arrays_of(recipe, len(design.names)), ORIGIN, (MEASURE,)
    )


def park(folder, recipe="logistic"):
    """The model of a study with age, sex, crp and stage, and the file that it was trained on."""
    path = write(folder, text_of(), "training.csv")
    return exported_of([path], recipe=recipe), path


def model_of(design, declaration=DIAGNOSIS, recipe="logistic", **more):
    """A model with random arrays over a design."""
    arrays = arrays_of(recipe, len(design.names), **more)
    return Model(ExportedModel(recipe, declaration, design, arrays, ORIGIN))


def wide_design(features):
    """A design of numbers f0000, f0001, ..."""
    sources = tuple(Source("number", f"f{k:04d}") for k in range(features))
    return Design(sources, np.full(features, 50.0), np.full(features, 10.0), (50, 50))


def with_declaration(model, **changes):
    """The model with other terms of its study."""
    declaration = replace(model.exported.declaration, **changes)
    return Model(replace(model.exported, declaration=declaration))


def predict(model, folder, text, name="new.csv", **more):
    return model.predict(Files((write(folder, text, name),), **more))
