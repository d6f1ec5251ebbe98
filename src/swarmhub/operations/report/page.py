"""The page of a report: one HTML file that refers to nothing outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from swarmhub.evaluation import charts
from swarmhub.evaluation.counts import HISTOGRAMS, MIN_COUNT, evaluate_counts, scored_of, trace_roc
from swarmhub.evaluation.figures import DESCRIPTIVE, Evaluation, Figure, share
from swarmhub.operations.pages import render_page
from swarmhub.operations.report.answers import answer_probast, answer_tripod
from swarmhub.operations.report.gather import Reported, SiteReported

WORDS = {
    "auc": "AUROC: the chance that a patient with the outcome scores above one without it",
    "auprc": "AUPRC: mean precision over all thresholds",
    "accuracy": "accuracy",
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "precision": "precision (positive predictive value, among these patients)",
    "brier": "Brier score (0 is best)",
    "slope": "calibration slope (1 is right; below it, predictions are too extreme)",
    "intercept": "calibration in the large (0 is right; above it, predictions are too low)",
    "ece": "expected calibration error",
    "loss": "log loss",
}
CURVE_BINS = 10


@dataclass(frozen=True)
class Row:
    """A figure in words, as the page and the JSON have it."""

    name: str
    words: str
    value: float | None
    low: float | None
    high: float | None
    support: int

    @property
    def text(self) -> str:
        """The value with its interval; the reason if there is none."""
        if self.value is None:
            return "cannot be computed: one class only, or too few patients"
        interval = "" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{interval}"


def evaluate_model(found: Reported, model: str) -> Evaluation | None:
    """Return the pooled evaluation of 'swarm' or 'left-out' out of the settled counts; None if
    there is none."""
    names = (*HISTOGRAMS, "pairs", "threshold")
    if any(f"{model}/{name}" not in found.counts for name in names):
        return None
    counts = {name: found.counts[f"{model}/{name}"] for name in names}
    return evaluate_counts(counts, found.threshold) if sum(counts["threshold"]) else None


def list_rows(evaluation: Evaluation | None) -> list[Row]:
    """Return the figures of an evaluation in the page's order."""
    if evaluation is None:
        return []
    return [
        Row(name, words, f.value, f.low, f.high, f.support)
        for name, words in WORDS.items()
        for f in [evaluation.figures[name]]
    ]


def render(found: Reported) -> str:
    """Return the page."""
    pooled, without = (evaluate_model(found, model) for model in ("swarm", "left-out"))
    return render_page(
        "report.html",
        r=found,
        positive=" or ".join(found.outcome["positive"]) or "positive",
        rows=list_rows(pooled),
        without=list_rows(without)[:1],
        pooled=pooled,
        said=say_pooled(found, pooled),
        descriptive=DESCRIPTIVE,
        charts={name: Markup(svg) for name, svg in draw_all(found, pooled, without).items()},
        subgroups=list_subgroups(found),
        tripod=answer_tripod(found),
        probast=answer_probast(found),
        findings=found.record.get("findings", []),
    )


def say_pooled(found: Reported, pooled: Evaluation | None) -> str:
    """Return recall and specificity as counts of a hundred patients."""
    if pooled is None:
        return "The model was not evaluated: no hospital has set test patients aside."
    recall, specificity = (pooled.figures[name].value for name in ("recall", "specificity"))
    parts = []
    if recall is not None:
        parts.append(f"of 100 patients with the outcome the model finds {100 * recall:.0f}")
    if specificity is not None:
        false = 100 * (1 - specificity)
        parts.append(f"of 100 without it, it raises a false alarm in {false:.0f}")
    few = "; fewer than 10 patients of a class: descriptive only" if pooled.is_descriptive else ""
    return f"At the threshold {found.threshold:g}, {', and '.join(parts)}{few}."


def list_subgroups(found: Reported) -> list[tuple[str, str, str, int]]:
    """Return (name, recall, specificity, patients) of each subgroup; withheld ones have none."""
    cells = found.counts.get("swarm/subgroups", [])
    return [
        (name, _say_share(tp, tp + fn), _say_share(tn, tn + fp), tp + fp + tn + fn)
        for name, (tp, fp, tn, fn) in zip(found.subgroups, cells, strict=False)
    ]


def _say_share(part: int, whole: int) -> str:
    """Return a share with its interval (Wilson)."""
    found = share(part, whole)
    if found.value is None:
        return "withheld or none"
    few = ", descriptive" if whole < DESCRIPTIVE else ""
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}{few})"


