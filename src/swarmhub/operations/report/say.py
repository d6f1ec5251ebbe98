"""The sentences of a report that all kinds of outcomes share: figures as counts of a hundred, the
choice of the penalty, and the reason for every figure that is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable

from swarmhub.errors import plain
from swarmhub.operations.report.contents import Evaluated, Measured, Penalty, Report

MODELS = {
    "swarm": "the joint model",
    "left-out": "a joint model trained without this hospital",
    "local": "this hospital's own model",
}
# words that say nothing alone
BARE = frozenset(["1", "true", "yes", "y", "positive", "pos", "+", "event", "ja", "oui", "si"])
PHRASE = 60  # letters
DECAY = "The weight decay is fixed in the terms."
# what keeps a model small, by the recipe whose penalty is no C
RESTRAINTS = {
    "trees": (
        "Number, depth and rate of the trees are in the terms; a fixed penalty keeps the values of "
        "their leaves small."
    ),
    "deep": DECAY,
    "cnn": DECAY,
}
LEFT = "No patient's record left its hospital: models and sums over patients did."


def say_figure(figure: Measured) -> str:
    """Return a figure with its interval, or why there is none."""
    if figure.value is None:
        return figure.reason
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def say_count(share: float) -> str:
    """Return a share as a count of a hundred; never 0 or 100 for a share that is neither."""
    count = round(100 * share)
    if count == 0 and share > 0:
        return "fewer than 1"
    return "more than 99" if count == 100 and share < 1 else str(count)


def say_hospitals(report: Report) -> str:
    """Return how many hospitals trained the model together."""
    trained = sum(h.trained for h in report.hospitals) or report.outcome.trained
    return f"{len(report.hospitals)} hospitals trained it together on {trained}"


def say_own(evaluated: Evaluated) -> str:
    """Return the name of a model in this hospital's own evaluation."""
    return MODELS.get(evaluated.model, evaluated.model)


def say_weighing(recipe: str, weighing: str, is_private: bool = False) -> str:
    """Return how a recipe trains, behind its method; `weighing` is that of a linear model."""
    if is_private:
        return " with a ridge penalty and noise for differential privacy"
    if recipe != "trees":
        return weighing
    return f" with a penalty on the values of leaves{''.join(weighing.partition(', ')[1:])}"


def say_penalty(penalty: Penalty | None, recipe: str = "") -> str:
    """Return the choice of the penalty of a recipe's model."""
    if recipe in RESTRAINTS:
        return RESTRAINTS[recipe]
    if penalty is None:
        return "The choice of the penalty is not known here."
    if penalty.is_fixed:
        return f"The terms fix the penalty: C = {penalty.chosen:g}."
    chosen = "" if penalty.chosen is None else f", C = {penalty.chosen:g} was chosen"
    return (
        f"{len(penalty.strengths)} strengths of the penalty were tried on training patients alone"
        f"{chosen} ({penalty.rounds} rounds). A strong penalty keeps weights small, so that chance "
        "findings count little."
    )


def say_odds(weight: float) -> str:
    """Return the factor of the odds that a change of the logit means."""
    return f"{math.exp(min(max(weight, -50.0), 50.0)):.3g}"


def say_interval(figure: Measured, rows: str) -> str:
    """Return the interval of a share as counts of a hundred with its support, in brackets; "" if it
    has none."""
    if figure.low is None or figure.high is None:
        return ""
    return f" ({say_count(figure.low)} to {say_count(figure.high)}; {figure.support} {rows} tested)"


def say_positive(column: str, words: Iterable[str]) -> str:
    """Return how the positive class is called in sentences: its word, or 'column = word' for one
    that says nothing by itself ('1', 'yes')."""
    every = list(words)
    named = [plain(word, PHRASE) for word in every if word.casefold() not in BARE]
    if named:
        return " or ".join(named[:3]) + (" or another of its words" if len(named) > 3 else "")
    return f"{plain(column, PHRASE)} = {plain(every[0] if every else '1', PHRASE)}"


def say_number(value: float) -> str:
    """Return a number in about three digits, without an exponent if it can be read so."""
    size = abs(value)
    if size >= 1e7 or size < 0.1:
        return f"{value:.3g}"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}"


def say_in_unit(figure: Measured) -> str:
    """Return a figure of any size with its interval, or why there is none."""
    if figure.value is None:
        return figure.reason
    if figure.low is None or figure.high is None:
        return say_number(figure.value)
    return f"{say_number(figure.value)} ({say_number(figure.low)} to {say_number(figure.high)})"
