"""Faults of scale: units unlike the other hospitals', and codes that stand for a missing value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .draft import Draft, any_of, number, register, word

KINDS = (
    "unit", "scale", "range", "mean", "median", "far", "differ", "other hosp", "shift", "factor",
    "deviation", "log", "outside", "unlike",
)  # fmt: skip


def convert(draft: Draft, column: str, change: Callable[[float], str], share: float = 1.0) -> None:
    """Writes a column in another unit, or the share of its rows that came from one device."""
    values = draft.values(column)
    for row in draft.sheet.filled(column):
        if share == 1 or draft.rng.random() < share:
            draft.sheet.put(row, column, change(float(values[row])))


def say_unit(draft: Draft, column: str) -> None:
    """Says that a column is in another unit."""
    draft.at(column)
    draft.say(*KINDS)


def unit(
    name: str, column: str, what: str, shares: tuple[float, float, float],
    change: Callable[[Draft, float], str],
) -> None:  # fmt: skip
    """Enters a generator that writes a column in another unit."""

    def make(draft: Draft) -> None:
        convert(draft, column, lambda v: change(draft, v), draft.by_variant(*shares))
        say_unit(draft, column)

    register(name, what, "warning", merged=True)(make)


PART = (1.0, 1.0, 0.35)  # at seed 2 a part of the rows, as after a change of laboratory
unit("unit-creatinine", "creatinine", "creatinine is in umol/l, elsewhere in mg/dl", PART,
     lambda draft, v: f"{v * 88.42:.0f}")  # fmt: skip
unit("unit-glucose", "glucose", "glucose is in mmol/l, elsewhere in mg/dl", PART,
     lambda draft, v: f"{v / 18.016:.1f}")  # fmt: skip
unit("unit-weight", "weight", "weight is in pounds, elsewhere in kilograms", PART,
     lambda draft, v: f"{v / 0.45359:.0f}")  # fmt: skip
unit("unit-height", "height", "height is in inches or metres, elsewhere in centimetres", PART,
     lambda draft, v: draft.by_variant(f"{v / 2.54:.0f}", f"{v / 100:.2f}",
                                       f"{v / 2.54:.1f}"))  # fmt: skip
unit("unit-temperature", "temperature", "temperature is in Fahrenheit, elsewhere in Celsius", PART,
     lambda draft, v: f"{v * 1.8 + 32:.1f}")  # fmt: skip
unit("unit-age", "age", "age is in months, or is the year of birth", PART,
     lambda draft, v: draft.by_variant(
         f"{v * 12 + draft.rng.integers(0, 12):.0f}", f"{2024 - v:.0f}",
         f"{2024 - v:.0f}"))  # fmt: skip


@register("log-one", "one molecule is a raw intensity, elsewhere log2", "warning", merged=True)
def log_one(draft: Draft) -> None:
    means = {name: float(np.nanmean(draft.values(name))) for name in draft.study.panel}
    ordered = sorted(means, key=means.__getitem__)
    column = draft.by_variant(ordered[-1], ordered[len(ordered) // 2], ordered[1])
    convert(draft, column, lambda v: f"{2**v:.3f}")
    say_unit(draft, column)


@register("log-all", "the whole panel is in raw intensities, elsewhere log2", "warning",
          merged=True)  # fmt: skip
def log_all(draft: Draft) -> None:
    for column in draft.study.panel:
        convert(draft, column, lambda v: draft.by_variant(f"{2**v:.0f}", f"{2**v:.4g}",
                                                          f"{2**v / 1000:.5f}"))  # fmt: skip
    draft.say(*map(word, draft.study.panel))
    draft.say(*KINDS)


@register("log-base", "the panel has logarithms to another base than elsewhere", "warning",
          merged=True)  # fmt: skip
def log_base(draft: Draft) -> None:
    factor = draft.by_variant(np.log10(2), np.log(2), np.log(2))
    for column in draft.study.panel:
        convert(draft, column, lambda v: f"{v * factor:.3f}")
    draft.say(*map(word, draft.study.panel))
    draft.say(*KINDS)


def code(draft: Draft, column: str, text: str) -> None:
    """Writes a code into the gaps of a column and into some cells more."""
    gaps = [k for k in range(len(draft.sheet.rows)) if k not in set(draft.sheet.filled(column))]
    for row in sorted({*gaps, *draft.rows_with(column, draft.share(0.08, 0.03, 0.01))}):
        draft.sheet.put(row, column, text)
    draft.at(column)
    draft.clues.add(
        any_of(*KINDS, "missing", "code", "sentinel", number(int(text.lstrip("-"))), "often", "neg")
    )


@register("sentinel-minus-9", "missing values stand as -9", "warning", merged=True)
def sentinel_minus_9(draft: Draft) -> None:
    code(draft, draft.by_variant("hb", draft.study.panel[-1], "crp"), "-9")


@register("sentinel-999", "missing values stand as 999", "warning", merged=True)
def sentinel_999(draft: Draft) -> None:
    column = draft.by_variant("age", "height", "ldh")
    code(draft, column, draft.by_variant("999", "999", "9999"))


@register("sentinel-zero", "missing values stand as 0", "warning", merged=True)
def sentinel_zero(draft: Draft) -> None:
    code(draft, draft.by_variant("height", "hb", "glucose"), "0")
