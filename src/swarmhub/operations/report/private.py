"""What a report on a study with differential privacy says otherwise: no statistics were merged, no
count of patients by outcome left a hospital, and the model has noise."""

from __future__ import annotations

from swarmhub.operations.report.answers import Known
from swarmhub.operations.report.gather import Reported

UNKNOWN = "how many have which outcome did not leave the hospitals"
LIMIT = "Noise for differential privacy is in its parameters, and classes were not weighed alike."
SCALES = (
    "Numbers are standardised with the mean and standard deviation that the terms declare, and "
    "words have the declared levels: nothing of it comes from patients of the study."
)


def say_training(found: Reported) -> str:
    """Return the number of training patients in words."""
    return f"{found.trained} samples by the hospitals' enrolments; {UNKNOWN}"


def answer_tripod(found: Reported) -> dict[str, Known]:
    """Return the items of TRIPOD+AI that have another answer."""
    if not found.is_private:
        return {}
    numbers = f"Training: {say_training(found)}. Evaluation: each hospital for itself."
    return {
        "7": Known("swarmhub's trainer reads files as the terms declare, alike at every hospital, "
                   "and compares each hospital's data with the declared scales and levels before "
                   "training. The check at this hospital is in this report.",
                   "preparation before that, and whether it was alike in all groups"),
        "9a": Known("The columns to which the terms give scales or levels.",
                    "why these were measured"),
        "11": Known("A missing value counts as the declared mean.", "why values are missing"),
        "12a": Known("Each hospital set a share of its patients aside before training, or named "
                     "files of test patients. No test patient is used to train the model."),
        "12b": Known(SCALES),
        "12d": Known("One model for all hospitals, without terms of single hospitals."),
        "12e": Known("Each hospital measures the model at home, for its own report."),
        "12g": Known("No count of test patients left a hospital."),
        "13": Known("Classes have the weight that they have among patients.", "why"),
        "20a": Known(numbers, "the flow of patients before that"),
        "20b": Known("The samples of each hospital are in this report; outcomes did not leave it.",
                     "characteristics of the patients"),
        "21": Known(numbers),
        "27a": Known("A missing value counts as the declared mean; a value more than 10 standard "
                     "deviations from it as 10. 'swarmhub predict' refuses files without the "
                     "model's columns unless told otherwise, and names what was missing.",
                     "limits of acceptable input"),
    }  # fmt: skip


def answer_probast(found: Reported) -> dict[str, Known]:
    """Return the facts of PROBAST+AI that are others."""
    if not found.is_private:
        return {}
    return {
        "D2": Known("The terms declare names, units, and usual values. Each hospital's values were "
                    "compared with these before training.",
                    "how and when they were measured, and whether they are known in time"),
        "D4a": Known(f"{say_training(found)}.",
                     "whether that is enough for this number of predictors"),
        "D4b": Known("A missing value counts as the declared mean.",
                     "patients that were left out, and whether values are missing at random"),
        "D4c": Known("A fixed penalty limits the weights, and few noisy steps were taken. "
                     + SCALES),
        "D4d": Known("Classes have the weight that they have among patients; predictions were not "
                     "recalibrated, and the model has noise."),
    }  # fmt: skip
