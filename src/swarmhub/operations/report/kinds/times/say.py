"""The sentences of a report on the time to an event, for a clinician: the order of patients, risks
at the horizon, and what the training patients' curve alone is worth."""

from __future__ import annotations

from swarmhub.errors import plain
from swarmhub.operations.report.contents import Penalty
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds import shared
from swarmhub.operations.report.kinds.times.contents import ReportOfTimes, RiskGroup
from swarmhub.operations.report.say import LEFT, say_count, say_hospitals

NAMES = {
    "c_index_within": "C-index over pairs within hospitals (0.5 is a coin's toss, 1 is perfect)",
    "c_index": "C-index over all pairs",
    "integrated_brier": "integrated Brier score up to the horizon (0 is perfect)",
    "skill": "skill (share of the squared error that the model saves beside one curve for all)",
    "brier": "Brier score at the horizon (0 is perfect)",
    "observed_expected": "risk found over risk predicted at the horizon (1 is right)",
    "calibration_error": "mean distance of risks predicted and found over risk groups",
}
METRICS = {"c_index": "C-index", "integrated_brier": "integrated Brier score"}
ROWS = "patients"  # test rows in a sentence
WEIGHING = " with a ridge penalty"
FEW = "Fewer than 10 events: this describes those tested, and says little of others."
MIDDLE = ("groups", "Risk groups")  # section between hospitals and subgroups
FEATURES = (
    "Direction: whether a higher value raises or lowers the hazard, the rate of events at any "
    "time; other features are held fixed",
    "direction", "change of the hazard", "weight per standard deviation",
)  # fmt: skip


def say_horizon(report: ReportOfTimes) -> str:
    """Return the horizon with its unit."""
    o = report.outcome
    if o.horizon is None:
        return "the horizon"
    return f"{o.horizon:g} {plain(o.unit, 30)}" if o.unit else f"{o.horizon:g}"


def say_predicts(report: ReportOfTimes) -> str:
    """Return the prediction in one sentence."""
    o = report.outcome
    return (
        f"The model orders patients by their risk of {o.phrase}, and estimates it by time "
        f"('{plain(o.time, 60)}'); risks below are those up to {say_horizon(report)}."
    )


def say_trained(report: ReportOfTimes) -> str:
    """Return the numbers of hospitals, patients and events in one sentence."""
    o = report.outcome
    return (
        f"{say_hospitals(report)} patients; {o.phrase} was observed for {o.events} "
        f"({o.events / max(o.trained, 1):.0%}) of them, the others were censored before. {LEFT}"
    )


def say_penalty(penalty: Penalty | None, recipe: str = "") -> str:
    """Return the strength of the penalty."""
    if penalty is None or penalty.chosen is None:
        return "The strength of the penalty is not known here."
    return f"The penalty was fixed before training: C = {penalty.chosen:g}."


# how good it is


def say_order(report: ReportOfTimes) -> str:
    """Return the C-index as a count of a hundred pairs of patients."""
    index = report.swarm.figure("c_index_within")
    if index.value is None:
        return f"How well the model orders patients is not known: {index.reason}."
    said = f"in {say_count(index.value)} of 100 such pairs"
    if index.low is not None and index.high is not None:
        said += f" ({say_count(index.low)} to {say_count(index.high)}; {index.support} pairs)"
    return (
        f"Given two patients of a hospital, of which it is known for which {report.outcome.phrase} "
        f"came first, the model gives the higher risk to the right one {said}."
    )


def say_risk(report: ReportOfTimes) -> str:
    """Return whether predicted risks are too high or too low on average."""
    ratio, predicted = report.swarm.figure("observed_expected"), report.predicted
    if ratio.value is None or predicted is None:
        return f"Whether its risks are right is not known: {ratio.reason}."
    said = (
        f"Up to {say_horizon(report)} it predicts {report.outcome.phrase} for {predicted:.0%} on "
        f"average; it was found for {min(ratio.value * predicted, 1.0):.0%} (Kaplan-Meier)"
    )
    if ratio.low is None or ratio.high is None:
        return f"{said}."
    if ratio.low > 1:
        return f"{said}: its risks are too low."
    return f"{said}: its risks are too high." if ratio.high < 1 else (
        f"{said}: no sign of risks that are too high or too low.")  # fmt: skip


def say_groups(report: ReportOfTimes) -> str:
    """Return the risk found in the lowest and the highest group."""
    known = [g for g in report.groups if g.found.value is not None]
    if len(known) < 2:
        return ""
    low, high = (say_count(g.found.value or 0.0) for g in (known[0], known[-1]))
    return (
        f"Of 100 patients in the group of lowest predicted risk {low} had {report.outcome.phrase} "
        f"up to {say_horizon(report)}, of 100 in the group of highest risk {high}."
    )


def say_skill(report: ReportOfTimes) -> str:
    """Return what the model saves beside one curve for all."""
    skill = report.swarm.figure("skill")
    if skill.value is None:
        return ""
    if skill.value <= 0:
        return (
            "Its squared errors are not smaller than if everybody were given the survival curve of "
            "all training patients."
        )
    return (
        f"Its squared errors are {skill.value:.0%} smaller than if everybody were given the "
        "survival curve of all training patients (integrated Brier score; without an interval)."
    )


def say_newcomer(report: ReportOfTimes) -> str:
    """Return what to expect at a hospital that took no part."""
    index = report.left_out.figure("c_index_within")
    known = [h.left_out.value for h in report.hospitals if h.left_out.value is not None]
    if index.value is None and known:
        ends = list(dict.fromkeys((say_count(min(known)), say_count(max(known)))))
        return (
            "At a hospital that took no part: models that were trained without the hospital of the "
            f"tested patients are right in {' to '.join(ends)} of 100 such pairs, by hospital."
        )
    if index.value is None:
        return f"How it would do at a hospital that took no part is not known: {index.reason}."
    return (
        "At a hospital that took no part: models that were trained without the hospital of the "
        f"tested patients are right in {say_count(index.value)} of 100 such pairs."
    )


def name_group(report: ReportOfTimes, group: RiskGroup) -> str:
    """Return a risk group's name: its place, and the mean predicted risk."""
    place = report.groups.index(group) + 1
    risk = "" if group.predicted is None else f" ({group.predicted:.0%} predicted)"
    return f"group {place}{risk}"


# at each hospital


def say_range(report: ReportOfTimes) -> str:
    """Return the lowest and the highest C-index of hospitals with enough events."""
    known = shared.list_known(report.hospitals, "c_index_within")
    if len(known) < 2:
        return "Fewer than two hospitals have enough events among test patients to compare them."
    (low, worst), (high, best) = min(known), max(known)
    return (
        f"Among hospitals with enough events the C-index ranges from {low:.3f} "
        f"({plain(worst, 60)}) to {high:.3f} ({plain(best, 60)})."
    )


def say_gain(report: ReportOfTimes) -> str:
    """Return at how many hospitals the joint model is above the hospital's own one."""
    return shared.say_gain(report.hospitals, "c_index_within", "C-index")


# features


def say_effect(feature: Feature, report: ReportOfTimes) -> tuple[str, str]:
    """Return (direction, effect) of a feature: how it changes the hazard."""
    if not feature.weight:
        return "none", "no effect"
    return shared.say_direction(feature), shared.say_ratio(feature, feature.weight)


def say_weight(feature: Feature, report: ReportOfTimes) -> str:
    """Return a feature's weight."""
    return f"{feature.weight:+.3f}"
