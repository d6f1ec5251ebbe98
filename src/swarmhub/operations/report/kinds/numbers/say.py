"""The sentences of a report on a measured outcome: errors in its unit, beside those of a guess, and
verdicts if the interval allows them."""

from __future__ import annotations

from swarmhub.data.design import NUMBER
from swarmhub.errors import plain
from swarmhub.operations.report.contents import Measured
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds import shared
from swarmhub.operations.report.kinds.numbers.contents import ReportOfNumber
from swarmhub.operations.report.kinds.numbers.measure import RELATED
from swarmhub.operations.report.say import LEFT, say_hospitals, say_in_unit, say_number

NAMES = {
    "mae": "MAE (mean absolute error)",
    "rmse": "RMSE (root of the mean squared error)",
    "bias": "mean error (found less predicted; 0 is right, above, predictions are too low)",
    "r2": "R² (1 is perfect, 0 is as good as the mean of the tested)",
    "correlation": "correlation of predicted and found",
    "slope": "calibration slope (1 is right; below, predictions are too extreme)",
    "mae_mean": "MAE of guessing the mean of all training patients",
    "rmse_mean": "RMSE of guessing the mean of all training patients",
    "gain_mean": "MAE of that guess less the model's (above 0, the model is better)",
    "mae_site": "MAE of guessing the mean of the patient's own hospital",
    "rmse_site": "RMSE of guessing the mean of the patient's own hospital",
    "gain_site": "MAE of that guess less the model's (above 0, the model is better)",
}
POOLED = ("bias", *RELATED, "gain_mean", "gain_site")  # of the second table
METRICS = {"mae": "mean absolute error", "rmse": "RMSE", "r2": "R²", "loss": "loss"}
ROWS = "patients"  # test rows in a sentence
WEIGHING = ""
MIDDLE = ("calibration", "Predicted and found")  # section between hospitals and subgroups
FEATURES = (
    "Direction: whether a higher value raises or lowers the prediction; other features are held "
    "fixed",
    "direction", "change of the prediction", "change per standard deviation",
)  # fmt: skip


def say_figure(figure: Measured) -> str:
    """Return a figure with its interval, or why there is none."""
    return say_in_unit(figure)


def say_value(value: float, unit: str) -> str:
    """Return a number with its unit."""
    return f"{say_number(value)} {plain(unit, 30)}" if unit else say_number(value)


def say_predicts(report: ReportOfNumber) -> str:
    """Return the prediction in one sentence."""
    o = report.outcome
    unit = f" in {plain(o.unit, 30)}" if o.unit else ", a number (the terms declare no unit)"
    return f"The model estimates '{plain(o.column, 60)}' of one patient{unit}."


def say_trained(report: ReportOfNumber) -> str:
    """Return the numbers of hospitals and patients in one sentence."""
    o = report.outcome
    if o.is_declared:
        return (
            f"{say_hospitals(report)} patients; the terms declare a usual mean of "
            f"{say_value(o.mean, o.unit)}. {LEFT}"
        )
    return (
        f"{say_hospitals(report)} patients; their mean is {say_value(o.mean, o.unit)}, their "
        f"standard deviation {say_value(o.deviation, o.unit)}. {LEFT}"
    )


# how good it is


def say_error(report: ReportOfNumber) -> str:
    """Return the mean absolute error, beside that of guessing the mean."""
    error, guess, unit = report.swarm.figure("mae"), report.swarm.figure("mae_mean"), _unit(report)
    if error.value is None:
        return f"It is not known how far the model is off: {error.reason}."
    said = f"On average the model is off by {say_value(error.value, unit)}"
    if error.low is not None and error.high is not None:
        said += f" ({say_number(error.low)} to {say_number(error.high)}; {error.support} tested)"
    if guess.value is None:
        return f"{said}."
    return (
        f"{said}; guessing the mean of all training patients for everybody is off by "
        f"{say_value(guess.value, unit)}."
    )


def say_verdict(report: ReportOfNumber, guess: str) -> str:
    """Return whether the model beats a guess: the mean of all training patients (`mean`) or of the
    patient's own hospital (`site`)."""
    gain, unit = report.swarm.figure(f"gain_{guess}"), _unit(report)
    other = report.swarm.figure(f"mae_{guess}")
    what = {"mean": "the mean of all training patients",
            "site": "the mean of the patient's own hospital"}[guess]  # fmt: skip
    if gain.value is None or gain.low is None or gain.high is None or other.value is None:
        why = gain.reason or "there are too few patients"
        return f"Whether it is better than guessing {what} is not known: {why}."
    said = f"guessing {what} (off by {say_value(other.value, unit)})"
    ends = f"({say_number(gain.low)} to {say_number(gain.high)})"
    if gain.low > 0:
        return f"The model is better than {said}, by {say_value(gain.value, unit)} {ends}."
    if gain.high < 0:
        return f"The model is worse than {said}, by {say_value(-gain.value, unit)}."
    return f"The model is not shown to be better than {said}: the difference may be nil {ends}."


