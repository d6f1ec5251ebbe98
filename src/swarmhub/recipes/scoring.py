"""A model of a table study as one file that can be used without a node.

The arrays alone say nothing: the file's metadata holds, beside them, the recipe and the design
(each feature's column, category, mean and standard deviation), as JSON under the key `table`. A
file may come from anywhere, so it is checked before it is used.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.agreement import gaps, outliers
from swarmhub.data.csvfile import read_rows
from swarmhub.data.summaries import MAX_FEATURES, Design
from swarmhub.data.tables import parse_columns
from swarmhub.errors import BadInput, BlobError, SwarmhubError, plain
from swarmhub.params import import_safetensors
from swarmhub.params.buffer import layout_of
from swarmhub.recipes.logistic import Parameters
from swarmhub.recipes.solver import Array
from swarmhub.recipes.tabular import KINDS, Kind, TabularModel, make_model

KEY = "table"  # in the metadata
FORMAT = 1


def describe(kind: str, design: Design) -> dict[str, str]:
    """Return the metadata of a table study's model: {"table": JSON}."""
    features = [
        {"name": name, "column": column, "category": category, "mean": float(mean), "sd": float(sd)}
        for name, (column, category), mean, sd in zip(
            design.names, design.sources, design.mean, design.sd, strict=True
        )
    ]
    document = {
        "format": FORMAT, "model": kind, "class_rows": list(design.class_rows),
        "features": features,
    }  # fmt: skip
    return {KEY: json.dumps(document, ensure_ascii=False)}


def describe_if_table(kind: str, statistics: bytes, layout: str) -> dict[str, str]:
    """Return `describe` for a model with this layout digest, of a study that merged these
    statistics; {} if it is not a recipe's model over their design, but that of another trainer."""
    known = next((k for k in KINDS if k == kind), None)
    try:
        design = Design.from_statistics(statistics)
    except BadInput:
        return {}
    if known is None or layout_of(make_model(known, design, 0).initial()).digest != layout:
        return {}
    return describe(known, design)


@dataclass(frozen=True)
class TableModel:
    """A model that scores tables: recipe, design and parameters."""

    design: Design
    model: TabularModel
    parameters: Parameters

    @classmethod
    def load(cls, path: Path) -> TableModel:
        """Load the model from a file of 'swarmhub node export'. Raises BadInput or BlobError if it
        is none, or one of a study without tables."""
        arrays = import_safetensors(path)
        kind, design = _read(_metadata(path), path)
        model = make_model(kind, design, 0)
        wanted = {name: a.shape for name, a in model.initial().items()}
        if wanted != {name: a.shape for name, a in arrays.items()}:
            raise BadInput(f"{path.name}: its arrays are not those of its design; export it again.")
        parameters = {name: a.astype(np.float64) for name, a in arrays.items()}
        if not all(np.isfinite(a).all() for a in parameters.values()):
            raise BadInput(f"{path.name}: its arrays have values that are no finite numbers.")
        return cls(design, model, parameters)

    def score(self, data: Path, patient: str | None = None) -> tuple[Array, list[str], list[str]]:
        """Return the probability of label 1 for each row of a table (n,), the rows' names (their
        numbers, or the values of the column `patient`), and sentences on parts of them that the
        model does not know.

        Raises BadInput if the table lacks a column of the model, or has text for a number.
        """
        kinds = self.design.kinds
        if patient in kinds:
            raise BadInput(f"'{plain(patient, 60)}' is a column of the model; --id names another.")
        asked = kinds if patient is None else {**kinds, patient: True}
        table = parse_columns(read_rows(data), asked, data.name)
        found = self.model.predict(self.parameters, self.design.matrix(table))
        names = [str(k) for k in range(1, table.rows + 1)]
        if patient is not None:
            names = ["" if v is None else v for v in table.columns[patient]]
        return found, names, gaps(self.design, table) + outliers(self.design, table)


def predict_table(
    model: Path, data: Path, out: Path, patient: str | None = None
) -> tuple[int, list[str]]:
    """Write the scores of a table's rows as CSV: row or patient, probability of label 1. Return how
    many rows there are, and sentences on parts of them that the model does not know."""
    if out.exists() and any(out.samefile(given) for given in (model, data) if given.exists()):
        raise BadInput(f"Expected a file of its own for the scores, got {out}; give another --out.")
    found, names, notes = TableModel.load(model).score(data, patient)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([patient or "row", "probability"])
        writer.writerows(zip(names, map(repr, found.tolist()), strict=True))
    return len(names), notes


def _metadata(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            found = (file.metadata() or {}).get(KEY)
    except (SafetensorError, OSError) as error:
        raise BlobError(f"Expected a safetensors file at {path}, got {plain(error)}.") from None
    if found is None:
        raise BadInput(
            f"{path.name} says nothing of its features: it is no model of a study over tables, or "
            "the node that exported it did not hold the study's statistics."
        )
    return found


def _read(text: str, path: Path) -> tuple[Kind, Design]:
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise BadInput(f"{path.name}: expected a design of format {FORMAT}; update swarmhub.")
        kind = next(k for k in KINDS if k == document["model"])
        features = document["features"]
        zeros, ones = document["class_rows"]
        mean = np.array([float(f["mean"]) for f in features])
        sd = np.array([float(f["sd"]) for f in features])
        sources = tuple((f["column"], f["category"]) for f in features)
        text_like = all(type(c) is str and (k is None or type(k) is str) for c, k in sources)
        sound = 0 < len(features) <= MAX_FEATURES and text_like and min(zeros, ones) > 0
        if not sound or not all(map(math.isfinite, [*mean, *sd])) or not (sd > 0).all():
            raise ValueError
        names = tuple(str(f["name"]) for f in features)
        return kind, Design(names, sources, mean, sd, (int(zeros), int(ones)))
    except SwarmhubError:
        raise
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError, OverflowError):
        raise BadInput(f"{path.name}: its design is not readable; export it again.") from None
