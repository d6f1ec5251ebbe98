"""Progress reports of a demo, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from swarmhub import codec
from swarmhub.demo.compare import Scores
from swarmhub.operations.budgets import StudyBudget


@dataclass
class RoundLine:
    """One settled training round, for display."""

    number: int
    leader: str
    term: int
    members: list[str]
    missing: list[str]
    samples: int
    score: float | None  # the study's main figure
    loss: float | None
    seconds: float


@dataclass
class Takeover:
    """A killed leader, and the outcome of its round."""

    round: int
    term: int
    frm: str
    to: str
    takeover_s: float


@dataclass
class Outcome:
    """The report of a demo."""

    nodes: int
    rounds: int
    startup_s: float
    total_s: float
    lines: list[RoundLine]
    scores: Scores
    model_digest: str
    model_folder: Path
    report: Path
    ledger: Path
    takeovers: list[Takeover]
    homes: list[Path]
    patients: int
    strength: str = ""  # the penalty that the swarm has chosen
    measure: str = "AUC"  # the main figure, for people
    privacy: str = "plain"
    hidden: tuple[str, ...] = ()  # what others did not see, and what they did, for people
    budget: StudyBudget | None = None  # of a study with noise

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
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
                "own": {
                    name: {"value": f.value, "low": f.low, "high": f.high, "patients": f.support}
                    for name, f in self.scores.own.items()
                },
            },
            "privacy": self.privacy,
            "budget": None if self.budget is None else codec.to_json(self.budget),
            "model_digest": self.model_digest,
            "model": str(self.model_folder),
            "report": str(self.report),
            "ledger": str(self.ledger),
            "takeovers": [
                {"round": t.round, "term": t.term, "from": t.frm, "to": t.to,
                 "takeover_s": round(t.takeover_s, 3)}
                for t in self.takeovers
            ],
        }  # fmt: skip


class Screen:
    """Progress reports of a demo; by default nothing is shown."""

    def step(self, sentence: str) -> None:
        """Report a completed step."""

    def warn(self, sentence: str) -> None:
        """Report a problem for a person; the demo goes on."""

    def waiting(self, sentence: str) -> None:
        """Report what the demo waits for now."""

    def round(self, line: RoundLine) -> None:
        """Report a settled round."""
