"""Answers to checklists that depend on the time to an event."""

from __future__ import annotations

from swarmhub.operations.report.answers import Known, say_leaks
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.times.measure import pool


def say_rows(found: Reported) -> tuple[str, str]:
    """Return the numbers of training and of test patients in words; "" if none were tested."""
    censored, events = found.class_rows
    pooled = pool(found, "swarm").found
    trained = f"{censored + events} patients, {events} events"
    return trained, f"{pooled.patients} patients, {pooled.events} events" if pooled else ""


def answer_tripod(found: Reported) -> dict[str, Known]:
    """Return the answers that depend on the outcome."""
    known = {
        "12e": Known("C-index within hospitals and over all pairs, integrated Brier score and its "
                     "skill beside the curve of all training patients, Brier score and calibration "
                     "at the horizon; Kaplan-Meier curves by predicted risk."),
        "12g": Known("Each hospital scored its own test patients; counts of patients by risk group "
                     "and time, and of pairs in right order, were added over hospitals."),
        "13": Known("Does not apply: the outcome is a time. Predictions were not recalibrated."),
        "15": Known("A relative risk, and a survival curve. There is no threshold."),
    }  # fmt: skip
    if pool(found, "swarm").found:
        known["23a"] = Known("See 'How good it is' and 'Risk groups'.")
    return known


def answer_probast(found: Reported) -> dict[str, Known]:
    """Return the facts that depend on the outcome."""
    censored, events = found.class_rows
    known = {
        "D3": Known("The terms declare the column of times and the words for the event, alike for "
                    f"all. {say_leaks(found)}", "how it was determined, and by whom"),
        "D4a": Known(f"{events} events among {censored + events} training patients.",
                     "whether that is enough for this number of predictors"),
        "D4d": Known("Does not apply: the outcome is a time."),
    }  # fmt: skip
    pooled = pool(found, "swarm").found
    if pooled is None:
        return known
    few = pooled.is_descriptive
    note = " The figures describe these patients, and say little of others." if few else ""
    return known | {
        "E4a": Known(f"{pooled.events} events among {pooled.patients} test patients.{note}"),
        "E4c": Known("Discrimination by the C-index, and calibration at the horizon, with 95% "
                     "intervals: see 'How good it is' and 'Risk groups'."),
    }  # fmt: skip
