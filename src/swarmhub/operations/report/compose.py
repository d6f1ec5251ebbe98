"""A report's contents, out of what was gathered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from swarmhub.contract.records import Declaration
from swarmhub.data.findings import Finding
from swarmhub.data.schema import declare_label
from swarmhub.operations.privacy_words import SUBJECTS
from swarmhub.operations.report.contents import Conditions, Contributed, Dropped, Penalty, Report
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.kind import kind_of
from swarmhub.operations.report.probast import answer_probast
from swarmhub.operations.report.tripod import answer_tripod

EXCLUDED = "the terms exclude them"


def compose(found: Reported) -> Report:
    """Return the report: every figure computed once. Raises BadInput for a kind of outcome that has
    no report."""
    common = {
        "title": found.title or found.study,
        "hospital": found.hospital,
        "conditions": _conditions(found),
        "metric": found.metric,
        "learning": tuple(found.mean_curve),
        "penalty": _penalty(found.penalty),
        "features": found.features,
        "dropped": tuple(_dropped(found)),
        "findings": tuple(_findings(found.record)),
        "terms": tuple((subject, sentence) for subject, sentence in found.terms),
        "contributions": tuple(_contributions(found)),
        "whole": None if found.contribution is None else found.contribution.whole,
        "tripod_ai": tuple(answer_tripod(found)),
        "probast_ai": tuple(answer_probast(found)),
        "leakage": found.leakage,
        "budget": found.budget,
    }
    return kind_of(found.kind).compose(found, common)


def _declaration(found: Reported) -> Declaration:
    return found.declared or declare_label(found.outcome["column"])


def _conditions(found: Reported) -> Conditions:
    declared = _declaration(found)
    kind = kind_of(found.kind)
    by_class = "" if found.is_private else kind.BY_CLASS
    share = f"{float(declared.test_fraction):.0%} of the patients{by_class} at each hospital"
    return Conditions(
        study=found.study,
        chain=found.chain,
        terms=found.spec,
        recipe=found.recipe,
        method=found.method,
        model=found.model,
        layout=found.layout,
        rounds=found.rounds,
        settled_ms=found.settled_ms,
        threshold=found.threshold if kind.HAS_THRESHOLD else None,
        test_fraction=declared.test_fraction,
        split=f"{share}, set aside before training, or files of test patients of its own",
        min_count=declared.min_count,
        results=found.results,
        privacy=_join_privacy(found),
        is_private=found.is_private,
    )


def _join_privacy(found: Reported) -> dict[str, str]:
    """Return what the terms say of privacy, by subject; what is spent has a table of its own."""
    joined: dict[str, str] = {}
    for subject, said in found.terms:
        if subject in SUBJECTS:
            joined[subject] = f"{joined[subject]}; {said}" if subject in joined else said
    return joined


def _penalty(kept: Mapping[str, Any]) -> Penalty | None:
    if not kept:
        return None
    return Penalty(
        tuple(kept.get("strengths", ())), tuple(kept.get("losses", ())), kept.get("chosen"),
        int(kept.get("rounds", 0)), "losses" not in kept,
    )  # fmt: skip


def _contributions(found: Reported) -> Iterable[Contributed]:
    made = found.contribution
    if made is not None:
        for name, value in zip(found.enrolled, made.values.tolist(), strict=True):
            yield Contributed(name, value, made.is_shapley)


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
