"""Faults of the outcome: its words, its side, and columns or sites that give it away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .clean import HOSPITALS
from .draft import Draft, register, word
from .sheets import Sheet


def sized(large: int, middle: int, small: int) -> Callable[[int, str], dict[str, Any]]:
    """Gives the faulty hospital a size by variant: few patients make a fault hard to see."""
    return lambda seed, hospital: {"sizes": {hospital: (large, middle, small)[seed % 3]}}


def cases(draft: Draft, sheet: Sheet | None = None) -> list[bool]:
    """Tells for each row if its outcome is the positive word."""
    positive = draft.study.declaration["outcome"]["positive"]
    return [text == positive for text in (sheet or draft.sheet).cells(draft.study.outcome)]


def words(draft: Draft) -> tuple[str, list[str]]:
    """Gives the positive word and the negative ones."""
    outcome = draft.study.declaration["outcome"]
    return outcome["positive"], outcome["negative"]


@register("inverted-labels", "the outcome is the other way round at one hospital", "warning",
          merged=True, setting=sized(300, 150, 70))  # fmt: skip
def inverted_labels(draft: Draft) -> None:
    positive, negative = words(draft)
    draft.sheet.fill(
        draft.study.outcome, [negative[0] if case else positive for case in cases(draft)]
    )
    draft.column = draft.study.outcome
    draft.say("outcome", "label", word(draft.study.outcome))
    draft.say("invert", "revers", "opposite", "other way", "against", "swap", "sign", "exchang",
              "direction", "negat")  # fmt: skip


@register("other-words", "the outcome is coded in words that the study does not declare")
def other_words(draft: Draft) -> None:
    yes, no, share = draft.by_variant(
        ("acute myeloid leukaemia", "healthy", 1.0), ("1", "0", 1.0), ("relapsed", "CR", 0.04)
    )
    flags = cases(draft)
    rows = [k for k in range(len(flags)) if share == 1 or (k > 3 and draft.rng.random() < share)]
    rows = rows or [len(flags) // 2]
    for row in rows:
        draft.sheet.put(row, draft.study.outcome, yes if flags[row] else no)
    draft.at(draft.study.outcome, rows[0])
    if share == 1:
        draft.clues = {word(draft.study.outcome)}
    draft.say("word", "value", "neither", "expect", "unknown", "declare", "code", "label", "class")


@register("one-class", "a hospital has one class of the outcome only", "warning")
def one_class(draft: Draft) -> None:
    flags, outcome = cases(draft), draft.study.outcome
    kept = draft.by_variant(True, False, True)
    if draft.variant < 2:
        draft.sheet.rows = [row for row, case in zip(draft.sheet.rows, flags, strict=True)
                            if case == kept]  # fmt: skip
    else:  # the others' outcome was never typed in
        old = draft.sheet.cells(outcome)
        texts = [text if case else "" for text, case in zip(old, flags, strict=True)]
        draft.sheet.fill(outcome, texts)
    draft.column = outcome
    draft.say("outcome", "label", word(outcome))
    draft.say("class", r"\bonly\b", r"\bno\b", "none", "lack", "all rows", "same value", "constant")


@register("outcome-spelling", "the outcome has another case or a space behind it", "info",
          mendable=True)  # fmt: skip
def outcome_spelling(draft: Draft) -> None:
    outcome, rows = draft.study.outcome, [k for k, case in enumerate(cases(draft)) if case]
    change: Callable[[str], str] = draft.by_variant(
        lambda text: text + " ", str.lower, lambda text: text + "\u00a0"
    )
    if draft.variant:
        rows = sorted(int(k) for k in draft.rng.choice(rows[3:], 3 - draft.variant, replace=False))
    for row in rows:
        draft.sheet.put(row, outcome, change(draft.sheet.get(row, outcome)))
    draft.at(outcome, rows[0])


@register("contradictory-outcomes", "a patient has two outcomes")
def contradictory_outcomes(draft: Draft) -> None:
    ids, outcome = draft.sheet.cells("patient_id"), draft.study.outcome
    again = [k for k, patient in enumerate(ids) if patient in ids[:k]]
    positive, negative = words(draft)
    count = min(draft.by_variant(4, 2, 1), len(again))
    rows = sorted(int(k) for k in draft.rng.choice(again, count, replace=False))
    seen = set()
    for row in rows:
        if ids[row] not in seen:
            other = negative[0] if draft.sheet.get(row, outcome) == positive else positive
            draft.sheet.put(row, outcome, other)
            seen.add(ids[row])
    draft.at(outcome, rows[0])
    draft.clues = set()
    draft.say(word(outcome), word("patient_id"))
    draft.say("patient")
    draft.say("contradict", "two outcomes", "differ", "more than one", "both", "conflict", "unlike",
              "several")  # fmt: skip


def parted(seed: int, hospital: str) -> dict[str, Any]:
    """Makes two hospitals with nearly all cases and an assay that reads higher than the others'."""
    k = HOSPITALS.index(hospital)
    sites = (hospital, HOSPITALS[(k + 1) % 4])
    high, low, shift = ((0.98, 0.02, 1.5), (0.95, 0.04, 1.0), (0.93, 0.08, 0.8))[seed % 3]
    return {
        "prevalence": {h: high if h in sites else low for h in HOSPITALS},
        "assay": {h: shift if h in sites else 0.0 for h in HOSPITALS},
    }


