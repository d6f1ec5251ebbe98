"""The trainer for tables: one CSV of one hospital in a study, from statistics to the last model.

Each site describes its training rows (`data.statistics`), the descriptions are merged, every
site builds the same design from the merge, and the recipe named in the study's options
(`model = "logistic"` or `"mlp"`) is trained round by round. Held-out rows, where given, measure
every merged model at this site before training goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub import train
from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.statistics import Design, statistics_of
from swarmhub.data.tables import Table, read_table
from swarmhub.errors import TrainerError
from swarmhub.recipes.tabular import KINDS, TabularModel, make_model
from swarmhub.train.session import SwarmRound

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """A model over a design, ready to score tables."""

    design: Design
    model: TabularModel

    def score(self, parameters: Any, table: Table) -> dict[str, float]:
        """{"auc", "loss", "samples"} of the parameters on a labelled table."""
        assert table.label is not None
        probability = self.model.predict(parameters, self.design.matrix(table))
        found = {"loss": log_loss(table.label, probability), "samples": float(table.rows)}
        area = auc(table.label, probability)
        return found if area is None else {**found, "auc": area}


def make_fitted(kind: str, statistics: bytes, seed: int) -> Fitted:
    """The recipe over the design of merged statistics; equal at every site."""
    design = Design.from_statistics(statistics)
    known = next((k for k in KINDS if k == kind), None)
    if known is None:
        raise TrainerError(f"Expected a model out of {', '.join(KINDS)}, got {kind[:40]!r}.")
    return Fitted(design, make_model(known, design, seed))


def train_table(
    study: str,
    home: Path,
    data: Path,
    label: str,
    test: Path | None = None,
    say: Say = lambda sentence: None,
) -> str:
    """Take part in a study with a table until it is over; returns the last model's digest.

    `data` holds the training rows, `test` (optional) held-out rows of the same hospital.
    """
    table = read_table(data, label)
    held_out = read_table(test, label) if test else None
    with train.join(study, home, statistics_of(table), say) as swarm:
        if table.rows > swarm.samples:
            raise TrainerError(
                f"{data} has {table.rows} training rows, but this hospital enrolled with "
                f"{swarm.samples} samples; 'swarmhub study withdraw {study}', then enrol again "
                f"with --samples {table.rows}."
            )
        parts: dict[str, Any] = {}

        def make() -> dict[str, npt.NDArray[np.float64]]:
            if swarm.merged_statistics is None:
                raise TrainerError(f"'{study}' has no merged statistics; set statistics = true.")
            kind = swarm.spec.options.get("model", "logistic")
            fitted = make_fitted(kind, swarm.merged_statistics, swarm.spec.seed)
            for sentence in fitted.design.mismatched(table):
                say(sentence)
            parts["fitted"], parts["x"] = fitted, fitted.design.matrix(table)
            parts["parameters"] = {k: v.copy() for k, v in fitted.model.initial().items()}
            return parts["parameters"]  # type: ignore[no-any-return]

        def evaluate() -> dict[str, float] | None:
            if held_out is None:
                return None
            return parts["fitted"].score(parts["parameters"], held_out)  # type: ignore[no-any-return]

        for turn in swarm.rounds(make, evaluate):
            fit_once(parts, turn, table)
            say(f"round {turn.number}/{turn.rounds} trained on {table.rows} rows")
        return swarm.final


def fit_once(parts: dict[str, Any], turn: SwarmRound, table: Table) -> None:
    """One round's local training, in place."""
    model = parts["fitted"].model
    made, state = model.fit(parts["parameters"], parts["x"], table.label, turn.local)
    for name, array in made.items():
        np.copyto(parts["parameters"][name], array)
    turn.local = dict(state)
    turn.report(samples=table.rows)
