"""Faults as they occur in hospitals' tables, put into clean ones: each with the words of which a
right finding has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from wrong_data.clean import HOSPITALS, Setting, Study, make_study
from wrong_data.sheets import Sheet, line_of

Rng = np.random.Generator


@dataclass
class Fault:
    """A study with a fault at one hospital. `clues` are topics or parts of a sentence; `raw` is the
    hospital's file if it is no plain table. `is_merged`: only the others' data show it."""

    study: Study
    hospital: str
    clues: tuple[str, ...]
    raw: bytes | None = None
    is_merged: bool = False
    tests: set[str] = field(default_factory=set)


Maker = Callable[[Study, str, Rng], Fault]
MAKERS: dict[str, Maker] = {}


def fault(maker: Maker) -> Maker:
    """Register a maker under its name."""
    MAKERS[maker.__name__] = maker
    return maker


def make(name: str, seed: int) -> Fault:
    """Return a fault, at a hospital that the seed draws."""
    rng = np.random.default_rng([seed, len(name), *name.encode()])
    panel = "genes" if name == "version_of_a_gene" else "proteins"
    study = make_study(Setting(seed, panel))
    return MAKERS[name](study, str(rng.choice(HOSPITALS)), rng)


def numbers(sheet: Sheet, name: str) -> list[float]:
    """Return a column's numbers; missing ones are NaN."""
    return [float(t) if t not in ("", "NA") else float("nan") for t in sheet.cells(name)]


def rescale(sheet: Sheet, name: str, change: Callable[[float], float]) -> None:
    """Change each number of a column."""
    sheet.fill(name, ["" if v != v else f"{change(v):.4g}" for v in numbers(sheet, name)])


# columns


@fault
def a_missing_column(study: Study, hospital: str, rng: Rng) -> Fault:
    name = str(rng.choice(["crp", "hb", "age", study.panel[0]]))
    study.sheets[hospital].drop(name)
    return Fault(study, hospital, (f"'{name}'",))


@fault
def another_spelling(study: Study, hospital: str, rng: Rng) -> Fault:
    name = str(rng.choice(["crp", "creatinine", "base_excess"]))
    other = rng.choice([name.upper(), f"{name}\u00a0", name.replace("_", " ") + "_", name.title()])
    study.sheets[hospital].rename(name, str(other) if str(other).strip() != name else name.upper())
    return Fault(study, hospital, (f"'{name}'",))


@fault
def version_of_a_gene(study: Study, hospital: str, rng: Rng) -> Fault:
    name = str(rng.choice(study.panel))
    study.sheets[hospital].rename(name, f"{name}.{rng.integers(1, 20)}")
    return Fault(study, hospital, (name,))


