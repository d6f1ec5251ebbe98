"""`model.json`: all that an exported model is, but for its arrays.

JSON for people and for other programs, a feature a line. Numbers of the design are texts that
Python reads back to the bit. `files` has the sha256 of the other files; the last line is `seal`,
the sha256 of all bytes above it: damage is noticed, in every byte. It is no signature: to
know that a model is the consortium's own, compare `origin.digest` with the ledger.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.contract.records import Declaration
from swarmhub.data.design import MAX_FEATURES, Design, Source
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, Malformed, plain
from swarmhub.models.exported import ExportedModel, Measure, Origin
from swarmhub.params.layout import Layout, Tensor

FORMAT = 2
MAX_BYTES = 64 << 20
MAX_VALUES = 2 * MAX_FEATURES + 10_000  # brackets
MAX_DIGITS = 30  # of a number's text


@dataclass(frozen=True)
class Feature:
    """A feature of the design, as `data.design.Source` has it, with mean and standard deviation in
    the column's unit."""

    kind: Literal["number", "category", "missing", "block"]
    column: str
    mean: str
    sd: str
    category: str = ""


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of a continuous outcome over all training rows, in its unit; 0
    and 1 for an outcome of another kind."""

    mean: str
    sd: str


@dataclass(frozen=True)
class Document:
    """The document. `class_rows` are the training rows of each class, or of all patients if the
    outcome is continuous; `horizon` is the time up to which a risk is predicted, in the unit of the
    study."""

    format: int
    recipe: str
    arrays: tuple[Tensor, ...]
    declaration: Declaration
    class_rows: tuple[int, ...]
    outcome: Scale
    features: tuple[Feature, ...]
    origin: Origin
    measures: tuple[Measure, ...]
    versions: dict[str, str]
    files: dict[str, str]
    horizon: str = ""


def write_document(exported: ExportedModel, files: Mapping[str, str]) -> bytes:
    """Return the bytes of `model.json`; `files` maps the other files' names to their sha256.
    Raises BadInput if they would be too many."""
    design = exported.design
    features = tuple(
        Feature(s.kind, s.column, repr(float(mean)), repr(float(sd)), s.category)  # type: ignore[arg-type]
        for s, mean, sd in zip(design.sources, design.mean, design.sd, strict=True)
    )
    document = Document(
        FORMAT, exported.recipe, exported.tensors, exported.declaration, design.class_rows,
        Scale(*(repr(float(v)) for v in design.outcome)), features, exported.origin,
        exported.measures, dict(exported.versions), dict(files), exported.response.horizon,
    )  # fmt: skip
    above = "{\n" + "".join(_lines(codec.to_json(document)))
    data = _sealed(above.encode())
    if len(data) > MAX_BYTES:
        raise BadInput(f"The model's features need more than {MAX_BYTES >> 20} MB; use fewer.")
    return data


def _lines(tree: Mapping[str, Json]) -> list[str]:
    found = []
    for key, value in tree.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n  " + ",\n  ".join(json.dumps(v, ensure_ascii=False) for v in value) + "\n ]"
        found.append(f" {json.dumps(key)}: {text},\n")
    return found


def _sealed(above: bytes) -> bytes:
    return above + b' "seal": "' + hashlib.sha256(above).hexdigest().encode() + b'"\n}\n'


def read_document(data: bytes, source: str) -> Document:
    """Return the document in these bytes. Raises BadInput if they are none, if a byte of them has
    changed, or if another version of swarmhub has written them."""
    try:
        tree = codec.parse(data, MAX_BYTES, MAX_VALUES)
        if not isinstance(tree, dict) or "format" not in tree:
            raise Malformed("it names no format.")
        if tree["format"] != FORMAT:
            raise BadInput(
                f"{source}: expected a model of format {FORMAT}, got {plain(tree['format'], 20)}; "
                "update swarmhub, or export the model again."
            )
        if data != _sealed(data[: data.rfind(b' "seal": "')]):
            raise BadInput(
                f"{source} has changed since it was written (its seal does not fit); copy the "
                "folder again, or export the model again."
            )
        tree.pop("seal", None)
        return codec.from_json(Document, tree)
    except Malformed as error:
        raise BadInput(f"{source} is no description of a model: {error}") from None


def design_of(document: Document) -> Design:
    """Return the design. Raises BadInput for a number that cannot be read."""
    sources = tuple(Source(f.kind, f.column, f.category) for f in document.features)
    mean, sd = ([_number(text) for text in texts] for texts in (
        (f.mean for f in document.features), (f.sd for f in document.features)
    ))  # fmt: skip
    outcome = (_number(document.outcome.mean), _number(document.outcome.sd))
    owner = document.origin.scale
    return Design(sources, _array(mean), _array(sd), document.class_rows, outcome, owner)


def _array(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def _number(text: str) -> float:
    try:
        value = float(text) if len(text) <= MAX_DIGITS else math.nan
    except ValueError:
        value = math.nan
    if repr(value) != text:
        raise BadInput(f"Expected a number in the model's description, got '{plain(text, 30)}'.")
    return value


def layout_of(document: Document) -> Layout:
    """Return the layout of the arrays. Raises BadInput if no arrays can have it."""
    return Layout.of(list(document.arrays))


def make_exported(document: Document, arrays: Mapping[str, Any]) -> ExportedModel:
    """Return the model of a document and its arrays. Raises BadInput if they do not make one."""
    found = ExportedModel(
        document.recipe, document.declaration, design_of(document), arrays, document.origin,
        document.measures, document.versions,
    )  # fmt: skip
    found.check()
    if document.horizon != found.response.horizon:
        raise BadInput(
            f"Expected the horizon '{plain(found.response.horizon, 60)}' of the model's arrays in "
            f"its description, got '{plain(document.horizon, 60)}'; export the model again."
        )
    return found
