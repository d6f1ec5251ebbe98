"""The choice of a settled model: the newest, the best, or a released one, and its users."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.records import Model as Settled
from swarmhub.contract.records import Result, Spec, Study
from swarmhub.contract.results import get_document, get_results
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.errors import BadInput, plain
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class ChosenModel:
    """A study and the chosen model, as the ledger has them."""

    study: Study
    spec: Spec
    chain: str
    names: dict[MemberId, str]
    model: Settled
    statistics: Digest = ""
    evaluation: Result | None = None  # settled counts of the last model

    @property
    def round(self) -> int:
        """The training round that settled the model; 0 for the initial one."""
        return self.model.turn if self.model.kind == TRAIN else 0

    @property
    def is_released(self) -> bool:
        """Whether the members have released the model."""
        return is_released(self.study, self.model.digest)


def is_released(study: Study, model: Digest) -> bool:
    """Return whether the members have released a model."""
    return any(m.digest == model for m in study.released)


def choose_model(view: LedgerView, study: str, best: bool = False, model: str = "") -> ChosenModel:
    """Return the newest model, the `best`, or the one with a digest that begins with `model`, of
    these and the released ones. Raises BadInput if there is none, or if it is not released and this
    hospital is not enrolled."""
    from swarmhub.recipes.plan import EVALUATION  # loads all recipes

    record, spec = view.need_study(study), view.need_spec(study)
    found = _find(record, model) if model else record.best if best else record.current
    if found is None:
        raise BadInput(f"'{study}' has no {'best' if best else 'settled'} model yet.")
    _need_use(view, record, found.digest)
    merged = get_document(view.ledger.state, study)
    return ChosenModel(
        record, spec, view.ledger.tip.chain_id, view.names(), found,
        merged.digest if merged else "",
        get_results(view.ledger.state, study).get(EVALUATION),
    )  # fmt: skip


def list_usable(view: LedgerView, study: Study) -> list[Settled]:
    """Return the models that this hospital may use: the released ones, newest first, then, if it is
    enrolled, the newest and the best one."""
    own = [study.current, study.best] if _is_enrolled(view, study) else []
    every = [*reversed(study.released), *own]
    return list({m.digest: m for m in every if m is not None}.values())


def _find(study: Study, model: str) -> Settled:
    """Return the model with a digest that begins with a text. Raises BadInput if none or several
    do."""
    every = [study.current, study.best, *study.released]
    found = {m.digest: m for m in every if m is not None and m.digest.startswith(model)}
    if len(found) != 1:
        raise BadInput(
            f"Expected the beginning of the digest of the newest, the best or a released model of "
            f"'{study.name}', got '{plain(model, 64)}'; see 'swarmhub study show {study.name}'."
        )
    return next(iter(found.values()))


def _need_use(view: LedgerView, study: Study, model: Digest) -> None:
    if not is_released(study, model) and not _is_enrolled(view, study):
        raise BadInput(
            f"The model {model[:16]}… of '{study.name}' is not released, so that only the "
            "hospitals that are enrolled may use it."
        )


def _is_enrolled(view: LedgerView, study: Study) -> bool:
    me = next((m.id for m in view.members() if m.account == view.public), None)
    return me is not None and study.samples_of(me) is not None
