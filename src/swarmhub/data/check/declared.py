"""Checks of a hospital's data against features that the terms alone give (`data.known`), before any
training: columns that it lacks, spells in another way or has beside them, and units.

Nothing is compared with other hospitals: their statistics do not leave them.
"""

from __future__ import annotations

import numpy as np

from swarmhub.data.cells import FLAG
from swarmhub.data.check.merged import outliers
from swarmhub.data.check.names import find_respelled, list_names, refuse_respelled, warn_of_lacking
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import NUMBER, Design
from swarmhub.data.findings import Findings
from swarmhub.data.known import REMEDY
from swarmhub.errors import plain

APART = 2.0  # declared standard deviations between the declared mean and the median here
LEAST = 10  # values


def check_declared(dataset: Dataset, design: Design, found: Findings) -> None:
    """Compare a dataset with the features of the terms, add what differs to `found`. Raises
    BadInput if the dataset has none of the study's columns."""
    needed, own = design.kinds, dataset.columns
    refuse_respelled(find_respelled(own, needed), "; write the study's names", found)
    warn_of_lacking(own, needed, "the study's terms do", found)
    _refuse_undeclared(dataset, needed, found)
    for sentence in design.mismatched(dataset):
        found.error("numbers or text", sentence)
    for sentence in outliers(design, dataset):
        found.say("far values", sentence)
    check_units(dataset, design, found)


def _refuse_undeclared(dataset: Dataset, needed: dict[str, bool], found: Findings) -> None:
    """Report an error if a column that the study's blocks take has neither scale nor levels: a
    hospital's own columns do not decide the features, and none is dropped in silence."""
    beside = [n for n in dataset.columns if n not in needed]
    flags = [n for n in beside if n.endswith(FLAG) and n.removesuffix(FLAG) in needed]
    if flags:
        said = f"Not used by the study, because its terms give them no scale: {list_names(flags)}."
        found.say("unused columns", said, flags[0])
    unknown = [name for name in beside if name not in flags]
    if unknown:
        found.error(
            "columns without a scale",
            f"The terms take the columns {list_names(unknown)}, but say neither scale nor levels "
            f"of them, and a study with privacy.dp merges no statistics; {REMEDY}, and propose the "
            "study anew; or take them out of this hospital's files.",
            unknown[0],
        )


def check_units(dataset: Dataset, design: Design, found: Findings) -> None:
    """Warn of columns with a median here that is far from the declared mean."""
    if dataset.is_sparse:
        return
    place = {name: k for k, name in enumerate(dataset.features)}
    for k, source in enumerate(design.sources):
        if source.kind != NUMBER or source.column not in place:
            continue
        values = dataset.x[:, place[source.column]]
        values = values[~np.isnan(values)]
        mean, sd = float(design.mean[k]), float(design.sd[k])
        if len(values) >= LEAST and abs(float(np.median(values)) - mean) > APART * sd:
            found.warn(
                "unit",
                f"Column '{plain(source.column, 60)}' has the median {np.median(values):.3g} here, "
                f"and the study declares a mean of {mean:.3g} (sd {sd:.3g}); is the unit the same, "
                "and is it transformed alike?",
                source.column,
            )
