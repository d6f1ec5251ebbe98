"""Faults of rows: the same rows, samples or patients more than once, and what counts rows."""

from __future__ import annotations

from .draft import Draft, any_of, number, register, word
from .faulty_labels import cases
from .pairs import split_by_patient, split_others, write_split
from .sheets import line_of

TWICE = (
    "twice", "duplicat", "same", "identical", "equal", "copy", "copies", "again", "repeat", "two",
    "alike",
)  # fmt: skip


def pair_at(draft: Draft, first: int, again: int) -> None:
    """Says that two rows are the fault; a finding names one of them."""
    draft.line = line_of(again)
    draft.clues.add(any_of(number(line_of(first)), number(line_of(again))))
    draft.say(*TWICE)


@register("duplicated-rows", "rows were exported twice", "warning")
def duplicated_rows(draft: Draft) -> None:
    rows, count = draft.sheet.rows, draft.by_variant(9, 1, 1)
    first = int(draft.rng.integers(5, len(rows) - 20))
    again = draft.by_variant(len(rows), first + 1, len(rows) - 3)
    rows[again:again] = [list(row) for row in rows[first : first + count]]
    pair_at(draft, first, again)


@register("duplicated-samples", "two rows have the same sample id and different values")
def duplicated_samples(draft: Draft) -> None:
    ids = draft.sheet.cells("patient_id")
    if draft.variant == 0:  # the number of the visit was not raised
        again = draft.choose(k for k, patient in enumerate(ids) if patient in ids[:k])
        first = ids.index(ids[again])
    else:  # a tube was mislabelled; at seed 2 the id has a space behind it
        first, again = sorted(int(k) for k in draft.rng.choice(len(ids), 2, replace=False))
    text = draft.sheet.get(first, "sample_id") + " " * (draft.variant == 2)
    draft.sheet.put(again, "sample_id", text)
    draft.column, draft.cell = "sample_id", text
    draft.say(word("sample_id"), "sample")
    pair_at(draft, first, again)


@register("two-ids", "one patient is registered under two ids: the same values again", "warning")
def two_ids(draft: Draft) -> None:
    rows, names = draft.sheet.rows, draft.sheet.names
    prefix = draft.hospital[:2].upper()
    first = int(draft.rng.integers(5, len(rows) - 30))
    for k in range(draft.by_variant(6, 1, 1)):
        new = dict(zip(names, rows[first + k], strict=True))
        new["patient_id"] = f"{prefix}-{9000 + int(draft.rng.integers(900))}{k}"
        new["sample_id"] = new["patient_id"] + "-1"
        if draft.variant == 2:  # sent again by another laboratory
            new |= {p: f"{float(new[p]):.2f}" for p in draft.study.panel if new[p][:1].isdigit()}
            new["crp"] = ""
        rows.append([new[name] for name in names])
    draft.column = "patient_id"
    draft.say("patient", "id")
    pair_at(draft, first, len(rows) - draft.by_variant(6, 1, 1))


@register("both-sides", "a patient has rows in the training and in the test file")
def both_sides(draft: Draft) -> None:
    split_others(draft)
    ids, sheet = draft.sheet.cells("patient_id"), draft.sheet
    test = set(split_by_patient(draft, draft.hospital))
    if draft.variant == 0:  # split by row
        count = len(ids) // 5
        test = {int(k) for k in draft.rng.choice(len(ids), count, replace=False)}
    else:
        again = [k for k in range(len(ids)) if k not in test and ids[k] in ids[:k]]
        count = min(len(again), 3 - draft.variant)
        picked = [int(k) for k in draft.rng.choice(again, count, replace=False)]
        test |= set(picked)
        if draft.variant == 2:  # typed anew, in small letters
            sheet.put(picked[0], "patient_id", ids[picked[0]].lower())
    write_split(draft, draft.hospital, test)
    draft.file = f"{draft.hospital}-test.csv"
    draft.at("patient_id")
    draft.clues = set()
    draft.say("patient")
    draft.say("both", "test", "train", "side", "split", "files")


@register("row-counter", "an input counts rows that were sorted by the outcome")
def row_counter(draft: Draft) -> None:
    flags = cases(draft)
    order = sorted(range(len(flags)), key=lambda k: (flags[k], draft.rng.random()))
    if draft.variant == 1:
        order.reverse()
    draft.sheet.rows = [draft.sheet.rows[k] for k in order]
    for sheet in draft.study.sheets.values():
        sheet.add("nr", [str(k) for k in range(1, len(sheet.rows) + 1)], at=0)
    if draft.variant == 2:  # sorted before it was numbered, shuffled later
        shuffled = draft.rng.permutation(len(order))
        draft.sheet.rows = [draft.sheet.rows[int(k)] for k in shuffled]
    draft.study.declaration["inputs"].append("nr")
    draft.at("nr")
    draft.say("outcome", "label", "order", "sort", "count", "number", "identif", "auc", "separat",
              "predict", "increas", word(draft.study.outcome))  # fmt: skip
