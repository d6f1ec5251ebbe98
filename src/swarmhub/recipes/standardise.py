"""Numbers standardised with each hospital's own mean and standard deviation (`options.standardise =
"own"`), instead of those of all hospitals.

It takes out of the inputs what sets hospitals apart: another scanner or assay, and other patients
as well (`confounded`). So it is declared, never a default.

A hospital's own means are those that its statistics document publishes: a model that carries them
tells nothing more. A column that it withholds or lacks, or that does not vary there, keeps the mean
and standard deviation of all hospitals, and so do categories.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from swarmhub.codec import Json
from swarmhub.contract.records import Spec
from swarmhub.data.design import NUMBER, Design, read_statistics
from swarmhub.errors import BadInput
from swarmhub.files import write_durably
from swarmhub.recipes.plan import standardises_own

FILE = "standardise.json"  # in the folder of what a hospital keeps of a study
HERE = "this hospital"

Scales = dict[str, tuple[float, float]]  # column -> mean, standard deviation


def scales_of(design: Design, statistics: bytes) -> Scales:
    """Return mean and standard deviation of each number of a design that a hospital's statistics
    document publishes, and that varies there."""
    columns = read_statistics(statistics)["columns"]
    found = {s.column: _scale_of(columns.get(s.column)) for s in design.sources if s.kind == NUMBER}
    return {column: scale for column, scale in found.items() if scale is not None}


def _scale_of(column: Json) -> tuple[float, float] | None:
    if column is None or column["kind"] != "numeric" or not column["count"]:
        return None
    mean = float.fromhex(column["mean"])
    sd = math.sqrt(float.fromhex(column["m2"]) / column["count"])
    return (mean, sd) if sd > 1e-9 * abs(mean) else None  # below it the variance is rounding


def with_scales(design: Design, scales: Mapping[str, tuple[float, float]], owner: str) -> Design:
    """Return the design with other means and standard deviations of some numbers: the owner's."""
    mean, sd = design.mean.copy(), design.sd.copy()
    for k, source in enumerate(design.sources):
        if source.kind == NUMBER and source.column in scales:
            mean[k], sd[k] = scales[source.column]
    return replace(design, mean=mean, sd=sd, owner=owner)


def make_local_design(spec: Spec, design: Design, statistics: bytes) -> Design:
    """Return the design by which a hospital with this statistics document makes its rows."""
    if not standardises_own(spec):
        return design
    return with_scales(design, scales_of(design, statistics), HERE)


def keep_scales(folder: Path, scales: Scales) -> None:
    """Keep a hospital's own means and standard deviations, for its copy of the model."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(folder / FILE, json.dumps(scales, ensure_ascii=False).encode())


def find_kept_design(spec: Spec, design: Design, folder: Path, owner: str) -> Design | None:
    """Return the design with the means and standard deviations that this hospital, the owner, has
    kept; None if the study has no own ones, or if it has not trained. Raises BadInput if they
    cannot be those of the design."""
    path = folder / FILE
    if not standardises_own(spec) or not path.exists():
        return None
    try:
        tree = json.loads(path.read_bytes())
        scales = {str(name): (float(mean), float(sd)) for name, (mean, sd) in tree.items()}
    except (AttributeError, TypeError, ValueError):
        scales = {"": (0.0, 0.0)}
    numbers = {s.column for s in design.sources if s.kind == NUMBER}
    values = np.array(list(scales.values())).reshape(-1, 2)
    if not (scales.keys() <= numbers and np.isfinite(values).all() and (values[:, 1] > 0).all()):
        raise BadInput(
            f"Expected mean and standard deviation of the study's numbers in {path}; remove the "
            "file, then start the trainer again."
        )
    return with_scales(design, scales, owner)
