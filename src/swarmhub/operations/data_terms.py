"""The data of a study in words: the outcome, the inputs, the patients, and the evaluation."""

from __future__ import annotations

from collections.abc import Iterable

from swarmhub.contract.records import Declaration, Inputs, Outcome

Line = tuple[str, str]

LISTED = 30  # columns in a sentence


def say_data(declared: Declaration | None, is_dp: bool = False) -> list[Line]:
    """Return the declaration, one line a subject; none for a study that declares no data."""
    if declared is None:
        return []
    of_whom = "patients" if is_dp else "patients of each class"
    share = f"{float(declared.test_fraction):.0%} of the {of_whom} at each hospital"
    found = [
        ("outcome", say_outcome(declared.outcome)),
        *(("inputs", say_inputs(block)) for block in declared.inputs or (Inputs("table"),)),
        ("cells", say_cells(declared)),
        ("patients", _named("the rows of a patient have the same value in", declared.patient)),
        ("samples", _named("files are joined by", declared.sample)),
        ("batches", _named("compared with the outcome by", declared.batch)),
        ("no inputs", _list("", declared.exclude)),
        ("harmless", _list("may tell the outcome almost alone: ", declared.harmless)),
        ("subgroups", _list("evaluated apart, too: ", declared.subgroups)),
        ("missing", say_missing(declared, is_dp)),
        ("scales", say_scales(declared)),
        ("levels", say_levels(declared)),
        (
            "small counts",
            ""
            if is_dp
            else f"nothing about fewer than {declared.min_count} patients of a hospital is "
            "published, but its rows by class",
        ),
        (
            "test patients",
            f"{share} are set aside, never trained on; positive from a probability of "
            f"{declared.threshold} on",
        ),
    ]
    return [(subject, sentence) for subject, sentence in found if sentence]


def say_outcome(outcome: Outcome) -> str:
    """Return what is predicted."""
    column = f"'{outcome.column}'"
    if outcome.kind == "continuous":
        return f"a number, {column}{f' in {outcome.unit}' if outcome.unit else ''}"
    if outcome.kind == "classes":
        return f"one of {_quote(outcome.classes)} in {column}"
    rest = f"{_quote(outcome.negative)} mean no" if outcome.negative else "any other word means no"
    said = f"{_quote(outcome.positive)} in {column}; {rest}"
    if outcome.kind == "time_to_event":
        horizon = f", at {outcome.horizon}" if outcome.horizon else ""
        return f"time '{outcome.time}' ({outcome.unit or 'no unit'}) until {said}{horizon}"
    return said


def say_inputs(block: Inputs) -> str:
    """Return a block of inputs."""
    columns = _quote(block.columns) if block.columns else "all columns that nothing else claims"
    parts = [f"block '{block.name}': {columns}"]
    parts += [f"names of {block.namespace}"] if block.namespace else []
    parts += [f"in {block.unit}"] if block.unit else []
    parts += [f"counts of a row scaled to {block.total:,}"] if block.total else []
    parts += [f"raised to {block.floor} at least"] if block.floor else []
    parts += [block.transform] if block.transform != "none" else []
    if block.below_limit != "refuse":
        limits = ", ".join(f"{k} = {v}" for k, v in sorted(block.limits.items()))
        parts.append(
            f"values below the limit of detection count as the {block.below_limit} of it, with a "
            f"flag{f' ({limits})' if limits else ''}"
        )
    return "; ".join(parts)


def say_cells(declared: Declaration) -> str:
    """Return how cells are added up for each patient; "" if they are not."""
    found = declared.pseudobulk
    if found is None:
        return ""
    types = f", {_quote(found.types)} only" if found.types else ""
    by = f" and each type in '{found.by}'{types}" if found.by else ""
    block = f" of '{found.block}'" if found.block else ""
    return (
        f"counts{block} are added up for each patient{by}; a sum of fewer than {found.min_cells} "
        "cells is missing"
    )


def say_missing(declared: Declaration, is_dp: bool = False) -> str:
    """Return what becomes of missing values."""
    words = _quote(declared.missing_words)
    known = f"; {words} mean 'not known', too" if words else ""
    if is_dp:
        return f"the declared mean counts{known}"
    return (
        f"{declared.missing}; columns that are missing in more than "
        f"{float(declared.max_missing):.0%} of all rows are left out{known}"
    )


def say_scales(declared: Declaration) -> str:
    """Return the declared means and standard deviations; "" if there are none."""
    parts = [f"{_quote(s.columns)} {s.mean} ({s.sd})" for s in declared.scales[:LISTED]]
    more = f" and {len(declared.scales) - LISTED} more" if len(declared.scales) > LISTED else ""
    known = "known without looking at patients, mean (standard deviation): "
    return f"{known}{'; '.join(parts)}{more}" if parts else ""


def say_levels(declared: Declaration) -> str:
    """Return the declared words of columns; "" if there are none."""
    parts = [f"'{level.column}': {_quote(level.words)}" for level in declared.levels[:LISTED]]
    more = f" and {len(declared.levels) - LISTED} more" if len(declared.levels) > LISTED else ""
    return f"the words of {'; '.join(parts)}{more}" if parts else ""


def _named(what: str, column: str) -> str:
    return f"{what} '{column}'" if column else ""


def _list(what: str, names: Iterable[str]) -> str:
    quoted = _quote(names)
    return f"{what}{quoted}" if quoted else ""


def _quote(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return ", ".join(f"'{name}'" for name in every[:LISTED]) + more
