"""TRIPOD+AI: what a report on a prediction model has to say, as far as ledger and terms know it.

The 27 items have 52 parts; the questions are those of the statement (`CITED`) in short words.
"""

from __future__ import annotations

from swarmhub.contract.records import Declaration
from swarmhub.operations.data_terms import say_inputs, say_missing, say_outcome
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
from swarmhub.operations.report.say import RESTRAINTS, say_weighing
from swarmhub.recipes.linear.folds import FOLDS

CITED = (
    "Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for reporting "
    "clinical prediction models that use regression or machine learning methods. BMJ "
    "2024;385:e078378."
)
ITEMS = (
    ("1", "Title", "Does the title name the model, the target population and the outcome?"),
    ("2", "Abstract", "Is there an abstract as TRIPOD+AI for Abstracts asks for?"),
    ("3a", "Background", "In which medical context is it used, why this one, which exist already?"),
    ("3b", "Background", "For which patients, which purpose and which users is it?"),
    ("3c", "Background", "Which inequalities in health between groups are known?"),
    ("4", "Objectives", "Is a model developed, evaluated, or both?"),
    ("5a", "Data", "Where do the data for training and for evaluation come from, and why these?"),
    ("5b", "Data", "From when to when were patients included and followed?"),
    ("6a", "Participants", "In which settings, how many centres, and where?"),
    ("6b", "Participants", "Which patients were eligible?"),
    ("6c", "Participants", "Which treatments did they receive, and how was that handled?"),
    ("7", "Data preparation", "How were data prepared and checked; was it alike in all groups?"),
    ("8a", "Outcome", "How is it defined, when and how was it assessed, and why this one?"),
    ("8b", "Outcome", "If it needs judgement: how qualified were the assessors?"),
    ("8c", "Outcome", "Was it assessed without knowledge of the predictors?"),
    ("9a", "Predictors", "How were the predictors chosen?"),
    ("9b", "Predictors", "How is each defined, when and how was it measured?"),
    ("9c", "Predictors", "If one needs judgement: how qualified were the assessors?"),
    ("10", "Sample size", "How was the number of patients arrived at, and is it enough?"),
    ("11", "Missing data", "How were missing values handled, and why were data left out?"),
    ("12a", "Analysis", "How were the data divided for training and evaluation?"),
    ("12b", "Analysis", "In which form do predictors enter the model?"),
    ("12c", "Analysis", "Which type of model is it, how was it built, tuned and validated?"),
    ("12d", "Analysis", "How were differences between hospitals handled?"),
    ("12e", "Analysis", "With which measures and plots is performance judged?"),
    ("12f", "Analysis", "Was the model updated after evaluation?"),
    ("12g", "Analysis", "How were predictions for the evaluation calculated?"),
    ("13", "Class imbalance", "Was imbalance corrected, and were predictions recalibrated?"),
    ("14", "Fairness", "How was fairness dealt with, and why?"),
    ("15", "Output", "Which output does it give, and how was the threshold chosen?"),
    ("16", "Training and evaluation", "How do the data for training and evaluation differ?"),
    ("17", "Ethics", "Which committee approved, and how did patients consent?"),
    ("18a", "Open science", "By which funders was the study supported?"),
    ("18b", "Open science", "Which conflicts of interest are there?"),
    ("18c", "Open science", "Where is the protocol?"),
    ("18d", "Open science", "Where is the study registered?"),
    ("18e", "Open science", "Are the data available?"),
    ("18f", "Open science", "Is the code available?"),
    ("19", "Involvement", "How were patients and the public involved?"),
    ("20a", "Participants", "How many patients, and with which outcome?"),
    ("20b", "Participants", "Which characteristics do they have, overall and at each hospital?"),
    ("20c", "Participants", "How do patients of the evaluation differ from those of training?"),
    ("21", "Development", "How many patients and outcomes are in each analysis?"),
    ("22", "Specification", "Is the model given in full, so that others can use it?"),
    ("23a", "Performance", "How good is it, with intervals, and in which groups?"),
    ("23b", "Performance", "How does performance differ between hospitals?"),
    ("24", "Updating", "If the model was updated: with which result?"),
    ("25", "Interpretation", "How are the results to be read, fairness included?"),
    ("26", "Limitations", "Which limitations does the study have?"),
    ("27a", "Use", "How is poor or missing input to be handled?"),
    ("27b", "Use", "Which work and knowledge does it ask of users?"),
    ("27c", "Use", "Which research comes next?"),
)


def answer_tripod(found: Reported) -> list[Answer]:
    """Return the items of TRIPOD+AI with the answers that are known."""
    kind = kind_of(found.kind)
    trained, tested = kind.say_rows(found)
    if found.is_private:
        trained = private.say_training(found)
    known = _data(found, trained, tested) | _analysis(found) | _sharing(found)
    known |= _results(found, trained, tested) | kind.answer_tripod(found)
    return fill(ITEMS, known | private.answer_tripod(found))


