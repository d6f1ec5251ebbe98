"""External validation: a study's model on patients of this hospital that it was not trained on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmhub.codec import Json
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput, plain
from swarmhub.evaluation.figures import Figure
from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.models.evaluate import Validated, evaluate_files, write_counts
from swarmhub.models.predict import Model, load_model
from swarmhub.models.response import Response
from swarmhub.operations.acting import note_taken
from swarmhub.operations.chosen_model import ChosenModel, choose_model
from swarmhub.operations.data_files import need_file, need_model_folder
from swarmhub.operations.downloads import Download, make_download
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.models import make_exported
from swarmhub.operations.pages import render_page
from swarmhub.operations.results import (
    ClassFigures,
    Drifted,
    NamedFigure,
    RiskGroup,
    Validating,
    Validation,
)

FORM = "swarmhub/validation/1"
DATA, COUNTS, PAGE = "validation.json", "counts.json", "validation.html"


NOWHERE = Download("", 0)


def validate(home: Home, given: Validating) -> Validation:
    """Compare a model's scores with the known outcome of patients in this hospital's files. Nothing
    is sent. Raises BadInput if there is no such model or file, this hospital may not use it, or the
    files have no outcome."""
    paths = [need_file(home, name) for name in (given.file, given.joined) if name or not given.file]
    earlier = Files((need_file(home, given.earlier),)) if given.earlier else None
    model, record = _find_model(home, given)
    found = evaluate_files(model, Files(tuple(paths)), earlier=earlier)

    def write(folder: Path) -> None:
        folder.mkdir()
        conditions = {"form": FORM, "study": given.study, "round": record.round,
                      "is_released": record.is_released, "files": [p.name for p in paths],
                      "earlier": given.earlier}  # fmt: skip
        tree: Any = found.to_json()
        write_durably(folder / DATA, _encode({**conditions, **tree}))
        write_counts(found, folder / COUNTS)
        page = render_page("validation.html", v=describe(found, record, given, NOWHERE))
        write_durably(folder / PAGE, page.encode(errors="replace"))

    download, _ = make_download(home, f"{given.study}-validation", write)
    note_taken(home, "model.evaluate", given.study, record.model.digest)
    return describe(found, record, given, download)


def _find_model(home: Home, given: Validating) -> tuple[Model, ChosenModel]:
    """Return the model of the node, or of a folder, and what the ledger has of it."""
    if not given.folder:
        record = asyncio.run(_look_up(home, given.study, given.model))
        return Model(make_exported(home, record, "")), record
    model = load_model(need_model_folder(home, given.folder))
    origin = model.exported.origin
    if origin.study != given.study:
        raise BadInput(
            f"Expected a model of '{given.study}' in '{given.folder}', got one of "
            f"'{plain(origin.study, 60)}'."
        )
    return model, asyncio.run(_look_up(home, given.study, origin.digest))


async def _look_up(home: Home, study: str, model: str) -> ChosenModel:
    async with open_client(home) as client:
        return choose_model(client, study, model=model)


def _encode(tree: Json) -> bytes:
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def describe(
    found: Validated, record: ChosenModel, given: Validating, download: Download
) -> Validation:
    """Return the figures as one record for pages and scripts."""
    evaluation, response = found.evaluation, found.response
    is_classes, is_time = response.kind == "classes", response.kind == "time_to_event"
    each = zip(response.classes, evaluation.classes, strict=True) if is_classes else ()
    groups = evaluation.groups if is_time else ()
    return Validation(
        download=download,
        study=given.study,
        model=found.model_digest,
        architecture=found.architecture,
        data=found.data_digest,
        round=record.round,
        is_released=record.is_released,
        files=tuple(name for name in (given.file, given.joined) if name),
        earlier=given.earlier,
        kind=response.kind,
        protocol=found.protocol,
        said=say_rows(evaluation, response),
        is_descriptive=evaluation.is_descriptive,
        figures=_name(evaluation.figures),
        classes=tuple(ClassFigures(w, c.support, _name(c.figures)) for w, c in each),
        confusion=tuple(map(tuple, evaluation.confusion.tolist())) if is_classes else (),
        groups=tuple(RiskGroup(g.predicted, _of("risk", g.found)) for g in groups),
        drift=tuple(Drifted(d.part, d.has_moved, d.p, d.sentence) for d in found.drift),
        notes=found.notes,
    )


def _name(figures: Mapping[str, Figure]) -> tuple[NamedFigure, ...]:
    return tuple(_of(name, figure) for name, figure in figures.items())


def _of(name: str, figure: Figure) -> NamedFigure:
    return NamedFigure(name, figure.value, figure.low, figure.high, figure.support)


def say_rows(evaluation: Any, response: Response) -> str:
    """Return a sentence on the rows that were compared."""
    if response.kind == "binary":
        return (
            f"{evaluation.positives} rows with the outcome, {evaluation.negatives} without; "
            f"threshold {evaluation.threshold:g}."
        )
    if response.kind == "classes":
        return f"{evaluation.rows} rows of {len(response.classes)} classes."
    if response.kind == "time_to_event":
        return (
            f"{evaluation.patients} rows, {evaluation.events} with the event while they were "
            f"followed. Risks are those by {response.horizon}."
        )
    unit = f" in {response.unit}" if response.unit else " in the unit of the outcome"
    return (
        f"{evaluation.rows} rows. Errors are{unit}; mae_mean and rmse_mean are those of the mean "
        f"of the study's training patients ({response.mean:.4g}), given to everybody."
    )
