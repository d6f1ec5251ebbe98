"""The sentences of a report on an outcome of two classes, for a clinician: figures as counts of a
hundred patients, and verdicts if the interval allows them."""

from __future__ import annotations

from swarmhub.errors import plain
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds import shared
from swarmhub.operations.report.kinds.binary.contents import ReportOfTwo
from swarmhub.operations.report.private import UNKNOWN
from swarmhub.operations.report.say import LEFT, say_count, say_hospitals

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
FEW = "Fewer than 10 patients of a class: this describes those tested, and says little of others."
METRICS = {"auc": "AUROC", "loss": "log loss"}
ROWS = "patients"  # test rows in a sentence
WEIGHING = " with a ridge penalty, both classes weighing the same"
MIDDLE = ("curves", "Curves")  # section between hospitals and subgroups
FEATURES = (
    "Direction: whether a higher value raises or lowers the probability. Odds are p / (1 - p); "
    "other features are held fixed",
    "direction", "change of the odds", "weight per standard deviation",
)  # fmt: skip


def say_predicts(report: ReportOfTwo) -> str:
    """Return the prediction in one sentence."""
    o = report.outcome
    words = ", ".join(f"'{plain(word, 40)}'" for word in o.positive[:6]) or "1"
    negative = ", ".join(f"'{plain(word, 40)}'" for word in o.negative[:6])
    rest = f"{negative} mean no" if negative else "every other word means no"
    return (
        f"The model estimates the probability of {o.phrase} for one patient. In the column "
        f"'{plain(o.column, 60)}' {words} {'mean' if len(o.positive) > 1 else 'means'} yes, {rest}."
    )


def say_trained(report: ReportOfTwo) -> str:
    """Return the numbers of hospitals and patients in one sentence."""
    o = report.outcome
    if o.positives is None:
        return f"{say_hospitals(report)} patients; {UNKNOWN}. {LEFT}"
    return (
        f"{say_hospitals(report)} patients, {o.positives} "
        f"({o.positives / max(o.trained, 1):.0%}) of them with {o.phrase}. {LEFT}"
    )


# how good it is


def say_found(report: ReportOfTwo) -> str:
    """Return the sensitivity as a count of a hundred patients."""
    recall = report.swarm.figure("recall")
    if recall.value is None or recall.low is None or recall.high is None:
        return f"It is not known how many patients with {report.outcome.phrase} the model finds: " \
               f"{recall.reason}."  # fmt: skip
    return (
        f"Of 100 patients with {report.outcome.phrase} the model finds {say_count(recall.value)} "
        f"({say_count(recall.low)} to {say_count(recall.high)}; {recall.support} tested)."
    )


def say_alarms(report: ReportOfTwo) -> str:
    """Return the false alarms as a count of a hundred patients."""
    spared = report.swarm.figure("specificity")
    if spared.value is None or spared.low is None or spared.high is None:
        return f"It is not known how often the model raises a false alarm: {spared.reason}."
    value, low, high = (say_count(1 - s) for s in (spared.value, spared.high, spared.low))
    return (
        f"Of 100 patients without it, the model raises a false alarm in {value} ({low} to {high}; "
        f"{spared.support} tested)."
    )


def say_precision(report: ReportOfTwo) -> str:
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


def say_area(report: ReportOfTwo) -> str:
    """Return the pooled AUROC in words."""
    area = report.swarm.figure("auc")
    if area.value is None:
        return f"How well the model orders patients is not known: {area.reason}."
    return (
        f"Given one patient with {report.outcome.phrase} and one without, it assigns the higher "
        f"probability to the right one in {say_count(area.value)} of 100 such pairs."
    )


def say_newcomer(report: ReportOfTwo) -> str:
    """Return what to expect at a hospital that took no part."""
    area = report.left_out.figure("auc")
    if area.value is None:
        return f"How it would do at a hospital that took no part is not known: {area.reason}."
    return (
        "At a hospital that took no part: models that were trained without the hospital of the "
        f"tested patients are right in {say_count(area.value)} of 100 such pairs."
    )


def say_balance(report: ReportOfTwo) -> str:
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


def say_slope(report: ReportOfTwo) -> str:
    """Return whether predictions are too extreme."""
    return shared.say_slope(report.swarm.figure("slope"), "probabilities")


def say_brier(report: ReportOfTwo) -> str:
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


def say_range(report: ReportOfTwo) -> str:
    """Return the lowest and the highest AUROC of hospitals with enough patients."""
    known = shared.list_known(report.hospitals, "auc")
    if len(known) < 2:
        return "Fewer than two hospitals have enough test patients to compare them."
    (low, worst), (high, best) = min(known), max(known)
    return (
        f"Among hospitals with enough test patients the AUROC ranges from {low:.3f} "
        f"({plain(worst, 60)}) to {high:.3f} ({plain(best, 60)})."
    )


def say_gain(report: ReportOfTwo) -> str:
    """Return at how many hospitals the joint model is above the hospital's own one."""
    return shared.say_gain(report.hospitals, "auc", "AUROC")


# features


def say_effect(feature: Feature, report: ReportOfTwo) -> tuple[str, str]:
    """Return (direction, effect) of a feature of a linear model: how it changes the odds."""
    if not feature.weight:
        return "none", "no effect"
    return shared.say_direction(feature), shared.say_ratio(feature, feature.weight)


def say_weight(feature: Feature, report: ReportOfTwo) -> str:
    """Return a feature's weight."""
    return f"{feature.weight:+.3f}"


def list_few(report: ReportOfTwo) -> list[str]:
    """Return the hospitals with too few test patients of a class."""
    return [h.name for h in report.hospitals if h.swarm.figure("auc").is_descriptive]
