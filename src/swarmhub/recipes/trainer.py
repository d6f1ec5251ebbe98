"""The trainer for tables: one CSV of one hospital in a study, from statistics to the last model.

Each site describes its training rows (`data.summaries`), the descriptions are merged, every site
builds the same design from the merge, and the recipe named in the study's options (`model =
"logistic"` or `"mlp"`) is trained round by round. Held-out patients (a file of their own, or a part
of the table) measure every merged model at this site before training goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub import train
from swarmhub.contract.round.kinds import DESCRIBE
from swarmhub.contract.stages import get_stages
from swarmhub.data.agreement import compare, fold
from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.split import split_patients
from swarmhub.data.summaries import Design, statistics_of
from swarmhub.data.tables import Table, read_table
from swarmhub.errors import BadInput, TrainerError, plain
from swarmhub.recipes.tabular import KINDS, TabularModel, make_model
from swarmhub.train.session import Swarm
from swarmhub.train.training import SwarmRound

Say = Callable[[str], None]

HOLD_OUT = 0.2  # of the patients of each class, if no file with held-out ones is given
MEASURED = ("auc", "loss")


@dataclass(frozen=True)
class Source:
    """A hospital's files and the way to read them. `test` has held-out patients; if it is None,
    `hold_out` (0 to 0.5) of the patients in `data` are set aside. `patient` names the column that
    says which rows are of the same patient."""

    data: Path
    label: str
    test: Path | None = None
    patient: str | None = None
    hold_out: float = HOLD_OUT

    def read(self, study: str, say: Say) -> tuple[Table, Table | None]:
        """Return (training, held-out) tables; None if nobody is held out. Notes on them for a
        person go to `say`."""
        if not 0.0 <= self.hold_out <= 0.5:
            raise BadInput(f"Expected to hold out 0 to 0.5 of the patients, got {self.hold_out:g}.")
        table = read_table(self.data, self.label, self.patient)
        for sentence in table.notes:
            say(sentence)
        if self.test is not None:
            return table, self._read_test(table, say)
        if self.hold_out == 0.0:
            return table, None
        training, held = split_patients(table, seed_of(study), self.hold_out)
        if not held.rows:
            return training, None
        say(
            f"{held.rows} of {table.rows} rows are held out for evaluation, the same after every "
            "start, and not trained on; --test gives other patients, --hold-out another share."
        )
        return training, held

    def _read_test(self, table: Table, say: Say) -> Table:
        assert self.test is not None
        held = read_table(self.test, self.label, self.patient)
        for sentence in held.notes:
            say(sentence)
        lacking = [name for name in table.columns if name not in held.columns]
        spelled = {fold(name): name for name in held.columns if name not in table.columns}
        for name in lacking:
            other = spelled.get(fold(name))
            if other is not None:
                raise BadInput(
                    f"{self.test.name} has '{plain(other, 60)}' for '{plain(name, 60)}' in "
                    f"{self.data.name}; name columns alike in both files."
                )
        if lacking:
            say(
                f"{self.test.name} lacks {len(lacking)} columns of {self.data.name}, the first is "
                f"'{plain(lacking[0], 60)}'; they count as missing there."
            )
        if table.patients is not None and held.patients is not None:
            known = {p for p in table.patients if p.startswith("id ")}
            both = known & set(held.patients)
            if both:
                say(
                    f"{len(both)} patients of {self.test.name} are in {self.data.name}, too: what "
                    "is measured on them is too good."
                )
        return held


def seed_of(study: str) -> int:
    """Return the seed of a study's held-out patients: the same at every start, another in every
    study."""
    return int.from_bytes(hashlib.sha256(f"hold out {study}".encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Fitted:
    """A model over a design, ready to score tables."""

    design: Design
    model: TabularModel

    def score(self, parameters: Any, table: Table) -> dict[str, float]:
        """Return {"auc", "loss", "samples"} of the parameters on a labelled table."""
        assert table.label is not None
        probability = self.model.predict(parameters, self.design.matrix(table))
        found = {"loss": log_loss(table.label, probability), "samples": float(table.rows)}
        area = auc(table.label, probability)
        return found if area is None else {**found, "auc": area}


def make_fitted(kind: str, statistics: bytes, seed: int) -> Fitted:
    """Return the recipe over the design of merged statistics; equal at every site."""
    design = Design.from_statistics(statistics)
    known = next((k for k in KINDS if k == kind), None)
    if known is None:
        raise TrainerError(f"Expected a model out of {', '.join(KINDS)}, got {kind[:40]!r}.")
    return Fitted(design, make_model(known, design, seed))


def train_table(study: str, home: Path, source: Source, say: Say = lambda sentence: None) -> str:
    """Take part in a study with a table until it is over; return the last model's digest, "" if
    this node does not hold it."""
    table, held_out = source.read(study, say)
    with train.join(study, home, statistics_of(table), say) as swarm:
        if table.rows > swarm.samples:
            raise TrainerError(
                f"{source.data} has {table.rows} training rows, but this hospital enrolled with "
                f"{swarm.samples} samples; 'swarmhub study withdraw {study}', then enrol again "
                f"with --samples {table.rows}."
            )
        site = _Site(swarm, table, held_out, say)
        swarm.explain_no_say = explain_no_say
        try:
            for turn in swarm.rounds(site.make, site.evaluate):
                site.fit(turn)
                say(f"round {turn.number}/{turn.rounds} trained on {table.rows} rows")
        except _Over:
            say(f"The study '{study}' is over; its merged statistics are not held here.")
        return swarm.final


class _Over(Exception):
    """Raised if the study was over before this trainer began, and the node holds no statistics of
    it."""


class _Site:
    """A trainer's state from round to round."""

    def __init__(self, swarm: Swarm, table: Table, held_out: Table | None, say: Say) -> None:
        self._swarm, self._table, self._held_out, self._say = swarm, table, held_out, say
        self._has_looked = False

    def make(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the study's model, once the merged statistics are known."""
        swarm = self._swarm
        if all(stage.kind != DESCRIBE for stage in get_stages(swarm.spec)):
            raise TrainerError(
                f"'{swarm.study}' merges no statistics, which a study over tables needs; propose "
                "it with statistics = true."
            )
        if swarm.merged_statistics is None:
            raise _Over  # while a study runs there is no task without them
        kind = swarm.spec.options.get("model", "logistic")
        self.fitted = make_fitted(kind, swarm.merged_statistics, swarm.spec.seed)
        self._x = self.fitted.design.matrix(self._table)
        self.parameters = {k: v.copy() for k, v in self.fitted.model.initial().items()}
        return self.parameters

    def evaluate(self) -> dict[str, float] | None:
        """Measure the model in `parameters` on the held-out patients of this site; before the first
        round, report or refuse columns that this site and the study do not share."""
        found = None
        if self._held_out is not None:
            found = self.fitted.score(self.parameters, self._held_out)
        if not self._has_looked:
            self._has_looked = True
            self._look()
        return found

    def _look(self) -> None:
        assert self._swarm.merged_statistics is not None
        design = self.fitted.design
        for sentence in compare(self._table, design, self._swarm.merged_statistics):
            self._say(sentence)
        if self._held_out is not None:
            for sentence in design.mismatched(self._held_out):
                self._say(f"Held-out rows: {sentence}")

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place."""
        assert self._table.label is not None
        local: Any = turn.local
        made, state = self.fitted.model.fit(self.parameters, self._x, self._table.label, local)
        for name, array in made.items():
            np.copyto(self.parameters[name], array)
        turn.local = dict(state)
        turn.report(samples=self._table.rows)


def explain_no_say(metric: str, measured: Mapping[str, float]) -> str:
    """Return why a site that has measured this on its held-out patients has no say in which model
    is the best; "" if it has one."""
    if metric in measured:
        return ""
    if not measured:
        why = "No patients are held out here"
    elif metric not in MEASURED:
        known = " and ".join(MEASURED)
        why = f"The study's metric is '{plain(metric, 40)}', and this trainer measures {known}"
    else:
        why = f"The patients held out here have one label only, which gives no {metric}"
    return (
        f"{why}: this hospital has no say in which model is the best, and if no hospital has, no "
        "best model is chosen."
    )
