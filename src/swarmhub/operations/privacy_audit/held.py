"""A study, its models and this hospital's rows, as this node holds them: what an audit attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Model as Settled
from swarmhub.contract.records import Spec
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, BlobError, plain
from swarmhub.home.home import Home
from swarmhub.leakage.scores import mean_by_patient
from swarmhub.models.predict import Model
from swarmhub.operations.chosen_model import ChosenModel, choose_model
from swarmhub.operations.features import read_features
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.models import make_exported
from swarmhub.operations.studies import StudyShown, show_study
from swarmhub.params.buffer import arrays_from
from swarmhub.recipes import plan
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.linear.losses import Loss, loss_of
from swarmhub.recipes.preparing import Prepared, Sources, prepare
from swarmhub.recipes.site import Site, digest_data
from swarmhub.types import Digest, MemberId

LINEAR = ("logistic", "elastic_net")
LEAST, LEAST_ASIDE = 50, 10  # patients: of both parts, and of each

Scored = tuple[Floats, Floats]  # scores of members (u,), and of others (v,)


@dataclass(frozen=True)
class HeldStudy:
    """The part of a trainer's session that a `Site` needs, out of a ledger and a store."""

    spec: Spec
    study: str
    home: Path
    member: MemberId
    enrolled: tuple[MemberId, ...]
    results: Mapping[str, Any]
    store: BlobStore

    def result(self, stage: str) -> SimpleNamespace | None:
        """Return the last settled sums of a stage; None if they are not held here."""
        found = self.results.get(stage)
        layout = None if found is None else self.store.layout(found.layout)
        if found is None or layout is None or not self.store.find(found.digest):
            return None
        with self.store.path(found.digest).open("rb") as file:
            return SimpleNamespace(arrays=dict(arrays_from(file, layout)), turn=found.turn)


@dataclass(frozen=True)
class Held:
    """A study at this hospital. `models` are its settled models that this node holds, the oldest
    first, each once; the last one is the attacked one."""

    home: Home
    shown: StudyShown
    record: ChosenModel
    study: HeldStudy
    prepared: Prepared
    models: tuple[Model, ...]
    is_same_data: bool | None

    @property
    def spec(self) -> Spec:
        """The terms."""
        return self.record.spec

    @property
    def recipe(self) -> str:
        """The name of the recipe."""
        return plan.get_model(self.spec)

    @cached_property
    def loss(self) -> Loss | None:
        """The loss of a record; None if the outcome has none."""
        outcome = self.prepared.schema.outcome
        try:
            return loss_of(outcome.kind, len(outcome.classes) or 2)
        except ValueError:
            return None

    @cached_property
    def site(self) -> Site:
        """This hospital's rows as the study's features, for a linear recipe."""
        schema, study = self.prepared.schema, self.study
        store: BlobStore = study.store
        session: Any = study
        try:
            merged = read_features(self.spec, schema, store, self.record.statistics)
        except BadInput as error:
            raise BadInput(f"No features of '{self.spec.name}': {error}") from None
        design = make_design(merged, schema.declaration, schema)
        return Site(session, self.prepared, design, lambda sentence: None)

    @property
    def parts(self) -> tuple[Dataset, Dataset | None]:
        """The rows that were trained on, and those set aside."""
        return self.prepared.training, self.prepared.held

    def count(self) -> tuple[int, int]:
        """Return the patients that were trained on, and those set aside."""
        training, aside = self.parts
        return training.count_patients(), 0 if aside is None else aside.count_patients()

    def find_fault(self) -> str:
        """Return why no attack on single records can run, in one sentence; "" if they can."""
        members, others = self.count()
        if self.loss is None:
            return f"A model of the recipe '{plain(self.recipe, 40)}' has no loss of one record."
        if members + others < LEAST or min(members, others) < LEAST_ASIDE:
            return (
                f"Expected {LEAST} patients or more, {LEAST_ASIDE} of them trained on and "
                f"{LEAST_ASIDE} set aside, got {members} and {others}: too few to say anything."
            )
        return ""

    def losses(self, model: Model) -> Scored:
        """Return the losses under a model of the rows trained on, (n,), and set aside, (m,)."""
        training, aside = self.parts
        assert aside is not None
        return self._losses(model, training), self._losses(model, aside)

    def _losses(self, model: Model, rows: Dataset) -> Floats:
        assert self.loss is not None
        assert rows.y is not None
        y = rows.y
        if not self.loss.has_classes:
            response = model.exported.response
            y = (y - response.mean) / response.sd
        found: Floats = self.loss.each(y, model.margins(rows)[None])[0]
        return found

    def by_patient(self, members: Floats, others: Floats) -> Scored:
        """Return scores of rows as means of patients."""
        inside, outside = self.patients()
        return mean_by_patient(members, inside), mean_by_patient(others, outside)

    def patients(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return a number for the patient of each row trained on, (n,), and set aside, (m,); no
        patient is in both."""
        training, aside = self.parts
        assert aside is not None
        first = training.patient_codes()
        return first, aside.patient_codes() + int(first.max(initial=-1)) + 1


async def gather(home: Home, study: str, sources: Sources, chosen: str = "") -> Held:
    """Return what this node holds of a study that it trained in, with the rows in this hospital's
    files. Raises BadInput if there is no model, if this hospital is not in it, or if the rows are
    others than it trained on."""
    shown = await show_study(home, study, 0)
    async with open_client(home) as client:
        record, me = choose_model(client, study, model=chosen), client.me
    published = _need_trained(shown, me.id)
    prepared = prepare(record.spec, sources, Findings(strict=False))
    is_same = None if not published else digest_data(prepared, home.root) == published
    if is_same is False:
        raise BadInput(
            f"The rows in {sources.data.names} are not those that this hospital trained '{study}' "
            "on, so that nobody knows which of them the model has seen; give the files and options "
            "that its trainer had."
        )
    enrolled = tuple(sorted(e.member for e in shown.study.enrolled))
    store = BlobStore(home.blobs_path)
    held = HeldStudy(record.spec, study, home.root, me.id, enrolled, shown.results, store)
    models = _find_models(home, shown, record, sources.label)
    return Held(home, shown, record, held, prepared, models, is_same)


def _need_trained(shown: StudyShown, me: MemberId) -> Digest:
    """Return the digest of the data of this hospital's last contribution to the model, "" if it has
    none. Raises BadInput if it has contributed to none."""
    parts = [s for r in shown.rounds if r.model.kind == TRAIN for s in r.sites if s.member == me]
    merged = [part for part in parts if part.weight]
    if not merged:
        raise BadInput(
            f"This hospital is in no merged round of '{shown.spec.name}' of those whose blocks "
            "are held here, so that there is nothing of its patients to be found in the model."
        )
    return merged[-1].provenance.data


def _find_models(
    home: Home, shown: StudyShown, record: ChosenModel, label: str
) -> tuple[Model, ...]:
    every: Sequence[Settled] = [r.model for r in shown.rounds if r.model.kind == TRAIN]
    found = []
    for settled in {m.digest: m for m in every if m.digest != record.model.digest}.values():
        try:
            found.append(Model(make_exported(home, replace(record, model=settled), label)))
        except (BadInput, BlobError):
            continue  # not held any more
    return (*found, Model(make_exported(home, record, label)))
