"""Answers to TRIPOD+AI and PROBAST+AI that the ledger and the terms can give.

TRIPOD+AI: Collins et al., BMJ 2024;385:e078378, 27 items of a report on a prediction model.
PROBAST+AI: Moons et al., BMJ 2025;388:e082505, four domains of quality and risk of bias. An item
that nothing recorded answers is an open question for the authors.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.operations.report.gather import Reported

OPEN = ""


@dataclass(frozen=True)
class Answer:
    """An item in plain words, and its answer; "" if it is an open question."""

    item: str
    question: str
    answer: str


def answer_tripod(found: Reported) -> list[Answer]:
    """Return the 27 items of TRIPOD+AI."""
    terms = dict(found.terms)
    sites = ", ".join(f"{s.name} ({s.rows} training rows)" for s in found.sites)
    zeros, ones = found.class_rows
    known = {
        "1": f"'{found.title or found.study}': a model trained over {len(found.sites)} hospitals.",
        "4": terms.get("question", OPEN),
        "5": f"Routine or study data of {sites}; no row left its hospital.",
        "7": "Read as the terms declare, the same at every hospital: see the terms and 'what was "
        "left out'.",
        "8": terms.get("outcome", OPEN),
        "9": terms.get("inputs", OPEN),
        "10": f"{zeros + ones} training rows, {ones} with the outcome; no calculation is recorded.",
        "11": terms.get("missing", OPEN),
        "12": f"{found.recipe}, class-balanced; the penalty learnt by cross-validation inside the "
        f"swarm; {found.rounds} training rounds; standardised with the pooled mean and deviation.",
        "13": "Classes weigh the same in training; probabilities are not those of any patient.",
        "15": f"A probability; positive from {found.threshold:g} on.",
        "16": terms.get("test patients", OPEN),
        "17": terms.get("ethics", OPEN),
        "18": f"Terms {found.spec}, model {found.model}, ledger {found.chain}: any member can "
        "recompute the merges.",
        "20": sites,
        "22": "All weights are in the exported model folder; the largest are shown here.",
        "23": "See 'How good it is': pooled, by hospital, without each hospital, by subgroup.",
    }
    return [Answer(item, question, known.get(item, OPEN)) for item, question in TRIPOD]


TRIPOD = (
    ("1", "Does the title name the model, its target and its population?"),
    ("2", "Is there a structured abstract?"),
    ("3", "What is the medical context, and which care would use the model? Are there inequalities "
     "between groups?"),
    ("4", "What is the objective: development, evaluation, or both?"),
    ("5", "Where do the data come from, and when were they collected?"),
    ("6", "Who are the participants: settings, eligibility, treatments?"),
    ("7", "How were the data prepared, and was it the same in all groups?"),
    ("8", "How is the outcome defined, and who assessed it?"),
    ("9", "Which predictors were there, and how were they measured?"),
    ("10", "How was the sample size arrived at?"),
    ("11", "How were missing data handled?"),
    ("12", "How was the model built and evaluated?"),
    ("13", "Was class imbalance handled, and were probabilities recalibrated?"),
    ("14", "What was done for fairness?"),
    ("15", "What does the model put out, and how was the threshold chosen?"),
    ("16", "How do training and evaluation data differ?"),
    ("17", "Which ethics approval was there?"),
    ("18", "Funding, conflicts, protocol, registration, data and code: what is open?"),
    ("19", "Were patients and the public involved?"),
    ("20", "How many participants were there, and how did they differ between hospitals?"),
    ("21", "How many participants and events were in each analysis?"),
    ("22", "Is the full model given, so that others can use it?"),
    ("23", "How well does it perform, with intervals, and in which groups?"),
    ("24", "Was the model updated?"),
    ("25", "How are the results to be interpreted, fairness included?"),
    ("26", "What are the limitations?"),
    ("27", "How is poor or missing input handled in use, who uses it, and what comes next?"),
)  # fmt: skip


def answer_probast(found: Reported) -> list[Answer]:
    """Return the four domains of PROBAST+AI."""
    warned = [f for f in found.record.get("findings", []) if f.get("level") == "warning"]
    return [
        Answer("Participants", "Are the data and their sources right for the question?", OPEN),
        Answer(
            "Predictors", "Were they defined and measured alike, and known at the time of use?",
            "Units and ranges were compared between hospitals before training"
            + (f"; {len(warned)} warnings at this hospital, see below." if warned else "."),
        ),
        Answer(
            "Outcome", "Was it defined alike, and without the predictors?",
            "Coded by the terms alike everywhere; columns that tell it alone were looked for.",
        ),
        Answer(
            "Analysis", "Enough participants, missing data, overfitting, calibration?",
            "Test patients were set aside by patient before training; calibration and intervals "
            "are in this report; the penalty was chosen on training patients only.",
        ),
    ]  # fmt: skip
