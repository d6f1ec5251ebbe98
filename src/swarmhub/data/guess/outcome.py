"""A guess of the outcome: by the name of a column, and by its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarmhub.contract.records import Outcome
from swarmhub.data.guess.columns import Column
from swarmhub.data.schema import fold_word
from swarmhub.errors import BadInput, plain

MOST_CLASSES = 10


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# words in the names of columns
STRONG = _set("outcome label target diagnosis diagnose dx class y")
GOOD = _set(
    "disease cancer case status relapse recurrence event death dead died deceased mortality "
    "response responder progression group condition phenotype malignant tumor tumour "
    "readmission verstorben rezidiv ereignis erkrankung krankheit befund klasse gruppe"
)
RATHER_INPUTS = _set("sex gender geschlecht smoker smoking raucher age alter")
EVENTS = _set(
    "event status death dead died deceased mortality relapse recurrence progression os pfs "
    "dfs rfs censored vital verstorben ereignis rezidiv"
)
TIMES = _set("time days months weeks duration followup survival tte zeit tage monate dauer")
NO_TIMES = _set("age alter birth since")
# words of outcomes
POSITIVE = _set(
    "yes true positive pos present case cases disease diseased dead died deceased death "
    "event relapse malignant abnormal responder ja krank positiv verstorben tot vorhanden"
)
NEGATIVE = _set(
    "no false negative neg absent control controls ctrl healthy alive censored benign "
    "normal nonresponder non-responder nein gesund negativ lebend"
)


@dataclass(frozen=True)
class GuessedOutcome:
    """An outcome, and why it is taken for one, in words."""

    outcome: Outcome
    why: tuple[str, ...]
    unknown: tuple[str, ...] = ()  # words of the column for "not known"


def guess_outcome(columns: Sequence[Column], wanted: str = "") -> GuessedOutcome:
    """Return the outcome that a study over these columns would have: of the column `wanted`, else
    of the likeliest one. Raises BadInput if there is none."""
    if wanted:
        chosen = next((c for c in columns if c.name == wanted), None)
        if chosen is None:
            names = ", ".join(plain(c.name, 40) for c in columns[:8])
            raise BadInput(
                f"Expected the outcome among the columns of the files ({names}"
                f"{', ...' if len(columns) > 8 else ''}), got '{plain(wanted, 60)}'."
            )
        why = f"the column '{plain(wanted, 60)}', which was named"
    else:
        scored = [(score(c, k, len(columns)), k, c) for k, c in enumerate(columns)]
        best, _, chosen = max(scored, key=lambda s: s[:2], default=(0.0, 0, None))
        if chosen is None or best <= 0:
            raise BadInput(
                "Expected a column that may be an outcome (two values, a few words, or a name such "
                "as 'diagnosis'), found none; name it (--outcome)."
            )
        reason = "its name" if name_score(chosen) else "its values: it has only"
        why = f"the column '{plain(chosen.name, 60)}', by {reason}"
        why += f" {chosen.distinct}" if not name_score(chosen) else ""
    return _describe(chosen, columns, why)


def name_score(column: Column) -> float:
    """Return how much a column's name is that of an outcome."""
    tokens = column.tokens
    if tokens & RATHER_INPUTS:
        return 0.0
    if tokens & STRONG:
        return 4.0 if len(tokens) == 1 else 3.0
    return 2.0 if tokens & GOOD else 0.0


def score(column: Column, place: int, count: int) -> float:
    """Return how likely a column is the outcome; 0 or less: it cannot be. Of two that are as
    likely, tables have the outcome last."""
    if column.why or column.distinct < 2:
        return 0.0
    named = name_score(column)
    if column.distinct == 2:
        by_values = 1.5
    elif column.distinct <= MOST_CLASSES and (column.values is None or named):
        by_values = 0.75
    elif column.values is not None and named >= 3.0:
        by_values = 0.25
    else:
        return 0.0
    likely = named + by_values + (0.4 if place == count - 1 else 0.0)
    return likely - (1.4 if column.tokens & RATHER_INPUTS else 0.0)


def _describe(column: Column, columns: Sequence[Column], why: str) -> GuessedOutcome:
    name = column.name
    if column.distinct < 2:
        raise BadInput(f"'{plain(name, 60)}' has one value only; it cannot be an outcome.")
    if column.distinct == 2:
        positive, how = choose_positive(column.words)
        negative = next(w for w in column.words if w != positive)
        said: tuple[str, ...] = (f"{why}; '{plain(positive, 30)}' means yes, {how}",)
        time = find_time(column, columns)
        if time is not None:
            said += (f"the column '{plain(time.name, 60)}' is the time to it, by its name",)
            found = Outcome(name, "time_to_event", (positive,), (negative,), time=time.name)
            return GuessedOutcome(found, said, column.unknown)
        return GuessedOutcome(Outcome(name, "binary", (positive,), (negative,)), said,
                              column.unknown)  # fmt: skip
    if column.values is not None and (column.distinct > MOST_CLASSES or not column.is_whole):
        return GuessedOutcome(Outcome(name, "continuous"), (f"{why}; it is a number",),
                              column.unknown)  # fmt: skip
    if not column.words or column.distinct > MOST_CLASSES:
        raise BadInput(
            f"'{plain(name, 60)}' has {column.distinct} different words, too many for the classes "
            "of an outcome; name another column (--outcome)."
        )
    classes = tuple(sorted(column.words, key=_order))
    said = (f"{why}; its {len(classes)} values are classes",)
    return GuessedOutcome(Outcome(name, "classes", classes=classes), said, column.unknown)


def choose_positive(words: Sequence[str]) -> tuple[str, str]:
    """Return which of two words means that the outcome is there, and how that is known. The words
    are given with the more frequent one first."""
    if all(_order(w)[0] == 0 for w in words):
        return max(words, key=_order), "as the larger number"
    by_fold = {fold_word(w): w for w in words}
    for fold, word in by_fold.items():
        other = next(f for f in by_fold if f != fold) if len(by_fold) == 2 else ""
        if (fold in POSITIVE and other not in POSITIVE) or (
            other in NEGATIVE and fold not in NEGATIVE
        ):
            return word, "as the word says"
    return words[-1], "as the rarer word: check it"


def find_time(event: Column, columns: Sequence[Column]) -> Column | None:
    """Return the column with the time to an event; None if there is none, or more than one."""
    if not event.tokens & EVENTS:
        return None
    able = [
        c
        for c in columns
        if c.tokens & TIMES
        and not c.tokens & NO_TIMES
        and c is not event
        and c.values is not None
        and c.distinct > 5
        and not np.isnan(c.values).any()
        and bool((c.values >= 0).all())
    ]
    alike = [c for c in able if c.tokens & event.tokens]
    chosen = alike or able
    return chosen[0] if len(chosen) == 1 else None


def _order(word: str) -> tuple[int, float, str]:
    """Return a key that sorts numbers by size, before words."""
    try:
        return 0, float(word), ""
    except ValueError:
        return 1, 0.0, word
