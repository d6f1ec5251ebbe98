"""The closing words of a demo with masks or noise: which data left the hospitals, by their own
records, how much of the privacy budget is spent, and how good the model is by their own figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmhub.contract.records import Spec
from swarmhub.contract.round.masks import compute_least_set
from swarmhub.home.home import Home
from swarmhub.node.sent import MASKED, MASKED_SUMS
from swarmhub.operations.budgets import StudyBudget, say_reached
from swarmhub.operations.sent import read_sent
from swarmhub.recipes.site import RECORD_FILE
from swarmhub.words import say_bytes


def say_protected(
    spec: Spec, homes: Sequence[Home], budget: StudyBudget | None, central: float | None
) -> tuple[str, ...]:
    """Return what nobody saw of a hospital, and what everybody did; what is spent of the `budget`,
    and the hospitals' own figures beside the one of all data pooled. Nothing of a plain study."""
    hidden = say_hidden(spec, homes) if spec.privacy.masked else ()
    if budget is None:
        return hidden
    return (*hidden[:1], say_budget(budget), NOT_COVERED, say_measured(spec, homes, central))


NOT_COVERED = (
    "not covered: which hospitals took part, the samples that each declared, times and sizes. No "
    "statistics, metrics or counts left a hospital."
)


def say_budget(budget: StudyBudget) -> str:
    """Return the epsilon spent, of the member with the most steps."""
    most = max(budget.spent, key=lambda s: s.steps, default=None)
    steps = most.steps if most else 0
    epsilon = say_reached(most.epsilon if most else 0.0)
    return (
        f"privacy spent: epsilon = {epsilon} of {budget.epsilon:g} at delta = {budget.delta:g} for "
        f"each {budget.unit}, by {steps} of {budget.steps} noisy contributions of each hospital at "
        "most."
    )


def say_measured(spec: Spec, homes: Sequence[Home], central: float | None) -> str:
    """Return what each hospital has measured of the last model on its own test patients, which
    stays with it, beside a model of all data pooled without noise."""
    own = [(home.config.name, read_own(home, spec)) for home in homes]
    said = ", ".join(f"{name} {value:.3f}" for name, value in own if value is not None)
    pooled = "" if central is None else f"; all data pooled, without noise, on all: {central:.3f}"
    return (
        f"{spec.metric.name.upper()} by each hospital on its own test patients, kept there: "
        f"{said or 'none'}{pooled}."
    )


def read_own(home: Home, spec: Spec) -> float | None:
    """Return the study's metric of the last model, as a hospital has kept it for its report; None
    if it has not."""
    path = Path(home.local_path(spec.name)) / RECORD_FILE
    try:
        found: Any = json.loads(path.read_bytes())
        return float(found["evaluation"]["swarm"]["figures"][spec.metric.name]["value"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def say_hidden(spec: Spec, homes: Sequence[Home]) -> tuple[str, ...]:
    """Return what nobody saw of a hospital under masks, and what everybody did."""
    entries = [entry for home in homes for entry in read_sent(home, spec.name)]
    hidden = [e for e in entries if e.kind in (MASKED, MASKED_SUMS)]
    masked, nbytes = {e.what for e in hidden}, sum(e.nbytes for e in hidden)
    plain = sum(e.kind in ("parameters", "sums", "counts") for e in entries)
    least, together = compute_least_set(spec.privacy.colluders), spec.privacy.colluders + 1
    return (
        "hidden: what each hospital trained, added up and counted. "
        f"{len(masked)} contributions left under masks ({say_bytes(nbytes)}), {plain or 'none'} in "
        f"plain; each sum is of at least {least} hospitals, and nobody can take one out of it "
        f"unless {together} others show all they have.",
        "not hidden: statistics of each hospital's table, its rows, the sums, every merged model; "
        "two rounds of which one hospital missed one tell something of it.",
    )
