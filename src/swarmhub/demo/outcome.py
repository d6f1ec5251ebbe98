"""What a demo is asked for, what it tells while it runs, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from swarmhub.demo.compare import Scores


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    root: Path
    label: str
    rounds: int
    model: str
    kill_leader: bool
    test: Path | None
    ledger: str = "sqlite"  # or "cometbft"


@dataclass
class RoundLine:
    """One settled training round, as it is shown."""

    number: int
    leader: str
    term: int
    members: list[str]
    missing: list[str]
    samples: int
    auc: float | None
    loss: float | None
    seconds: float


@dataclass
class Takeover:
    """A leader that was killed, and what became of its round."""

    round: int
    term: int
    frm: str
    to: str
    takeover_s: float


@dataclass
class Outcome:
    """Everything that the demo reports."""

    nodes: int
    rounds: int
    startup_s: float
    total_s: float
    lines: list[RoundLine]
    scores: Scores
    model_digest: str
    model_file: Path
    ledger: Path
    takeovers: list[Takeover]
    homes: list[Path]
    patients: int

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "nodes": self.nodes,
            "rounds": self.rounds,
            "startup_s": round(self.startup_s, 3),
            "round_s_median": round(median([x.seconds for x in self.lines] or [0.0]), 4),
            "total_s": round(self.total_s, 3),
            "leaders": [x.leader for x in self.lines],
            "auc": {
                "local": self.scores.local,
                "local_mean": self.scores.local_mean,
                "swarm": self.scores.swarm,
                "central": self.scores.central,
            },
            "model_digest": self.model_digest,
            "ledger": str(self.ledger),
            "takeovers": [
                {"round": t.round, "term": t.term, "from": t.frm, "to": t.to,
                 "takeover_s": round(t.takeover_s, 3)}
                for t in self.takeovers
            ],
        }  # fmt: skip


class Screen:
    """What a demo tells; the default says nothing."""

    def step(self, sentence: str) -> None:
        """Something is done."""

    def warn(self, sentence: str) -> None:
        """Something that a person should look at; the demo goes on."""

    def waiting(self, sentence: str) -> None:
        """What is waited for now."""

    def round(self, line: RoundLine) -> None:
        """A round is settled."""