def _data(found: Reported, trained: str, tested: str) -> dict[str, Known]:
    where = f"{len(found.sites)} hospitals: {list_hospitals(found)}."
    known = {
        "4": Known("A model is developed, and evaluated on test patients of the same hospitals."
                   if tested else "A model is developed.",
                   "the clinical objective"),
        "5a": Known(f"Training and test patients come from {where} Rows never left a hospital.",
                    "the sources, why they were chosen, and whether they are representative"),
        "6a": Known(where, "settings and locations"),
        "7": Known("swarmhub's trainer reads files as the terms declare, alike at every hospital, "
                   "and checks each hospital's data on their own and against the merged "
                   "statistics before training. The check at this hospital is in this report.",
                   "preparation before that, and whether it was alike in all groups"),
        "10": Known(f"Training: {trained}. No calculation is recorded.",
                    "why this is enough"),
    }  # fmt: skip
    if found.title:
        rest = "whether it names population and outcome"
        known["1"] = Known(f"The terms call the study '{found.title[:200]}'.", rest)
    return known | (_declared(found.declared) if found.declared else {})


def _declared(declared: Declaration) -> dict[str, Known]:
    blocks = "; ".join(say_inputs(block) for block in declared.inputs)
    excluded = f" Excluded: {list_names(declared.exclude)}." if declared.exclude else ""
    known = {
        "8a": Known(f"{say_outcome(declared.outcome)}.",
                    "how and when it was assessed, and why this outcome"),
        "9a": Known(f"{blocks or 'All columns that nothing else claims'}.{excluded} Columns that "
                    f"do not vary, or are missing in more than {float(declared.max_missing):.0%} "
                    "of all rows, are left out alike everywhere.",
                    "why these were measured"),
        "11": Known(f"Missing values: {say_missing(declared)}. What was left out is listed in this "
                    "report.", "why values are missing"),
    }  # fmt: skip
    if any(block.unit or block.transform != "none" for block in declared.inputs):
        known["9b"] = Known(f"{blocks}.", "how and when each was measured")
    return known


def _analysis(found: Reported) -> dict[str, Known]:
    declared = found.declared
    share = f"{float(declared.test_fraction):.0%}" if declared else "a part"
    kind = kind_of(found.kind)
    over = "of each hospital" if found.is_standardised_apart else "over all hospitals"
    model = f"{found.method}{say_weighing(found.recipe, kind.say.WEIGHING, found.is_private)}"
    return {
        "12a": Known(f"Each hospital set {share} of its patients{kind.BY_CLASS} aside "
                     "before training, or named files of test patients. No test patient is used to "
                     "train the model or to choose its penalty."),
        "12b": Known(f"Numbers are standardised with the mean and standard deviation {over}; "
                     "words become a feature for each category."),
        "12c": Known(f"A {model}, trained in {found.rounds} rounds. {_say_penalty(found)}",
                     "why this type of model"),
        "12d": Known("One model for all hospitals, without terms of single hospitals. Performance "
                     "is given for each hospital"
                     + (", and for models trained without it." if has_left_out(found) else ".")),
        "12f": Known("No: the figures are of the model as it was trained."),
        "16": Known("They come from the same hospitals and were read by the same declaration.",
                    "differences in time or setting, if a hospital named other files for testing"),
        "24": Known("The model was not updated."),
        "27a": Known(f"A missing value counts as the mean {over}; a value more than 10 "
                     "standard deviations from it as 10. 'swarmhub predict' refuses files without "
                     "the model's columns unless told otherwise, and names what was missing.",
                     "limits of acceptable input"),
    }  # fmt: skip


def _sharing(found: Reported) -> dict[str, Known]:
    versions = list_names(sorted({s.software for s in found.sites if s.software}), 3)
    known = {
        "18c": Known(f"The terms that every member approved are in this report, digest "
                     f"{found.spec}.", "the protocol of the study itself"),
        "18e": Known("Rows stay at the hospitals. Members hold the models and the settled sums.",
                     "whom to ask"),
        "22": Known(f"Members can export all parameters (model {found.model}) as a folder that "
                    "scores patients"
                    + ("; the largest weights are in this report." if found.features else "."),
                    "how others get it, and under which conditions"),
    }  # fmt: skip
    if versions:
        known["18f"] = Known(f"swarmhub is open source (Apache-2.0). Versions: {versions}.",
                             "code of the study besides it")  # fmt: skip
    if found.ethics:
        known["17"] = Known(f"The terms name the document with sha256 {found.ethics}.",
                            "committee, approval and consent")  # fmt: skip
    return known


def _results(found: Reported, trained: str, tested: str) -> dict[str, Known]:
    numbers = f"Training: {trained}. Evaluation: {tested or 'no patient'}."
    known = {
        "20a": Known(numbers, "the flow of patients before that"),
        "20b": Known("Numbers and outcomes of each hospital are in this report.",
                     "characteristics of the patients"),
        "21": Known(f"{numbers} The penalty was chosen on training patients."
                    if "losses" in found.penalty else numbers),
    }  # fmt: skip
    if tested:
        known["23a"] = Known("See 'How good it is'.")
        known["23b"] = Known("See 'At each hospital'.")
    return known


def _say_penalty(found: Reported) -> str:
    if found.recipe in RESTRAINTS:
        return RESTRAINTS[found.recipe]
    penalty = found.penalty
    if "losses" in penalty:
        return (
            f"The penalty was chosen out of {len(penalty['strengths'])} by cross-validation over "
            f"{FOLDS} parts of the training patients of all hospitals."
        )
    chosen = penalty.get("chosen")
    return f"The penalty is fixed (C = {chosen:g})." if chosen is not None else ""