@fault
def an_unused_column(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    sheet.add("bnp", [f"{v:.1f}" for v in rng.lognormal(4, 1, len(sheet.rows))])
    return Fault(study, hospital, ("'bnp'",))


@fault
def two_columns_of_one_name(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    sheet.add("crp", sheet.cells("hb"))
    return Fault(study, hospital, ("'crp'",))


# cells

CELLS = {
    "below_the_limit": lambda v, rng: f"<{v:.0f}",
    "a_word_for_the_limit": lambda v, rng: "<LOD",
    "an_error_of_a_formula": lambda v, rng: "#N/A",
    "a_blank_between_thousands": lambda v, rng: rng.choice(["1 234", "1\u00a0234"]),
    "a_percent_sign": lambda v, rng: f"{v:.0f}%",
    "a_typographic_minus": lambda v, rng: f"\u2212{v:.1f}",
    "a_decimal_comma": lambda v, rng: f"{v:.1f}".replace(".", ","),
    "a_unit_in_the_cell": lambda v, rng: f"{v:.1f} mg/l",
    "infinity": lambda v, rng: rng.choice(["inf", "1e400"]),
}


def make_cell(kind: str) -> Maker:
    def maker(study: Study, hospital: str, rng: Rng) -> Fault:
        sheet = study.sheets[hospital]
        name = str(rng.choice(["crp", "creatinine", "hb", "ldh"]))
        rows = rng.choice(sheet.filled(name), int(rng.integers(1, 5)), replace=False)
        for row in rows:
            sheet.put(int(row), name, str(CELLS[kind](float(sheet.get(int(row), name)), rng)))
        return Fault(study, hospital, tuple(f"line {line_of(int(r))}" for r in rows))

    return maker


MAKERS |= {kind: make_cell(kind) for kind in CELLS}


@fault
def a_code_for_not_known(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    name, code = [("crp", "-9"), ("age", "999"), ("hb", "-99"), ("spo2", "0")][rng.integers(4)]
    for row in rng.choice(len(sheet.rows), 6, replace=False):
        sheet.put(int(row), name, code)
    return Fault(study, hospital, (f"'{name}'",))


# the file


def lines_of(study: Study, hospital: str) -> list[str]:
    return study.sheets[hospital].lines()


def with_lines(study: Study, hospital: str, lines: list[str], *clues: str) -> Fault:
    return Fault(study, hospital, clues, "".join(f"{line}\n" for line in lines).encode())


@fault
def an_unclosed_quote(study: Study, hospital: str, rng: Rng) -> Fault:
    lines = lines_of(study, hospital)
    k = int(rng.integers(3, len(lines) - 3))
    lines[k] = lines[k].replace(",", ',"', 1)
    return with_lines(study, hospital, lines, f"line {k + 1}")


@fault
def a_short_row(study: Study, hospital: str, rng: Rng) -> Fault:
    lines = lines_of(study, hospital)
    k = int(rng.integers(3, len(lines) - 3))
    lines[k] = lines[k].rsplit(",", 1)[0]
    return with_lines(study, hospital, lines, f"line {k + 1}")


@fault
def latin_bytes(study: Study, hospital: str, rng: Rng) -> Fault:
    found = with_lines(study, hospital, lines_of(study, hospital), "UTF-8")
    found.raw = (found.raw or b"").replace(b"never", b"n\xfcver")
    return found


@fault
def a_header_twice(study: Study, hospital: str, rng: Rng) -> Fault:
    lines = lines_of(study, hospital)
    k = int(rng.integers(5, len(lines) - 3))
    return with_lines(study, hospital, [*lines[:k], lines[0], *lines[k:]], f"line {k + 1}")


@fault
def a_row_of_totals(study: Study, hospital: str, rng: Rng) -> Fault:
    lines = lines_of(study, hospital)
    cells = ["Total", *["812.5"] * (lines[0].count(","))]
    return with_lines(study, hospital, [*lines, ",".join(cells)], f"line {len(lines) + 1}")


# the outcome


@fault
def inverted_labels(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    other = {"AML": "control", "control": "AML"}
    sheet.fill(study.outcome, [other[t] for t in sheet.cells(study.outcome)])
    return Fault(study, hospital, ("inverted",), is_merged=True)


@fault
def labels_in_other_words(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    words = {"AML": str(rng.choice(["ill", "1", "C92.0"])), "control": "healthy"}
    sheet.fill(study.outcome, [words[t] for t in sheet.cells(study.outcome)])
    return Fault(study, hospital, (f"'{study.outcome}'",))


@fault
def one_class_only(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    sheet.rows = [r for r, t in zip(sheet.rows, sheet.cells(study.outcome), strict=True)
                  if t == "control"]  # fmt: skip
    return Fault(study, hospital, ("one class",))


@fault
def contradictory_outcomes(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    ids = sheet.cells("patient_id")
    repeated = [k for k, t in enumerate(ids) if ids.count(t) > 1]
    row = int(rng.choice(repeated))
    other = {"AML": "control", "control": "AML"}
    sheet.put(row, study.outcome, other[sheet.get(row, study.outcome)])
    return Fault(study, hospital, ("different outcomes",))


@fault
def a_column_that_defines_the_outcome(study: Study, hospital: str, rng: Rng) -> Fault:
    for sheet in study.sheets.values():
        case = [t == "AML" for t in sheet.cells(study.outcome)]
        sheet.add("blasts", [f"{30 * c + abs(rng.normal(0, 3)):.1f}" for c in case])
    study.declaration["inputs"].append("blasts")
    return Fault(study, hospital, ("'blasts'",))


@fault
def a_column_that_nearly_defines_it(study: Study, hospital: str, rng: Rng) -> Fault:
    for sheet in study.sheets.values():
        case = [t == "AML" for t in sheet.cells(study.outcome)]
        sheet.add("blasts", [f"{2.75 * c + rng.normal():.2f}" for c in case])
    study.declaration["inputs"].append("blasts")
    return Fault(study, hospital, ("'blasts'",))


@fault
def a_batch_that_tells_the_outcome(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    plates = {"AML": "plate 1", "control": "plate 2"}
    sheet.fill("plate", [plates[t] for t in sheet.cells(study.outcome)])
    return Fault(study, hospital, ("batches",))


# rows


@fault
def rows_exported_twice(study: Study, hospital: str, rng: Rng) -> Fault:
    sheet = study.sheets[hospital]
    again = rng.choice(len(sheet.rows), 8, replace=False)
    sheet.rows += [list(sheet.rows[int(k)]) for k in again]
    return Fault(study, hospital, ("more than once", "same values"))


# units

UNITS: dict[str, tuple[str, Callable[[float], float]]] = {
    "creatinine_in_umol": ("creatinine", lambda v: 88.4 * v),
    "glucose_in_mmol": ("glucose", lambda v: v / 18.0),
    "weight_in_pounds": ("weight", lambda v: 2.2046 * v),
    "height_in_inches": ("height", lambda v: v / 2.54),
    "height_in_metres": ("height", lambda v: v / 100),
    "temperature_in_fahrenheit": ("temperature", lambda v: 1.8 * v + 32),
    "age_in_months": ("age", lambda v: 12 * v),
    "year_of_birth": ("age", lambda v: 2024 - v),
    "haemoglobin_in_grams_per_litre": ("hb", lambda v: 10 * v),
}


def make_unit(kind: str) -> Maker:
    def maker(study: Study, hospital: str, rng: Rng) -> Fault:
        name, change = UNITS[kind]
        rescale(study.sheets[hospital], name, change)
        return Fault(study, hospital, (f"'{name}'",), is_merged=True)

    return maker


MAKERS |= {kind: make_unit(kind) for kind in UNITS}


@fault
def a_panel_that_is_not_in_logarithms(study: Study, hospital: str, rng: Rng) -> Fault:
    for name in study.panel:
        rescale(study.sheets[hospital], name, lambda v: 2.0**v)
    return Fault(study, hospital, ("unit",), is_merged=True)
