"""The contents of an audit: each attack with its figures, and the conditions of all."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.operations.results import NamedFigure
from swarmhub.types import Digest

FORM = "swarmhub/privacy-audit/1"


@dataclass(frozen=True)
class Attack:
    """An attack: what it does, what its figures show and do not show. `reason` says in one sentence
    why it could not run; there are no figures then. `note` is a condition of this run."""

    name: str
    does: str
    shows: str
    hides: str
    figures: tuple[NamedFigure, ...] = ()
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class Audit:
    """An audit. `members` are this hospital's patients that the model was trained on, `others`
    those that it had set aside; `rows` are those of both. `is_same_data` is None if the ledger has
    no digest of the data that were trained on."""

    study: str
    chain: str
    hospital: str
    model: Digest
    terms: Digest
    round: int  # training round
    recipe: str
    privacy: str  # "plain", "masked" (members read sums alone), "dp" (with noise), "masked,dp"
    members: int
    others: int
    rows: int
    is_same_data: bool | None
    seed: int
    made_ms: int
    software: str
    attacks: tuple[Attack, ...]
    form: str = FORM
