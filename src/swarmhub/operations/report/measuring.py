"""The parts of a report's figures that all kinds of outcomes share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swarmhub.evaluation.counts import FEW
from swarmhub.evaluation.figures import Figure
from swarmhub.operations.report.contents import Evaluated, Measured
from swarmhub.operations.report.gather import Reported, SiteReported
from swarmhub.recipes.plan import LEFT_OUT

ALL = "all hospitals"
WILSON, WALD, MEAN = "Wilson", "Wald", "normal, of the mean"
NO_COUNTS = "no counts of test patients are settled, or this node does not hold them"
NO_PATIENTS = "no hospital has set test patients aside"
NOT_ADDED = "their counts are not added over hospitals; figures of each are at its name"
NO_LEFT_OUT = "no models without a hospital were trained"
UNPUBLISHED = "it is not published"
PRIVATE = "in a study with noise its figures stay with it: see the report that it makes itself"
NO_NOISY_COUNTS = "in a study with noise no count of test patients leaves a hospital"
UNTESTED = "no test patients are set aside there, or it has not measured the last model"
HIDDEN = "in a masked study no figures of one hospital leave it"
IMPOSSIBLE = "it published numbers that no patients can have"
NO_LOCAL = "it is not published, or its training rows allow no model"
TOO_FEW = f"fewer than {FEW} test patients: it publishes none"
MODELS = ("swarm", "left-out", "local")


def measured_of(
    name: str, figure: Figure, methods: Mapping[str, str], few: bool, reason: str
) -> Measured:
    """Return a figure as the report has it; `methods` are those of intervals by name, `reason` is
    for one without a value."""
    has_interval = figure.low is not None
    return Measured(
        name, figure.value, figure.low, figure.high, figure.support,
        methods.get(name, "") if has_interval else "",
        "" if figure.value is not None else reason, few and figure.value is not None,
    )  # fmt: skip


def nothing(name: str, reason: str, support: int = 0) -> Measured:
    """Return a figure that cannot be computed."""
    return Measured(name, None, None, None, support, reason=reason)


def select_counts(found: Reported, model: str, names: Iterable[str]) -> dict[str, Any] | None:
    """Return a model's settled counts by their short names; None if they are not all there."""
    every = tuple(names)
    if any(f"{model}/{name}" not in found.counts for name in every):
        return None
    return {name: found.counts[f"{model}/{name}"] for name in every}


def why_no_counts(found: Reported, model: str) -> str:
    """Return why there are no counts of a model."""
    swarm, wanted = (any(k.startswith(f"{m}/") for k in found.counts) for m in ("swarm", model))
    if found.is_private:
        return NO_NOISY_COUNTS
    if not swarm or wanted:
        return NO_COUNTS
    return NOT_ADDED if has_left_out(found) else NO_LEFT_OUT


def why_untested(site: SiteReported) -> str:
    """Return why there are no figures of a hospital."""
    if site.is_private:
        return PRIVATE
    return HIDDEN if site.is_masked else UNTESTED


def has_left_out(found: Reported) -> bool:
    """Return whether models without each hospital were evaluated."""
    if LEFT_OUT in found.results:
        return True
    published = (name for site in found.sites for name in site.figures)
    return any(n.startswith(("left-out/", "left-out ")) for n in (*found.counts, *published))


def read_rows(site: SiteReported, is_possible: bool, key: str = "loss") -> tuple[int, str]:
    """Return the test rows of a hospital, and why it has no figures; "" if it has. `key` is one
    that each hospital publishes that is not too small."""
    rows = site.figures.get("samples")
    if rows is None or not rows:
        return 0, why_untested(site)
    if not is_possible or not 0 < rows < math.inf:
        return 0, IMPOSSIBLE
    return round(rows), "" if key in site.figures else TOO_FEW


def describe_site(site: SiteReported) -> dict[str, Any]:
    """Return what a report's hospital has of it beside figures."""
    rows = site.figures.get("samples")
    return {
        "name": site.name,
        "trained": site.rows,
        "tested": None if rows is None else round(rows),
        "curve": tuple(site.curve),
        "took_part": tuple(site.took_part),
        "software": site.software,
        "data": site.data,
    }


def measure_beside(
    site: SiteReported,
    name: str,
    no_figures: str,
    is_left_out: bool,
    make: Callable[[float], Measured],
) -> dict[str, Any]:
    """Return a figure that a hospital published of the models beside the joint one, as `left_out`
    and `local`; `no_figures` says why it has none."""  # fmt: skip
    found: dict[str, Any] = {}
    for key, prefix, why in (
        ("left_out", "left-out", UNPUBLISHED if is_left_out else NO_LEFT_OUT),
        ("local", "local", NO_LOCAL),
    ):
        value = site.figures.get(f"{prefix} {name}")
        has = value is not None and not no_figures
        found[key] = make(value) if has and value is not None else nothing(name, no_figures or why)
    return found


def read_own(found: Reported) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield this hospital's own evaluation of each model out of its record."""
    kept = found.record.get("evaluation")
    for model in MODELS if isinstance(kept, Mapping) else ():
        if isinstance(kept, Mapping) and isinstance(kept.get(model), Mapping):
            yield model, kept[model]


def read_own_figures(
    found: Reported, names: Iterable[str], methods: Mapping[str, str], why: str, rows: str = "rows"
) -> tuple[Evaluated, ...]:
    """Return this hospital's own evaluations; none that another version of swarmhub has written.
    `why` is for figures without a value, `rows` the key of their number."""
    every, done = tuple(names), []
    for model, kept in read_own(found):
        try:
            figures = {name: Figure(**kept["figures"][name]) for name in every}
            number = int(kept[rows])
        except (KeyError, TypeError, ValueError):
            continue
        made = tuple(measured_of(n, figures[n], methods, False, why) for n in every)
        done.append(Evaluated(model, found.hospital, number, made))
    return tuple(done)
