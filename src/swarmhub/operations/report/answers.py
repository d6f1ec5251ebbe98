"""Answers to checklists: the facts that ledger and terms can give, and the questions that are left
for the authors. Nothing is answered beyond what is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swarmhub.errors import BadInput, plain
from swarmhub.models.architecture import need_architecture
from swarmhub.operations.report.gather import Reported

LISTED = 24  # names in a sentence; a consortium has no more hospitals


@dataclass(frozen=True)
class Answer:
    """An item of a checklist in plain words. `answer` is "" for an open question; `rest` is what
    the authors have to add to an answer."""

    item: str
    topic: str
    question: str
    answer: str = ""
    rest: str = ""


@dataclass(frozen=True)
class Known:
    """An answer, and what it leaves open."""

    answer: str
    rest: str = ""


def fill(questions: tuple[tuple[str, str, str], ...], known: dict[str, Known]) -> list[Answer]:
    """Return the items (item, topic, question) with the known answers."""
    found = []
    for item, topic, question in questions:
        one = known.get(item, Known(""))
        found.append(Answer(item, topic, question, one.answer, one.rest))
    return found


def list_hospitals(found: Reported) -> str:
    """Return the hospitals' names."""
    return list_names(site.name for site in found.sites)


def list_names(names: Iterable[str], most: int = LISTED) -> str:
    """Return strangers' names in a sentence, cut to length."""
    every = [plain(name, 60) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def name_other(recipe: str) -> str:
    """Return the name of a method that is not linear: its statistical name, if it is known."""
    try:
        return need_architecture(recipe).name
    except BadInput:
        return recipe


def say_leaks(found: Reported) -> str:
    """Return what keeps columns out that tell the outcome."""
    excluded = found.declared.exclude if found.declared else ()
    out = f" The terms exclude {list_names(excluded, 8)}." if excluded else ""
    return f"Columns that tell it almost alone are looked for in the data check.{out}"
