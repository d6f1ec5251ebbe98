"""A report's contents, out of what was gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from swarmhub.contract.records import Declaration
from swarmhub.data.findings import Finding
from swarmhub.data.schema import declare_label
from swarmhub.errors import plain
from swarmhub.operations.report.contents import (
    Conditions,
    Dropped,
    Penalty,
    Predicted,
    Report,
)
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.hospitals import measure_hospital, measure_within
from swarmhub.operations.report.measure import (
    list_own,
    list_subgroups,
    measure_curves,
    measure_pooled,
)
from swarmhub.operations.report.probast import answer_probast
from swarmhub.operations.report.tripod import answer_tripod

# words that say nothing alone
BARE = frozenset(["1", "true", "yes", "y", "positive", "pos", "+", "event", "ja", "oui", "si"])
PHRASE = 60  # letters
EXCLUDED = "the terms exclude them"


def compose(found: Reported) -> Report:
    """Return the report: every figure computed once."""
    swarm, left_out = (measure_pooled(found, model) for model in ("swarm", "left-out"))
    has_left_out = "left-out/threshold" in found.counts
    hospitals = tuple(measure_hospital(site, has_left_out) for site in found.sites)
    return Report(
        title=found.title or found.study,
        hospital=found.hospital,
        conditions=_conditions(found),
        outcome=_outcome(found),
        swarm=swarm,
        left_out=left_out,
        within=measure_within(hospitals),
        hospitals=hospitals,
        subgroups=list_subgroups(found),
        curves=measure_curves(found),
        metric=found.metric,
        learning=tuple(found.mean_curve),
        penalty=_penalty(found.penalty),
        features=found.features,
        dropped=tuple(_dropped(found)),
        own=list_own(found),
        findings=tuple(_findings(found.record)),
        terms=tuple((subject, sentence) for subject, sentence in found.terms),
        tripod_ai=tuple(answer_tripod(found)),
        probast_ai=tuple(answer_probast(found)),
    )


def say_positive(column: str, words: Iterable[str]) -> str:
    """Return how the positive class is called in sentences: its word, or 'column = word' for one
    that says nothing by itself ('1', 'yes')."""
    every = list(words)
    named = [plain(word, PHRASE) for word in every if word.casefold() not in BARE]
    if named:
        return " or ".join(named[:3]) + (" or another of its words" if len(named) > 3 else "")
    return f"{plain(column, PHRASE)} = {plain(every[0] if every else '1', PHRASE)}"


def _declaration(found: Reported) -> Declaration:
    return found.declared or declare_label(found.outcome["column"])


def _conditions(found: Reported) -> Conditions:
    declared = _declaration(found)
    share = f"{float(declared.test_fraction):.0%} of the patients of each class at each hospital"
    return Conditions(
        study=found.study,
        chain=found.chain,
        terms=found.spec,
        recipe=found.recipe,
        model=found.model,
        layout=found.layout,
        rounds=found.rounds,
        settled_ms=found.settled_ms,
        threshold=found.threshold,
        test_fraction=declared.test_fraction,
        split=f"{share}, set aside before training, or files of test patients of its own",
        min_count=declared.min_count,
        results=found.results,
    )


def _outcome(found: Reported) -> Predicted:
    column, without_having = found.outcome["column"], found.class_rows
    positive = tuple(found.outcome["positive"])
    return Predicted(
        column, positive, tuple(found.outcome.get("negative", ())),
        say_positive(column, positive), sum(without_having), without_having[1],
    )  # fmt: skip


def _penalty(kept: Mapping[str, Any]) -> Penalty | None:
    if not kept:
        return None
    return Penalty(
        tuple(kept.get("strengths", ())), tuple(kept.get("losses", ())), kept.get("chosen"),
        int(kept.get("rounds", 0)), "losses" not in kept,
    )  # fmt: skip


def _dropped(found: Reported) -> Iterable[Dropped]:
    excluded = _declaration(found).exclude
    if excluded:
        yield Dropped(EXCLUDED, tuple(excluded))
    for why, columns in found.unused.items():
        yield Dropped(why, tuple(columns))


def _findings(record: Mapping[str, Any]) -> Iterable[Finding]:
    for kept in record.get("findings", []):
        parts = (str(kept.get(key, "")) for key in ("topic", "sentence", "column"))
        level = kept.get("level")
        yield Finding(level if level in ("error", "warning") else "info", *parts)
