"""Answers to checklists that depend on several classes."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.evaluation.figures import DESCRIPTIVE
from swarmhub.operations.report.answers import Known, say_leaks
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.classes.measure import pool


def say_rows(found: Reported) -> tuple[str, str]:
    """Return the numbers of training and of test samples in words; "" if none were tested."""
    pooled = pool(found, "swarm").found
    trained = _say(sum(found.class_rows), found.class_rows)
    if pooled is None:
        return trained, ""
    return trained, _say(pooled.rows, [c.support for c in pooled.classes], " published")


def _say(rows: int, by_class: Sequence[int], what: str = "") -> str:
    each = f"{min(by_class)} to {max(by_class)}{what} of each" if by_class else "no class"
    return f"{rows} samples of {len(by_class)} classes, {each}"


def answer_tripod(found: Reported) -> dict[str, Known]:
    """Return the answers that depend on the outcome."""
    known = {
        "12e": Known("Accuracy, balanced accuracy, macro-F1 and log loss; precision, recall, F1 "
                     "and AUROC of each class against all others; confusion matrix; the share of "
                     "the most frequent class beside them."),
        "12g": Known("Each hospital scored its own test patients; counts of samples by true and "
                     "named class, and by score, were added over hospitals."),
        "13": Known("All classes weigh the same in training; predictions were not recalibrated.",
                    "why"),
        "15": Known("A probability of each class; the most probable one is named. There is no "
                    "threshold."),
    }  # fmt: skip
    if pool(found, "swarm").found:
        known["23a"] = Known("See 'How good it is' and 'Each class'.")
    return known


def answer_probast(found: Reported) -> dict[str, Known]:
    """Return the facts that depend on the outcome."""
    rows = found.class_rows
    known = {
        "D3": Known("The terms declare the words of the classes, alike for all. "
                    + say_leaks(found), "how it was determined, and by whom"),
        "D4a": Known(f"The rarest class has {min(rows)} of {sum(rows)} training samples.",
                     "whether that is enough for this number of predictors"),
        "D4d": Known("All classes weigh the same in training. Predictions were not recalibrated: "
                     "they order classes, and are no risks as they stand."),
    }  # fmt: skip
    pooled = pool(found, "swarm").found
    if pooled is None:
        return known
    least = min(c.support for c in pooled.classes)
    note = " Figures of it describe these, and say little of others." if least < DESCRIPTIVE else ""
    return known | {
        "E4a": Known(f"{pooled.rows} test samples; {least} published ones of the rarest class."
                     + note),
        "E4c": Known("Discrimination of each class, with 95% intervals; the log loss judges "
                     "probabilities. Calibration of each class is not shown.", "calibration"),
    }  # fmt: skip