# charts


def draw_all(
    found: Reported, pooled: Evaluation | None, without: Evaluation | None
) -> dict[str, str]:
    """Return the charts of a report by name."""
    made = {
        "roc": "",
        "calibration": "",
        "penalty": "",
        "forest": charts.draw_forest(list_intervals(found, pooled, without), (0.4, 1.0), "AUROC"),
        "learning": charts.draw_learning(list_curves(found), found.metric),
        "features": charts.draw_bars(
            [(f.name, f.weight) for f in found.features], "weight per standard deviation",
            "Largest weights",
        ),
        "grid": charts.draw_grid(
            [s.name for s in found.sites], [s.took_part for s in found.sites],
        ),
    }  # fmt: skip
    if pooled is not None:
        scored = scored_of({n: found.counts[f"swarm/{n}"] for n in HISTOGRAMS})
        across, up = trace_roc(scored)
        curve = [(float(x), float(y)) for x, y in zip(across, up, strict=True)]
        made["roc"] = charts.draw_roc([charts.Series("all hospitals", curve)])
        made["calibration"] = charts.draw_calibration(list_calibration(scored))
    if "losses" in found.penalty:
        points = [
            (float(np.log10(c)), float(loss))
            for c, loss in zip(found.penalty["strengths"], found.penalty["losses"], strict=True)
        ]
        made["penalty"] = charts.draw_learning(
            [charts.Series("held-out loss", points)],
            "loss",
            "Choice of the penalty",
            "penalty C, as a power of ten",
        )
    return made


def list_intervals(
    found: Reported, pooled: Evaluation | None, without: Evaluation | None
) -> list[charts.Interval]:
    """Return the rows of the forest plot."""
    rows = [_interval_of(s) for s in found.sites]
    for name, evaluation in (("all hospitals", pooled), ("without the hospital", without)):
        if evaluation is not None:
            area = evaluation.figures["auc"]
            rows.append(charts.Interval(name, area.value, area.low, area.high, "pooled"))
    return rows


def _interval_of(site: SiteReported) -> charts.Interval:
    positives, rows = site.figures.get("positives"), site.figures.get("samples")
    value = site.figures.get("auc")
    if value is None or positives is None or rows is None:
        return charts.Interval(site.name, None, note="fewer than 20 test patients, or one class")
    figure = approximate(value, positives, rows - positives)
    few = " descriptive" if min(positives, rows - positives) < DESCRIPTIVE else ""
    return charts.Interval(site.name, value, figure.low, figure.high, f"n={rows:.0f}{few}")


def approximate(area: float, ones: float, zeros: float) -> Figure:
    """Return an AUROC with the interval of Hanley and McNeil (Radiology 1982;143:29), from the
    published area and numbers of patients."""
    if not ones or not zeros:
        return Figure(None, None, None, round(ones + zeros))
    inner = min(max(area, 0.5 / (ones * zeros)), 1 - 0.5 / (ones * zeros))
    first, second = inner / (2 - inner), 2 * inner * inner / (1 + inner)
    variance = (
        inner * (1 - inner) + (ones - 1) * (first - inner**2) + (zeros - 1) * (second - inner**2)
    ) / (ones * zeros)
    half = 1.96 * max(variance, 0.0) ** 0.5
    return Figure(area, max(0.0, area - half), min(1.0, area + half), round(ones + zeros))


def list_curves(found: Reported) -> list[charts.Series]:
    """Return the metric by round, of each hospital and in the mean."""
    curves = [charts.Series(s.name, list(enumerate(s.curve, 1))) for s in found.sites]
    return [*curves, charts.Series("mean", list(enumerate(found.mean_curve, 1)))]


def list_calibration(scored: Any) -> Sequence[tuple[float, float, int]]:
    """Return (predicted, found, rows) of ten bins of equal width."""
    bins = np.minimum((scored.scores * CURVE_BINS).astype(int), CURVE_BINS - 1)
    rows = np.bincount(bins, weights=scored.ones + scored.zeros, minlength=CURVE_BINS)
    ones = np.bincount(bins, weights=scored.ones, minlength=CURVE_BINS)
    said = np.bincount(
        bins, weights=scored.scores * (scored.ones + scored.zeros), minlength=CURVE_BINS
    )
    return [
        (float(said[k] / rows[k]), float(ones[k] / rows[k]), round(float(rows[k])))
        for k in range(CURVE_BINS)
        if rows[k] >= MIN_COUNT
    ]
