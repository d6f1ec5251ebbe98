"""Findings of a look at a hospital's data, for the person at the keyboard.

An error stops the hospital before anything is promised; a warning wants a person's eye; the rest is
said. A trainer stops at the first error (`strict`); `data check` collects them all. No finding
shows a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from swarmhub.errors import BadInput

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One finding. `topic` names its kind, `column` the column that it is about, if it is one."""

    level: Level
    topic: str
    sentence: str
    column: str = ""


@dataclass
class Findings:
    """Findings in the order in which they came. `strict`: raise BadInput at the first error."""

    strict: bool = True
    found: list[Finding] = field(default_factory=list)

    def error(self, topic: str, sentence: str, column: str = "") -> None:
        """Add an error. Raises BadInput with its sentence if `strict`."""
        self.found.append(Finding("error", topic, sentence, column))
        if self.strict:
            raise BadInput(sentence)

    def warn(self, topic: str, sentence: str, column: str = "") -> None:
        """Add a warning."""
        self.found.append(Finding("warning", topic, sentence, column))

    def say(self, topic: str, sentence: str, column: str = "") -> None:
        """Add what a person should know."""
        self.found.append(Finding("info", topic, sentence, column))

    @property
    def sentences(self) -> tuple[str, ...]:
        """All sentences, in order."""
        return tuple(f.sentence for f in self.found)

    @property
    def has_errors(self) -> bool:
        """Whether the hospital cannot take part as its data are."""
        return any(f.level == "error" for f in self.found)
