"""Faults of single cells in columns of numbers: what is written there is no plain number."""

from __future__ import annotations

from collections.abc import Callable

from .draft import Draft, register


def spoil(draft: Draft, column: str, rows: list[int], write: Callable[[float], str]) -> None:
    """Writes some cells of a column in another way."""
    values = draft.values(column)
    for row in rows:
        draft.sheet.put(row, column, write(float(values[row])))
    draft.at(column, rows[0])


def lowest(draft: Draft, column: str, share: float) -> tuple[list[int], float]:
    """Finds the rows with the lowest values of a column, and the limit that they are below."""
    values = draft.values(column)
    filled = [k for k in draft.sheet.filled(column) if k > 0]
    ordered = sorted(filled, key=lambda k: values[k])
    count = max(1, round(share * len(filled)))
    return sorted(ordered[:count]), float(values[ordered[count]])


@register("below-limit", "values below the detection limit stand as '<5'")
def below_limit(draft: Draft) -> None:
    column = draft.by_variant("crp", "creatinine", draft.choose(draft.study.panel))
    rows, limit = lowest(draft, column, draft.by_variant(0.35, 0.03, 0.0))
    text = draft.by_variant(f"<{limit:.0f}", f"<{limit:.1f}", f"< {limit:.2f}")
    spoil(draft, column, rows, lambda value: text)


@register("below-lod", "values below the detection limit stand as '<LOD'")
def below_lod(draft: Draft) -> None:
    column = draft.by_variant(draft.choose(draft.study.panel), "crp", draft.choose(["crp", "ldh"]))
    rows, _ = lowest(draft, column, draft.by_variant(0.2, 0.02, 0.0))
    text = draft.by_variant("<LOD", "<LLOQ", "< LOD")
    spoil(draft, column, rows, lambda value: text)


@register("not-available", "cells of a failed lookup stand as '#N/A'", "info", mendable=True)
def not_available(draft: Draft) -> None:
    column = draft.by_variant("hb", "glucose", draft.choose(draft.study.panel))
    spoil(draft, column, draft.rows_with(column, draft.share(0.1, 0.02, 0)), lambda v: "#N/A")


@register("formula-error", "cells hold the error of a spreadsheet's formula, such as '#DIV/0!'")
def formula_error(draft: Draft) -> None:
    column = draft.by_variant("base_excess", "creatinine", "weight")
    text = draft.by_variant("#DIV/0!", "#VALUE!", "#REF!")
    spoil(draft, column, draft.rows_with(column, draft.share(0.05, 0.01, 0)), lambda v: text)


def group(draft: Draft, blank: str) -> None:
    """Writes lactate dehydrogenase above 1,000, as in a tumour lysis, with a blank in it."""
    rows = draft.rows_with("ldh", draft.share(0.04, 0.015, 0))
    spoil(draft, "ldh", rows, lambda v: f"1{blank}{int(draft.rng.integers(20, 980)):03d}")


@register("grouped-space", "thousands are set apart by a space: '1 234'")
def grouped_space(draft: Draft) -> None:
    group(draft, " ")


@register("grouped-nbsp", "thousands are set apart by a no-break space that nobody sees")
def grouped_nbsp(draft: Draft) -> None:
    group(draft, draft.by_variant("\u00a0", "\u202f", "\u00a0"))


@register("percent", "numbers carry a percent sign: '95%'")
def percent(draft: Draft) -> None:
    text = draft.by_variant("{:.0f}%", "{:.0f} %", "{:.0f}%")
    rows = draft.sheet.filled("spo2")
    if draft.variant:
        rows = draft.rows_with("spo2", draft.share(1, 0.02, 0))
    spoil(draft, "spo2", rows, lambda value: text.format(value))


@register("typographic-minus", "negative numbers have the minus of a typesetter (U+2212)")
def typographic_minus(draft: Draft) -> None:
    values = draft.values("base_excess")
    rows = [k for k in draft.sheet.filled("base_excess") if values[k] < 0]
    if draft.variant:
        kept = draft.rng.choice(rows, draft.by_variant(0, 5, 1), replace=False)
        rows = sorted(int(k) for k in kept)
    spoil(draft, "base_excess", rows, lambda value: f"\u2212{-value:.1f}")


@register("decimal-comma-cells", "a few numbers have a decimal comma")
def decimal_comma_cells(draft: Draft) -> None:
    column = draft.by_variant("hb", draft.choose(draft.study.panel), "crp")
    decimals = 3 if column in draft.study.panel else 1
    rows = draft.rows_with(column, draft.share(0.05, 0.01, 0))
    spoil(draft, column, rows, lambda v: f"{v:.{decimals}f}".replace(".", ","))


@register("unit-in-cell", "the unit stands in the cell, beside the number")
def unit_in_cell(draft: Draft) -> None:
    column, text = draft.by_variant(
        ("creatinine", "{:.2f} mg/dl"), ("weight", "{:.1f}kg"), ("temperature", "{:.1f} °C")
    )
    rows = draft.rows_with(column, draft.share(0.1, 0.02, 0))
    spoil(draft, column, rows, lambda value: text.format(value))


@register("infinite", "a logarithm of zero or a ratio stands as an infinity")
def infinite(draft: Draft) -> None:
    column = draft.choose(draft.study.panel)
    text = draft.by_variant("-inf", "Inf", "-Infinity")
    spoil(draft, column, draft.rows_with(column, draft.share(0.02, 0.01, 0)), lambda v: text)


@register("overflow", "a number is beyond what a float holds, such as 1e400")
def overflow(draft: Draft) -> None:
    column = draft.by_variant("crp", draft.choose(draft.study.panel), "ldh")
    text = draft.by_variant("1e400", "1.7E+309", "9" * 320)
    spoil(draft, column, draft.rows_with(column, 1), lambda value: text)
