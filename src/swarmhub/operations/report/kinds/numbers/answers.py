"""Answers to checklists that depend on a measured outcome."""

from __future__ import annotations

from swarmhub.evaluation.figures import DESCRIPTIVE
from swarmhub.operations.report.answers import Known, say_leaks
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.numbers.measure import select
from swarmhub.operations.report.kinds.numbers.say import say_value


def count_tested(found: Reported) -> int:
    """Return the test rows of all hospitals; 0 if none are settled."""
    counts, _ = select(found, "swarm")
    return int(counts["rows"][0]) if counts else 0


def say_rows(found: Reported) -> tuple[str, str]:
    """Return the numbers of training and of test patients in words; "" if none were tested."""
    unit, tested = str(found.outcome.get("unit", "")), count_tested(found)
    mean, deviation = (say_value(v, unit) for v in found.scale)
    trained = f"{sum(found.class_rows)} patients, mean {mean}, standard deviation {deviation}"
    return trained, f"{tested} patients" if tested else ""


def answer_tripod(found: Reported) -> dict[str, Known]:
    """Return the answers that depend on the outcome."""
    unit = str(found.outcome.get("unit", ""))
    return {
        "12e": Known("MAE, RMSE, R², mean error, correlation and calibration slope, beside the "
                     "errors of guessing the mean of all training patients and of the hospital; "
                     "the line of found on predicted values."),
        "12g": Known("Each hospital scored its own test patients; sums of errors and of products "
                     "were added over hospitals."),
        "13": Known("Does not apply: the outcome is a number. Predictions were not recalibrated."),
        "15": Known(f"A number{f' in {unit[:60]}' if unit else ''}, without an interval for the "
                    "single patient. There is no threshold."),
    }  # fmt: skip


def answer_probast(found: Reported) -> dict[str, Known]:
    """Return the facts that depend on the outcome."""
    known = {
        "D3": Known("The terms declare the column of the outcome and its unit, alike for all. "
                    + say_leaks(found), "how it was measured, and by whom"),
        "D4a": Known(f"{sum(found.class_rows)} training patients.",
                     "whether that is enough for this number of predictors"),
        "D4d": Known("Does not apply: the outcome is a number."),
    }  # fmt: skip
    tested = count_tested(found)
    if not tested:
        return known
    few = tested < DESCRIPTIVE
    note = " The figures describe these patients, and say little of others." if few else ""
    return known | {
        "E4a": Known(f"{tested} test patients.{note}"),
        "E4c": Known("Errors, R² and correlation, and calibration by the mean error and the slope, "
                     "with 95% intervals but for R²: see 'How good it is'."),
    }  # fmt: skip
