"""The contents of a report, gathered from the ledger and from what this node holds."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Declaration, Model, Result, Spec
from swarmhub.contract.results import get_document
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.data.design import CATEGORY, Design
from swarmhub.data.schema import Schema, declare_label
from swarmhub.errors import BadInput, BlobError
from swarmhub.evaluation.survival import Agreed
from swarmhub.home.home import Home
from swarmhub.models.architecture import name_method
from swarmhub.operations.budgets import StudyBudget, make_study_budget
from swarmhub.operations.features import read_features
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.privacy_audit.contents import Audit
from swarmhub.operations.privacy_audit.kept import read_audit
from swarmhub.operations.report.features import Feature, list_features
from swarmhub.operations.studies import StudyShown, show_study
from swarmhub.operations.terms import say_terms
from swarmhub.params.buffer import arrays_from
from swarmhub.recipes import elastic_net, plan
from swarmhub.recipes.contribution import Contribution, read_contribution
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.linear.elastic import curves_of
from swarmhub.recipes.linear.folds import STRENGTHS, Plan, choose, curves, mean_of
from swarmhub.recipes.linear.losses import loss_of
from swarmhub.recipes.site import RECORD_FILE
from swarmhub.recipes.stages import FIXED, FIXED_BY_DEFAULT
from swarmhub.recipes.standardise import find_kept_design
from swarmhub.recipes.survival.agreed import read_agreed
from swarmhub.types import Digest


@dataclass(frozen=True)
class SiteReported:
    """One hospital: its part in the model, and the figures that it published under its name."""

    name: str
    rows: int  # training rows of its last merged contribution
    software: str
    data: Digest  # keyed digest of its data
    figures: dict[str, float]  # of the last model, on its own test patients
    curve: list[float | None]  # the study's metric by training round
    took_part: list[bool]  # by training round
    is_private: bool = False  # its figures stay with it, in a study with noise
    is_masked: bool = False  # figures of one hospital do not leave it


@dataclass(frozen=True)
class Reported:
    """All that a report shows. `counts` are the settled sums of the evaluation by array name,
    `record` what this hospital alone knows (its data check, and its own evaluation)."""

    study: str
    title: str
    chain: str
    spec: Digest
    terms: list[tuple[str, str]]
    outcome: dict[str, Any]
    recipe: str
    model: Digest
    layout: Digest
    rounds: int
    class_rows: tuple[int, ...]
    sites: tuple[SiteReported, ...]
    mean_curve: list[float | None]
    metric: str
    threshold: float
    features: tuple[Feature, ...]
    unused: dict[str, list[str]]  # why -> columns that the model does not use
    penalty: dict[str, Any] = field(default_factory=dict)  # strengths, losses, chosen, rounds
    counts: dict[str, list[Any]] = field(default_factory=dict)
    subgroups: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    hospital: str = ""  # at which the report was made
    declared: Declaration | None = None  # None: a table with a label of 0 and 1
    settled_ms: int = 0  # time of the block that settled the model
    results: dict[str, Digest] = field(default_factory=dict)  # settled results by stage
    ethics: Digest = ""  # document that the terms name
    scale: tuple[float, float] = (0.0, 1.0)  # mean and deviation of a measured outcome in training
    contribution: Contribution | None = None  # of each enrolled hospital
    enrolled: tuple[str, ...] = ()  # names of these
    agreed: Agreed | None = None  # terms of the evaluation of times, out of the model
    is_standardised_apart: bool = False  # numbers, with each hospital's own mean
    leakage: Audit | None = None  # the last privacy audit of this hospital
    budget: StudyBudget | None = None  # of a study with differential privacy
    is_private: bool = False  # differential privacy: `class_rows` and `scale` are the terms' alone

    @property
    def kind(self) -> str:
        """The kind of the outcome."""
        return str(self.outcome.get("kind", "binary"))

    @property
    def trained(self) -> int:
        """The rows of the newest contribution of each hospital."""
        return sum(site.rows for site in self.sites)

    @property
    def method(self) -> str:
        """The statistical name of the recipe."""
        outputs = len(self.class_rows) if len(self.class_rows) > 2 else 1
        return name_method(self.recipe, self.outcome.get("kind", "binary"), outputs)


async def gather(home: Home, study: str) -> Reported:
    """Gather what the ledger and this node's store know of a study that has a model. Raises
    BadInput if there is none, or it is no study over tables."""
    shown = await show_study(home, study, 0)
    async with open_client(home) as client:
        chain = client.ledger.tip.chain_id
        merged = get_document(client.ledger.state, study)
    return gather_shown(home, shown, chain, merged.digest if merged else "")


def gather_shown(home: Home, shown: StudyShown, chain: str, merged: Digest) -> Reported:
    """Gather the same of a study as it is shown, with all its rounds; `merged` is the digest of its
    merged statistics, "" if it has none."""
    name, model = shown.study.name, shown.study.current
    if model is None or model.kind != TRAIN:
        raise BadInput(f"'{name}' has no trained model yet; a report says how good it is.")
    store = BlobStore(home.blobs_path)
    declared = shown.spec.data or declare_label("label")
    try:
        document = read_features(shown.spec, Schema.of(declared), store, merged)
    except BadInput:
        raise BadInput(
            f"The merged statistics of '{name}' are not held here, or it has none; a report needs "
            "a study over tables at a node that took part."
        ) from None
    return _Gathering(home, store, shown, chain, document).reported(model)


@dataclass(frozen=True)
class _Gathering:
    home: Home
    store: BlobStore
    shown: StudyShown
    chain: str
    document: bytes

    def reported(self, model: Model) -> Reported:
        """Return the report's contents."""
        spec, design, schema = self.shown.spec, *self._design()
        training = [r for r in self.shown.rounds if r.model.kind == TRAIN]
        return Reported(
            study=spec.name,
            title=spec.title,
            chain=self.chain,
            spec=model.spec,
            terms=say_terms(self.shown),
            outcome=dataclasses.asdict(schema.outcome),
            recipe=plan.get_model(spec),
            model=model.digest,
            layout=model.layout,
            rounds=len(training),
            class_rows=design.class_rows,
            sites=self._sites(model),
            mean_curve=[_metric(r.mean.metrics, spec) if r.mean else None for r in training],
            metric=spec.metric.name,
            threshold=schema.threshold,
            features=self._features(model, design, schema),
            unused=self._unused(design, schema),
            penalty=self._penalty(design, schema),
            counts=self._counts(),
            subgroups=tuple(
                s.name for s in design.sources
                if s.kind == CATEGORY and schema.outcome.kind == "binary"
                and s.column.split("/")[-1] in schema.declaration.subgroups
            ),
            record=self._record(),
            hospital=self.home.config.name,
            declared=spec.data,
            settled_ms=training[-1].time_ms if training else 0,
            results={name: result.digest for name, result in self.shown.results.items()},
            ethics=spec.ethics,
            scale=design.outcome,
            contribution=self._contribution(design, schema),
            enrolled=tuple(self.shown.name(e.member) for e in self.shown.study.enrolled),
            agreed=self._agreed(model, schema),
            is_standardised_apart=plan.standardises_own(spec),
            leakage=read_audit(self.home, spec.name),
            budget=make_study_budget(spec, self.shown.spent, self.shown.names),
            is_private=spec.privacy.dp is not None,
        )  # fmt: skip

    def _design(self) -> tuple[Design, Schema]:
        declared = self.shown.spec.data or declare_label("label")
        schema = Schema.of(declared)
        return make_design(self.document, declared, schema), schema

    def _sites(self, model: Model) -> tuple[SiteReported, ...]:
        training = [r for r in self.shown.rounds if r.model.kind == TRAIN]
        members = sorted({s.member for r in training for s in r.sites})
        found = []
        for member in members:
            parts = [next((s for s in r.sites if s.member == member), None) for r in training]
            last = next((p for p in reversed(parts) if p is not None and p.weight), None)
            measured = parts[-1].merged if parts and parts[-1] else None
            found.append(
                SiteReported(
                    name=self.shown.name(member),
                    rows=(last.weight or 0) if last else 0,
                    software=last.provenance.software if last else "",
                    data=last.provenance.data if last else "",
                    figures={
                        **{k: v / 1e6 for k, v in (measured.metrics if measured else {}).items()},
                        **({"samples": float(measured.samples)} if measured else {}),
                    },
                    curve=[_metric(p.merged.metrics, self.shown.spec) if p and p.merged else None
                           for p in parts],
                    took_part=[bool(p and p.weight) for p in parts],
                    is_private=self.shown.spec.privacy.dp is not None,
                    is_masked=self.shown.spec.privacy.masked,
                )
            )  # fmt: skip
        return tuple(found)

    def _arrays(self, digest: Digest, layout: Digest) -> dict[str, Any]:
        known = self.store.layout(layout)
        if known is None or not self.store.find(digest):
            return {}
        try:
            with self.store.path(digest).open("rb") as file:
                return arrays_from(file, known)
        except (OSError, BlobError):
            return {}

    def _features(self, model: Model, design: Design, schema: Schema) -> tuple[Feature, ...]:
        folder = self.home.local_path(self.shown.spec.name)
        own = find_kept_design(self.shown.spec, design, folder, self.home.config.name)
        return list_features(self._arrays(model.digest, model.layout), own or design, schema)

    def _unused(self, design: Design, schema: Schema) -> dict[str, list[str]]:
        document = codec.decode(self.document, len(self.document), len(self.document))
        used = design.kinds
        found: dict[str, list[str]] = {}
        for name, column in document["columns"].items():
            if name not in used:
                found.setdefault(_why(column, int(document["rows"]), schema), []).append(name)
        return found

    def _penalty(self, design: Design, schema: Schema) -> dict[str, Any]:
        result = self.shown.results.get(plan.CHOICE)
        grid = self.shown.results.get(plan.PENALTY)
        path = self.shown.results.get(elastic_net.PATH)
        if path is not None:
            sums = self._result(path)
            return {} if not sums else _say_path(curves_of(sums), path.turn)
        if result is None or grid is None:
            strength = plan.read_penalty(self.shown.spec)
            if strength is None and plan.get_model(self.shown.spec) in FIXED_BY_DEFAULT:
                strength = FIXED
            return {} if strength is None else {"chosen": strength}
        sums = self._result(result)
        if not sums:
            return {}
        loss = loss_of(schema.outcome.kind, len(schema.outcome.classes) or 2)
        tried = Plan(design.class_rows, loss=loss)
        by_fold = curves(tried, np.asarray(sums["held"]), np.asarray(sums["held_weight"]))
        return _say_path(by_fold, grid.turn)

    def _contribution(self, design: Design, schema: Schema) -> Contribution | None:
        models, losses = (self.shown.results.get(n) for n in (plan.LEFT_OUT, plan.CONTRIBUTION))
        if models is None or losses is None:
            return None
        sums, added = self._result(models), self._result(losses)
        if not sums or not added:
            return None
        loss = loss_of(schema.outcome.kind, len(schema.outcome.classes) or 2)
        size = loss.outputs * (len(design.sources) + 1)
        return read_contribution(len(self.shown.study.enrolled), size, sums, added)

    def _agreed(self, model: Model, schema: Schema) -> Agreed | None:
        """Return what a model of times says of its evaluation; None if it is no such model, is not
        held here, or contradicts itself."""
        if schema.outcome.kind != "time_to_event":
            return None
        try:
            return read_agreed(self._arrays(model.digest, model.layout), schema.outcome.horizon)
        except (BadInput, KeyError, ValueError):
            return None

    def _result(self, result: Result) -> dict[str, Any]:
        return self._arrays(result.digest, result.layout)

    def _counts(self) -> dict[str, list[Any]]:
        result = self.shown.results.get(plan.EVALUATION)
        return {} if result is None else {k: v.tolist() for k, v in self._result(result).items()}

    def _record(self) -> dict[str, Any]:
        path = Path(self.home.root) / "local" / self.shown.spec.name / RECORD_FILE
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _metric(metrics: dict[str, int], spec: Spec) -> float | None:
    value = metrics.get(spec.metric.name)
    return None if value is None else value / 1e6


def _why(column: Any, rows: int, schema: Schema) -> str:
    here = column["count"] + column.get("withheld", 0)
    if not column["count"] and column.get("withheld"):
        return "each hospital has too few patients of one of its values"
    if here < (1 - schema.max_missing) * rows or not column["count"]:
        return f"missing in more than {schema.max_missing:.0%} of the rows"
    if column["kind"] == "text":
        return "texts without a category that is frequent enough"
    return "the same value throughout"


def _say_path(by_fold: Any, rounds: int) -> dict[str, Any]:
    """Return the penalties that were tried, their mean losses over folds (F, G) -> (G,), and the
    choice."""
    return {
        "strengths": list(STRENGTHS),
        "losses": [float(v) for v in mean_of(by_fold)],
        "chosen": STRENGTHS[choose(by_fold)],
        "rounds": rounds,
    }
