"""Options of a demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from swarmhub.contract.records import MergeRule


@dataclass(frozen=True)
class Options:
    """The user's options."""

    root: Path
    label: str
    rounds: int
    model: str
    kill_leader: bool
    test: Path | None
    ledger: str = "sqlite"  # or "cometbft"
    positive: str = ""  # the label's word for 1; "" for a label of 0 and 1
    patient: str = ""  # column
    sample: str = ""  # column that joins a hospital's files
    exclude: tuple[str, ...] = ()
    hub: bool = False  # the pages of the first hospital, while it runs and after
    hub_auto: bool = False  # nothing is left to the visitor
    merge: MergeRule = field(default_factory=MergeRule)  # of the training rounds
    privacy: str = "plain"  # or "masked", "dp", "masked,dp"
    epsilon: str = ""  # of "dp"; "": the usual one
