"""The sentences of a report, for a clinician: figures as counts of a hundred patients, verdicts if
the interval allows them, and the reason for every figure that is missing."""

from __future__ import annotations

import math

from swarmhub.data.design import NUMBER
from swarmhub.errors import plain
from swarmhub.operations.report.contents import Evaluated, Measured, Penalty, Report
from swarmhub.operations.report.gather import Feature

NAMES = {
    "auc": "AUROC (0.5 is a coin's toss, 1 is perfect order)",
    "recall": "sensitivity (share found of those with the outcome)",
    "specificity": "specificity (share spared of those without it)",
    "precision": "precision (share with the outcome of those called positive)",
    "accuracy": "accuracy (share called rightly)",
    "intercept": "calibration in the large (0 is right; above, predictions are too low)",
    "slope": "calibration slope (1 is right; below, predictions are too extreme)",
    "ece": "calibration error (mean distance of predicted and found shares)",
    "brier": "Brier score (0 is perfect)",
    "loss": "log loss (0 is perfect)",
    "auprc": "AUPRC (mean precision over all thresholds)",
}
MODELS = {
    "swarm": "the joint model",
    "left-out": "a joint model trained without this hospital",
    "local": "this hospital's own model",
}
FEW = "Fewer than 10 patients of a class: this describes those tested, and says little of others."


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


def say_predicts(report: Report) -> str:
    """Return the prediction in one sentence."""
    o = report.outcome
    words = ", ".join(f"'{plain(word, 40)}'" for word in o.positive[:6]) or "1"
    negative = ", ".join(f"'{plain(word, 40)}'" for word in o.negative[:6])
    rest = f"{negative} mean no" if negative else "every other word means no"
    return (
        f"The model estimates the probability of {o.phrase} for one patient. In the column "
        f"'{plain(o.column, 60)}' {words} {'mean' if len(o.positive) > 1 else 'means'} yes, {rest}."
    )


def say_trained(report: Report) -> str:
    """Return the numbers of hospitals and patients in one sentence."""
    o, hospitals = report.outcome, len(report.hospitals)
    return (
        f"{hospitals} hospitals trained it together on {o.trained} patients, {o.positives} "
        f"({o.positives / max(o.trained, 1):.0%}) of them with {o.phrase}. No patient's record "
        "left its hospital: models and sums over patients did."
    )


# how good it is


def say_found(report: Report) -> str:
    """Return the sensitivity as a count of a hundred patients."""
    recall = report.swarm.figure("recall")
    if recall.value is None or recall.low is None or recall.high is None:
        return f"It is not known how many patients with {report.outcome.phrase} the model finds: " \
               f"{recall.reason}."  # fmt: skip
    return (
        f"Of 100 patients with {report.outcome.phrase} the model finds {say_count(recall.value)} "
        f"({say_count(recall.low)} to {say_count(recall.high)}; {recall.support} tested)."
    )


def say_alarms(report: Report) -> str:
    """Return the false alarms as a count of a hundred patients."""
    spared = report.swarm.figure("specificity")
    if spared.value is None or spared.low is None or spared.high is None:
        return f"It is not known how often the model raises a false alarm: {spared.reason}."
    value, low, high = (say_count(1 - s) for s in (spared.value, spared.high, spared.low))
    return (
        f"Of 100 patients without it, the model raises a false alarm in {value} ({low} to {high}; "
        f"{spared.support} tested)."
    )


def say_precision(report: Report) -> str:
    """Return the precision as a count of a hundred patients, with the share that it depends on."""
    precision, swarm = report.swarm.figure("precision"), report.swarm
    if precision.value is None:
        return ""
    share = swarm.positives / max(swarm.positives + swarm.negatives, 1)
    return (
        f"Of 100 patients with an alarm, {say_count(precision.value)} have "
        f"{report.outcome.phrase}, if it is as frequent as among those tested ({share:.0%}); fewer "
        "if it is rarer."
    )


def say_area(report: Report) -> str:
    """Return the pooled AUROC in words."""
    area = report.swarm.figure("auc")
    if area.value is None:
        return f"How well the model orders patients is not known: {area.reason}."
    return (
        f"Given one patient with {report.outcome.phrase} and one without, it assigns the higher "
        f"probability to the right one in {say_count(area.value)} of 100 such pairs."
    )