def say_variance(report: ReportOfNumber) -> str:
    """Return R2 in words."""
    r2 = report.swarm.figure("r2")
    if r2.value is None:
        return f"R² is not known: {r2.reason}."
    if r2.value < 0:
        return (
            f"R² is {r2.value:.2f}, below 0: its squared errors are larger than if everybody were "
            "given the mean of the tested patients."
        )
    return (
        f"R² is {r2.value:.2f}: its squared errors are {r2.value:.0%} smaller than if everybody "
        "were given the mean of the tested patients."
    )


def say_bias(report: ReportOfNumber) -> str:
    """Return whether predictions are too high or too low on average."""
    bias, unit = report.swarm.figure("bias"), _unit(report)
    if bias.value is None or bias.low is None or bias.high is None:
        return ""
    size = say_value(abs(bias.value), unit)
    if bias.low > 0:
        return f"Its predictions are too low by {size} on average."
    if bias.high < 0:
        return f"Its predictions are too high by {size} on average."
    return "No sign that its predictions are too high or too low on average."


def say_newcomer(report: ReportOfNumber) -> str:
    """Return what to expect at a hospital that took no part."""
    error = report.left_out.figure("mae")
    if error.value is None:
        return f"How it would do at a hospital that took no part is not known: {error.reason}."
    return (
        "At a hospital that took no part: models that were trained without the hospital of the "
        f"tested patients are off by {say_value(error.value, _unit(report))}."
    )


def say_slope(report: ReportOfNumber) -> str:
    """Return whether predictions are too extreme."""
    return shared.say_slope(report.swarm.figure("slope"), "predictions")


def _unit(report: ReportOfNumber) -> str:
    return report.outcome.unit


# at each hospital


def say_range(report: ReportOfNumber) -> str:
    """Return the lowest and the highest mean absolute error of the hospitals."""
    known = [(f.value, h.name) for h in report.hospitals
             if (f := h.swarm.figure("mae")).value is not None]  # fmt: skip
    if len(known) < 2:
        return "Fewer than two hospitals have enough test patients to compare them."
    (low, best), (high, worst) = min(known), max(known)
    return (
        f"The mean absolute error ranges from {say_value(low, _unit(report))} ({plain(best, 60)}) "
        f"to {say_value(high, _unit(report))} ({plain(worst, 60)})."
    )


def say_gain(report: ReportOfNumber) -> str:
    """Return at how many hospitals the joint model is better than the hospital's own one, and than
    the hospital's mean."""
    found = []
    for what, others in (
        ("the hospital's own model", [h.local.value for h in report.hospitals]),
        ("guessing the hospital's mean", [h.swarm.figure("mae_site").value
                                          for h in report.hospitals]),
    ):  # fmt: skip
        errors = [h.swarm.figure("mae").value for h in report.hospitals]
        known = [(a, b) for a, b in zip(errors, others, strict=True) if None not in (a, b)]
        if known:
            below = sum(a < b for a, b in known if a is not None and b is not None)
            found.append(f"at {below} of {len(known)} below that of {what}")
    if not found:
        return "No hospital has published the error of another model or of its mean."
    return f"The joint model's error is {', '.join(found)}."


# features


def say_effect(feature: Feature, report: ReportOfNumber) -> tuple[str, str]:
    """Return (direction, effect) of a feature: how it changes the prediction."""
    if not feature.weight:
        return "none", "no effect"
    direction = "raises" if feature.weight > 0 else "lowers"
    if feature.kind == NUMBER:
        unit = f" {plain(feature.unit, 30)}" if feature.unit else ""
        return direction, f"{_signed(feature.weight, report)} per {feature.spread:.3g}{unit}"
    step = feature.weight / feature.spread if feature.spread else 0.0
    return direction, f"{_signed(step, report)} if it is so"


def say_weight(feature: Feature, report: ReportOfNumber) -> str:
    """Return a feature's weight in the outcome's unit."""
    return _signed(feature.weight, report)


def _signed(value: float, report: ReportOfNumber) -> str:
    return f"{'+' if value > 0 else ''}{say_value(value, _unit(report))}"
