"""Sentences that reports of several kinds of outcome have alike."""

from __future__ import annotations

from collections.abc import Iterable

from swarmhub.data.design import NUMBER
from swarmhub.errors import plain
from swarmhub.operations.report.contents import Hospital, Measured
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.say import say_odds


def list_known(hospitals: Iterable[Hospital], figure: str) -> list[tuple[float, str]]:
    """Return a figure and the name of each hospital that has published it of enough patients."""
    found = ((hospital.swarm.figure(figure), hospital.name) for hospital in hospitals)
    return [(f.value, name) for f, name in found if f.value is not None and not f.is_descriptive]


def say_gain(hospitals: Iterable[Hospital], figure: str, called: str) -> str:
    """Return at how many hospitals the joint model's figure is above that of its own model."""
    pairs = [(h.swarm.figure(figure).value, h.local.value) for h in hospitals]
    known = [(joint, own) for joint, own in pairs if joint is not None and own is not None]
    if not known:
        return f"No hospital has published the {called} of a model of its own."
    above = sum(joint > own for joint, own in known)
    return (
        f"At {above} of {len(known)} hospitals the joint model's {called} is above that of the "
        "hospital's own model; look at the intervals before you call it better."
    )


def say_slope(slope: Measured, called: str) -> str:
    """Return whether predictions are too extreme; "" if it is not known."""
    if slope.low is None or slope.high is None:
        return ""
    if slope.high < 1:
        return f"High {called} are too high and low ones too low (slope below 1)."
    if slope.low > 1:
        return f"High {called} are too low and low ones too high (slope above 1)."
    return f"No sign that high and low {called} are too extreme or too timid."


def say_ratio(feature: Feature, weight: float) -> str:
    """Return the factor by which a feature with this weight changes odds or a hazard."""
    if feature.kind == NUMBER:
        unit = f" {plain(feature.unit, 30)}" if feature.unit else ""
        return f"× {say_odds(weight)} per {feature.spread:.3g}{unit}"
    step = weight / feature.spread if feature.spread else 0.0
    return f"× {say_odds(step)} if it is so"


def say_direction(feature: Feature) -> str:
    """Return whether a higher value raises or lowers the prediction."""
    return "raises" if feature.weight > 0 else "lowers"