@register("site-confounded", "cases and controls come from different hospitals", "warning",
          merged=True, setting=parted)  # fmt: skip
def site_confounded(draft: Draft) -> None:
    draft.everywhere()
    draft.column = draft.study.outcome
    draft.say("hospital", "site", "centre", "member")
    draft.say("confound", "nearly all", "share", "prevalence", "unequal", "depend", "predict",
              "tell", "only", "%", "balance", "separat")  # fmt: skip


@register("batch-confounded", "cases and controls were measured on different plates", "warning",
          setting=sized(300, 220, 160))  # fmt: skip
def batch_confounded(draft: Draft) -> None:
    pure, shift = draft.by_variant((1.0, 1.0), (0.95, 0.8), (0.88, 0.6))
    flags = np.array(cases(draft))
    on_first = np.where(draft.rng.random(len(flags)) < pure, flags, ~flags)
    draft.sheet.fill("plate", [f"plate {1 + (not first)}" for first in on_first])
    for column in draft.study.panel:
        values = draft.values(column)
        values = values + shift * np.nanstd(values) * draft.rng.normal(0.6, 0.5) * on_first
        old = draft.sheet.cells(column)
        draft.sheet.fill(column, [t if v != v else f"{v:.3f}"
                                  for t, v in zip(old, values, strict=True)])  # fmt: skip
    if draft.variant == 1:
        draft.study.declaration["exclude"].remove("plate")
        draft.study.declaration["inputs"].append("plate")
    draft.at("plate")
    draft.say("outcome", "label", word(draft.study.outcome))


def leak(draft: Draft, column: str) -> None:
    """Says that a column gives the outcome away, at every hospital."""
    draft.everywhere()
    draft.at(column)
    draft.say("outcome", "label", "auc", "predict", "leak", "separat", "define", "alone",
              word(draft.study.outcome))  # fmt: skip


@register("outcome-copy", "an input is the outcome in other words")
def outcome_copy(draft: Draft) -> None:
    name, yes, no, lost = draft.by_variant(
        ("dx_flag", "1", "0", 0.0), ("icd10", "C92.0", "Z00.0", 0.0), ("group_code", "1", "2", 0.05)
    )

    def make(sheet: Sheet, hospital: str) -> list[str]:
        gaps = draft.rng.random(len(sheet.rows)) < lost
        flags = cases(draft, sheet)
        return ["" if gap else yes if f else no for f, gap in zip(flags, gaps, strict=True)]

    draft.add_input(name, make)
    leak(draft, name)


@register("outcome-proxy", "an input was used to make the diagnosis: its AUC is about .97",
          "warning")  # fmt: skip
def outcome_proxy(draft: Draft) -> None:
    name = draft.by_variant("blasts", "risk_score", "mrd")
    low, high = draft.by_variant((-1.2, 0.8), (0.2, 2.8), (-3.0, 0.7))

    def make(sheet: Sheet, hospital: str) -> list[str]:
        gap = draft.by_variant(2.70, 2.66, 2.62) * high
        z = draft.rng.normal(low, high, len(sheet.rows)) + gap * np.array(cases(draft, sheet))
        values = z if draft.variant == 1 else np.minimum(100, np.exp(z) * 10)
        gaps = draft.rng.random(len(z)) < 0.04
        return ["" if g else f"{v:.3g}" for v, g in zip(values, gaps, strict=True)]

    draft.add_input(name, make)
    leak(draft, name)


@register("post-treatment", "an input exists because the patient was treated", "warning")
def post_treatment(draft: Draft) -> None:
    name = draft.by_variant("nadir_neutrophils", "days_to_recovery", "cytarabine_dose")
    kept, given = draft.by_variant((0.08, 0.9), (0.15, 0.85), (1.0, 0.92))

    def make(sheet: Sheet, hospital: str) -> list[str]:
        texts = []
        for case in cases(draft, sheet):
            treated = case and draft.rng.random() < given
            value = draft.rng.gamma(9, 1) if treated else draft.rng.gamma(2, 0.5)
            seen = treated or draft.rng.random() < kept
            untreated = "0" if draft.variant == 2 else f"{value:.2f}"
            texts.append("" if not seen else f"{value:.2f}" if treated else untreated)
        return texts

    draft.add_input(name, make)
    leak(draft, name)
    draft.say("missing", "empty", "present", "filled", "outcome", "auc", "leak", "separat", "label",
              "zero", "predict", word(draft.study.outcome))  # fmt: skip
