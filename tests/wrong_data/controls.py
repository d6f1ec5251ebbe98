"""Data without a fault: a check that says more than an info about these raises a false alarm."""

from __future__ import annotations

import csv
import gzip
from typing import Any

import numpy as np

from .clean import HOSPITALS, SECOND_WORDS
from .draft import Draft, register
from .faulty_labels import cases
from .pairs import split_by_patient, write_matrix, write_split
from .sheets import Sheet


def control(name: str, what: str, **setting: Any) -> Any:
    """Enters data without a fault; values that are functions get the hospital that is unlike."""

    def make_setting(seed: int, hospital: str) -> dict[str, Any]:
        return {k: v(hospital) if callable(v) else v for k, v in setting.items()}

    return register(name, what, "", setting=make_setting)


@control("clean", "four usual hospitals")
@control("other-outcome-words", "two words for the negative class", positive=SECOND_WORDS[0],
         negative=SECOND_WORDS[1])  # fmt: skip
@control("strong-effects", "real effects that add up to an AUC of about .95", effect=1.7)
@control("no-effects", "nothing has to do with the outcome", effect=0.0)
@control("many-cases", "a hospital with 90% positives", prevalence=lambda h: {h: 0.9})
@control("few-cases", "a hospital with 10% positives", prevalence=lambda h: {h: 0.1})
@control("older-patients", "a hospital whose patients are 11 years older", older=lambda h: {h: 11})
@control("shifted-assay", "an assay that reads half a deviation higher", assay=lambda h: {h: 0.5})
@control("small-hospital", "a hospital of 25 patients", sizes=lambda h: {h: 25})
@control("small-and-few", "25 patients, three of them cases", sizes=lambda h: {h: 25},
         prevalence=lambda h: {h: 0.12})  # fmt: skip
@control("genes", "a panel of genes", panel="genes")
def leave_as_it_is(draft: Draft) -> None:
    """Changes nothing."""


def dress(draft: Draft, start: str = "", **dialect: Any) -> None:
    """Writes all hospitals' files in another dialect."""
    for hospital, sheet in draft.study.sheets.items():
        content = (start + sheet.text(**dialect)).encode()
        draft.files[hospital] = {f"{hospital}.csv": content}


@control("crlf", "lines end as on Windows")
def crlf(draft: Draft) -> None:
    dress(draft, end="\r\n")


@control("leading-bom", "the file begins with a byte order mark, as a spreadsheet writes it")
def leading_bom(draft: Draft) -> None:
    dress(draft, start="\ufeff", end="\r\n")


@control("quoted", "all cells are in quotes")
def quoted(draft: Draft) -> None:
    dress(draft, quote=csv.QUOTE_ALL)


@control("quoted-line-ends", "an unused column has commas, quotes and line ends in its cells")
def quoted_line_ends(draft: Draft) -> None:
    for sheet in draft.study.sheets.values():
        notes = ['two lines:\nof "text", quoted' if draft.rng.random() < 0.1 else "" for _ in
                 sheet.rows]  # fmt: skip
        sheet.add("internal_note", notes)
    draft.study.declaration["exclude"].append("internal_note")


@control("no-last-line-end", "the last line has no end")
def no_last_line_end(draft: Draft) -> None:
    for hospital, sheet in draft.study.sheets.items():
        draft.files[hospital] = {f"{hospital}.csv": sheet.text()[:-1].encode()}


@control("packed", "the file is packed with gzip and separated by tabs")
def packed(draft: Draft) -> None:
    for hospital, sheet in draft.study.sheets.items():
        content = gzip.compress(sheet.text(separator="\t").encode(), mtime=0)
        draft.files[hospital] = {f"{hospital}.tsv.gz": content}


@control("column-order", "the columns stand in another order at each hospital")
def column_order(draft: Draft) -> None:
    for hospital, sheet in draft.study.sheets.items():
        names = [str(name) for name in draft.rng.permutation(sheet.names)]
        draft.study.sheets[hospital] = sheet.pick(names)


@control("sorted-by-outcome", "the rows are sorted by the outcome, and nothing counts them")
def sorted_by_outcome(draft: Draft) -> None:
    for sheet in draft.study.sheets.values():
        sheet.rows.sort(key=lambda row: row[sheet.names.index(draft.study.outcome)])


@control("matrix-order", "matrix and sample sheet meet by id, not by position")
def matrix_order(draft: Draft) -> None:
    for hospital in HOSPITALS:
        write_matrix(draft, hospital)


@control("right-split", "training and test files have different patients")
def right_split(draft: Draft) -> None:
    for hospital in HOSPITALS:
        write_split(draft, hospital, split_by_patient(draft, hospital))


@control("true-zeros", "an input is 0 for half of the patients, rightly and at every hospital")
def true_zeros(draft: Draft) -> None:
    def make(sheet: Sheet, hospital: str) -> list[str]:
        years = draft.rng.gamma(2, 12, len(sheet.rows))
        habits = sheet.cells("smoker")
        return ["0" if h == "never" else f"{y:.0f}" for h, y in zip(habits, years, strict=True)]

    draft.add_input("pack_years", make)


@control("good-marker", "an input of an AUC of about .85, as real markers have it")
def good_marker(draft: Draft) -> None:
    def make(sheet: Sheet, hospital: str) -> list[str]:
        z = draft.rng.normal(0, 1, len(sheet.rows)) + 1.47 * np.array(cases(draft, sheet))
        return [f"{30 * np.exp(0.6 * v):.1f}" for v in z]

    draft.add_input("ferritin", make)


@control("gaps", "a hospital did not measure one input in half of its patients")
def gaps(draft: Draft) -> None:
    column = draft.choose(["ldh", "spo2", "base_excess"])
    for row in draft.rows_with(column, draft.share(0.4, 0.5, 0.6)):
        draft.sheet.put(row, column, "")


@control("no-current-smokers", "a category that one hospital has not")
def no_current_smokers(draft: Draft) -> None:
    texts = draft.sheet.cells("smoker")
    draft.sheet.fill("smoker", ["former" if text == "current" else text for text in texts])


@control("coarse-device", "a hospital's device rounds to whole numbers")
def coarse_device(draft: Draft) -> None:
    for row in draft.sheet.filled("crp"):
        draft.sheet.put(row, "crp", f"{float(draft.sheet.get(row, 'crp')):.0f}")
