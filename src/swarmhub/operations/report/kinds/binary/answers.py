"""Answers to checklists that depend on two classes."""

from __future__ import annotations

from swarmhub.evaluation.figures import DESCRIPTIVE
from swarmhub.operations.report.answers import Known, list_names, say_leaks
from swarmhub.operations.report.gather import Reported


def count_tested(found: Reported) -> tuple[int, int] | None:
    """Return test rows with and without the outcome of all hospitals; None if none are settled."""
    cells = found.counts.get("swarm/threshold")
    if not cells or not sum(cells):
        return None
    tp, fp, tn, fn = (int(n) for n in cells)
    return tp + fn, tn + fp


def say_rows(found: Reported) -> tuple[str, str]:
    """Return the numbers of training and of test patients in words; "" if none were tested."""
    without, having = found.class_rows
    tested = count_tested(found)
    return _say(having, without), _say(*tested) if tested else ""


def _say(having: int, without: int) -> str:
    return f"{having + without} patients, {having} with the outcome"


def answer_tripod(found: Reported) -> dict[str, Known]:
    """Return the answers that depend on the outcome."""
    groups = f", those of subgroups ({list_names(found.subgroups)})" if found.subgroups else ""
    known = {
        "12e": Known("AUROC, AUPRC, sensitivity, specificity, precision and accuracy at the "
                     "threshold, calibration slope, calibration in the large, expected "
                     f"calibration error, Brier score{groups}; ROC curve and calibration plot."),
        "12g": Known("Each hospital scored its own test patients; counts of patients by score were "
                     "added over hospitals."),
        "13": Known("Both classes weigh the same in training; predictions were not recalibrated.",
                    "why"),
        "15": Known(f"A probability; from {found.threshold:g} on a patient counts as positive, as "
                    "the terms declared before training.", "why this threshold"),
    }  # fmt: skip
    if count_tested(found):
        known["23a"] = Known("See 'How good it is' and 'Subgroups'.")
    if found.declared and found.declared.subgroups:
        declared = list_names(found.declared.subgroups)
        known["14"] = Known(f"Performance is shown in subgroups of {declared}.", "what it led to")
    return known


def answer_probast(found: Reported) -> dict[str, Known]:
    """Return the facts that depend on the outcome."""
    without, having = found.class_rows
    known = {
        "D3": Known("The terms declare the words of the outcome, alike for all. "
                    + say_leaks(found), "how it was determined, and by whom"),
        "D4a": Known(f"{having} of {without + having} training patients have the outcome.",
                     "whether that is enough for this number of predictors"),
        "D4d": Known("Both classes weigh the same in training. Predictions were not recalibrated: "
                     "they order patients, and are no risks as they stand."),
    }  # fmt: skip
    tested = count_tested(found)
    if tested is None:
        return known
    few = min(tested) < DESCRIPTIVE
    note = " The figures describe these patients, and say little of others." if few else ""
    return known | {
        "E4a": Known(f"{tested[0]} test patients with the outcome, {tested[1]} without.{note}"),
        "E4c": Known("Both, with 95% intervals: see 'How good it is'."),
    }
