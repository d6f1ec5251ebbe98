"""PROBAST+AI: facts that bear on the quality and the risk of bias of a prediction model.

The tool (`CITED`) has two parts, development and evaluation, with four domains each. Its numbered
signalling questions are for an assessor without a part in the study: no rating is given here, only
facts by domain, under questions in short words.
"""

from __future__ import annotations

from swarmhub.operations.report import private
from swarmhub.operations.report.answers import (
    Answer,
    Known,
    fill,
    list_hospitals,
    list_names,
)
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.kind import kind_of
from swarmhub.operations.report.measuring import has_left_out

CITED = (
    "Moons KGM, Damen JAA, Kaul T, et al. PROBAST+AI: an updated quality, risk of bias, and "
    "applicability assessment tool for prediction models using regression or artificial "
    "intelligence methods. BMJ 2025;388:e082505."
)
PARTICIPANTS, PREDICTORS = "Participants and data sources", "Predictors"
OUTCOME, ANALYSIS = "Outcome", "Analysis"
ITEMS = (
    ("D1", PARTICIPANTS, "Do the training data suit the question, and do they represent the target "
     "population?"),
    ("D2", PREDICTORS, "Are predictors defined and measured alike, without knowledge of the "
     "outcome, and known when the model is to be used?"),
    ("D3", OUTCOME, "Is the outcome defined and determined well and alike, and without the "
     "predictors?"),
    ("D4a", ANALYSIS, "Are there enough patients in training, of each outcome if there are "
     "classes?"),
    ("D4b", ANALYSIS, "Were all patients included, and missing values handled well?"),
    ("D4c", ANALYSIS, "Was overfitting dealt with, and information of test patients kept out?"),
    ("D4d", ANALYSIS, "If imbalance was corrected: were predictions recalibrated?"),
    ("E1", PARTICIPANTS, "Do the evaluation data suit the question, and do they represent the "
     "target population?"),
    ("E2", PREDICTORS, "Were predictors defined and measured as in training?"),
    ("E3", OUTCOME, "Was the outcome defined and determined as in training?"),
    ("E4a", ANALYSIS, "Are there enough patients in the evaluation, of each outcome if there "
     "are classes?"),
    ("E4b", ANALYSIS, "Were patients of the evaluation kept out of training?"),
    ("E4c", ANALYSIS, "Are both discrimination and calibration judged, with intervals?"),
    ("E4d", ANALYSIS, "Is performance judged between hospitals, and in groups of patients?"),
)  # fmt: skip


def answer_probast(found: Reported) -> list[Answer]:
    """Return facts by part (D: development, E: evaluation) and domain of PROBAST+AI."""
    kind = kind_of(found.kind)
    known = _development(found) | (_evaluation(found) if kind.say_rows(found)[1] else {})
    return fill(ITEMS, known | kind.answer_probast(found) | private.answer_probast(found))


def _development(found: Reported) -> dict[str, Known]:
    warned = [f for f in found.record.get("findings", []) if f.get("level") == "warning"]
    check = f" This hospital had {len(warned)} warnings." if warned else ""
    return {
        "D1": Known(f"{len(found.sites)} hospitals: {list_hospitals(found)}.",
                    "sources, eligibility, and the target population"),
        "D2": Known("The terms declare names and units. Each hospital's values were compared with "
                    f"the merged statistics before training.{check}",
                    "how and when they were measured, and whether they are known in time"),
        "D4b": Known("A missing value counts as the mean over all hospitals."
                     + _say_indicators(found),
                     "patients that were left out, and whether values are missing at random"),
        "D4c": Known("A penalty limits "
                     + ("the values of leaves" if found.recipe == "trees" else "the weights")
                     + (", chosen by cross-validation inside the swarm on training patients."
                        if "losses" in found.penalty else ".")
                     + " Means and deviations of the features come from training patients."),
    }  # fmt: skip


def _say_indicators(found: Reported) -> str:
    has = found.declared is not None and found.declared.missing == "mean + indicator"
    return " A feature of its own says that it is missing." if has else ""


def _evaluation(found: Reported) -> dict[str, Known]:
    groups = f"; in subgroups ({list_names(found.subgroups)})" if found.subgroups else ""
    return {
        "E1": Known("Test patients of the same hospitals: no evaluation at a hospital that took no "
                    "part" + (", but one by models trained without the hospital."
                              if has_left_out(found) else "."),
                    "whether they represent the target population"),
        "E2": Known("Read by the same declaration as in training.", "times and methods"),
        "E3": Known("Read by the same declaration as in training.", "times and methods"),
        "E4b": Known("They were set aside before training, or come from files of their own; with "
                     "all of their rows, if the terms name a column of patients.",
                     "whether a patient was at two hospitals"),
        "E4d": Known(f"At each hospital{groups}.", "further groups that matter"),
    }  # fmt: skip