def say_newcomer(report: Report) -> str:
    """Return what to expect at a hospital that took no part."""
    area = report.left_out.figure("auc")
    if area.value is None:
        return f"How it would do at a hospital that took no part is not known: {area.reason}."
    return (
        "At a hospital that took no part: models that were trained without the hospital of the "
        f"tested patients are right in {say_count(area.value)} of 100 such pairs."
    )


def say_balance(report: Report) -> str:
    """Return whether predictions are too high or too low on average."""
    curves, intercept = report.curves, report.swarm.figure("intercept")
    if curves.predicted is None or curves.found is None:
        return f"Whether its probabilities are right is not known: {intercept.reason}."
    said = (
        f"On average it predicts {curves.predicted:.0%}; {curves.found:.0%} of the tested patients "
        f"have {report.outcome.phrase}"
    )
    if intercept.low is None or intercept.high is None:
        return f"{said}."
    if intercept.low > 0:
        return f"{said}: its probabilities are too low."
    return f"{said}: its probabilities are too high." if intercept.high < 0 else (
        f"{said}: no sign of probabilities that are too high or too low.")  # fmt: skip


def say_slope(report: Report) -> str:
    """Return whether predictions are too extreme."""
    slope = report.swarm.figure("slope")
    if slope.low is None or slope.high is None:
        return ""
    if slope.high < 1:
        return "High probabilities are too high and low ones too low (slope below 1)."
    if slope.low > 1:
        return "High probabilities are too low and low ones too high (slope above 1)."
    return "No sign that high and low probabilities are too extreme or too timid."


def say_brier(report: Report) -> str:
    """Return the Brier score of a constant prediction, beside which the model's is read."""
    brier, share = report.swarm.figure("brier"), report.curves.found
    if brier.value is None or share is None:
        return ""
    constant = share * (1 - share)
    return (
        f"Predicting {share:.0%} for everybody would give a Brier score of {constant:.3f}; the "
        "model says more if its own is below."
    )


# at each hospital


def say_range(report: Report) -> str:
    """Return the lowest and the highest AUROC of hospitals with enough patients."""
    known = [
        (f.value, h.name)
        for h in report.hospitals
        for f in [h.swarm.figure("auc")]
        if f.value is not None and not f.is_descriptive
    ]
    if len(known) < 2:
        return "Fewer than two hospitals have enough test patients to compare them."
    (low, worst), (high, best) = min(known), max(known)
    return (
        f"Among hospitals with enough test patients the AUROC ranges from {low:.3f} "
        f"({plain(worst, 60)}) to {high:.3f} ({plain(best, 60)})."
    )


def say_gain(report: Report) -> str:
    """Return at how many hospitals the joint model is above the hospital's own one."""
    pairs = [(h.swarm.figure("auc").value, h.local.value) for h in report.hospitals]
    known = [(joint, own) for joint, own in pairs if joint is not None and own is not None]
    if not known:
        return "No hospital has published the AUROC of a model of its own."
    above = sum(joint > own for joint, own in known)
    return (
        f"At {above} of {len(known)} hospitals the joint model's AUROC is above that of the "
        "hospital's own model; look at the intervals before you call it better."
    )


def say_own(evaluated: Evaluated) -> str:
    """Return the name of a model in this hospital's own evaluation."""
    return MODELS.get(evaluated.model, evaluated.model)


# how it was made


def say_penalty(penalty: Penalty | None) -> str:
    """Return the choice of the penalty."""
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


def say_effect(feature: Feature) -> tuple[str, str]:
    """Return (direction, effect) of a feature of a linear model: how it changes the odds."""
    if not feature.weight:
        return "none", "no effect"
    direction = "raises" if feature.weight > 0 else "lowers"
    if feature.kind == NUMBER:
        unit = f" {plain(feature.unit, 30)}" if feature.unit else ""
        return direction, f"× {_odds(feature.weight)} per {feature.spread:.3g}{unit}"
    step = feature.weight / feature.spread if feature.spread else 0.0
    return direction, f"× {_odds(step)} if it is so"


def _odds(weight: float) -> str:
    return f"{math.exp(min(max(weight, -50.0), 50.0)):.3g}"
