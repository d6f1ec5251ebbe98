"""Faults of columns: names that do not meet, and values that stand under another name."""

from __future__ import annotations

import unicodedata

from .draft import Draft, any_of, register, word
from .sheets import Sheet


def rename_everywhere(draft: Draft, old: str, new: str) -> None:
    """Gives a column of the study another name at all hospitals."""
    for sheet in draft.study.sheets.values():
        sheet.rename(old, new)
    inputs = draft.study.declaration["inputs"]
    inputs[inputs.index(old)] = new


def respell(draft: Draft, pairs: dict[str, str]) -> None:
    """Spells names in another way at the faulty hospital."""
    for old, new in pairs.items():
        draft.sheet.rename(old, new)
    first, *more = pairs
    draft.at(first)
    draft.say("name", "spell", "differ", "lack", "missing", "absent", "case", "instead", "version")
    draft.also = {word(name) for name in more[:2]}


@register("missing-columns", "the table lacks columns that the study declares")
def missing_columns(draft: Draft) -> None:
    count = draft.by_variant(3, 2, 1)
    lost = [str(name) for name in draft.rng.choice(draft.study.inputs, count, replace=False)]
    for name in lost:
        draft.sheet.drop(name)
    draft.at(lost[0])
    draft.say("lack", "missing", "absent", "not in", "no column", "without", "needs")
    draft.also = {word(name) for name in lost[1:]}


@register("unused-columns", "the table has columns that the study does not use", "info")
def unused_columns(draft: Draft) -> None:
    own = draft.by_variant(["ferritin", "platelets", "ward"], ["inr"], ["troponin", "lactate"])
    for name in own:
        values = draft.rng.lognormal(4, 0.5, len(draft.sheet.rows))
        texts = [f"{v:.1f}" if name != "ward" else f"W{int(v) % 6}" for v in values]
        draft.sheet.add(name, texts, at=int(draft.rng.integers(3, len(draft.sheet.names))))
    draft.at(own[0])
    draft.also = {word(name) for name in own[1:]}


@register("near-name-case", "names differ from the study's in case")
def near_name_case(draft: Draft) -> None:
    names = draft.by_variant(draft.study.inputs, ["crp", "hb"], [draft.choose(draft.study.panel)])
    if draft.variant == 2:
        respell(draft, {name: name.lower() for name in names})
    else:
        respell(draft, {n: n.capitalize() if draft.variant else n.upper() for n in names
                        if n.upper() != n})  # fmt: skip


@register("near-name-unicode", "a name is written with other code points (NFD, not NFC)",
          mendable=True)  # fmt: skip
def near_name_unicode(draft: Draft) -> None:
    old, new = draft.by_variant(
        ("hb", "hämoglobin"), ("temperature", "température"), ("height", "größe")
    )
    rename_everywhere(draft, old, new)
    respell(draft, {new: unicodedata.normalize("NFD", new)})
    draft.clues = {c for c in draft.clues if c != word(new)}
    draft.say(word(new), word(unicodedata.normalize("NFD", new)))


@register("near-name-space", "a name has a space that nobody sees", mendable=True)
def near_name_space(draft: Draft) -> None:
    if draft.variant == 1:
        rename_everywhere(draft, "weight", "body weight")
        respell(draft, {"body weight": "body\u00a0weight"})
        draft.clues.discard(word("body weight"))
        draft.say("body.weight")
    else:
        respell(draft, draft.by_variant({"creatinine": "creatinine "}, {}, {"ldh": "\u200bldh"}))


@register("near-name-underscore", "a name has another sign between its words")
def near_name_underscore(draft: Draft) -> None:
    own = draft.by_variant("base excess", "base-excess", "BaseExcess")
    respell(draft, {"base_excess": own})


@register("near-name-version", "gene names carry the version of the annotation",
          setting=lambda seed, hospital: {"panel": "genes"})  # fmt: skip
def near_name_version(draft: Draft) -> None:
    genes = draft.by_variant(draft.study.panel, draft.study.panel[::4], draft.study.panel[5:6])
    respell(draft, {g: f"{g}.{int(draft.rng.integers(2, 19))}" for g in genes})


@register("duplicate-header", "two columns have the same name and different values")
def duplicate_header(draft: Draft) -> None:
    column = draft.by_variant("glucose", "crp", draft.choose(draft.study.panel))
    decimals = draft.by_variant(0, 1, 3)
    spread = draft.by_variant(0.2, 0.3, 0.02)  # fasting and not; two days; two runs of a sample
    noise = draft.rng.lognormal(0, spread, len(draft.sheet.rows))
    values = draft.values(column) * noise
    texts = ["" if v != v else f"{v:.{decimals}f}" for v in values]
    draft.sheet.add(column, texts)
    draft.at(column)
    draft.say("twice", "two", "duplicat", "more than on", "again", r"\b2\b", "same name")


def exchange(sheet: Sheet, one: str, other: str) -> None:
    """Puts each of two columns' values under the name of the other."""
    first, second = sheet.cells(one), sheet.cells(other)
    sheet.fill(one, second)
    sheet.fill(other, first)


def two_of_the_panel(draft: Draft) -> tuple[str, str]:
    """Chooses two molecules that differ by 1.5 to 2.5 deviations: no farther than is usual."""
    found = []
    for one in draft.study.panel:
        for other in draft.study.panel:
            values, others = draft.values(one), draft.values(other)
            gap = abs(_mean(values) - _mean(others)) / (0.5 * (_sd(values) + _sd(others)))
            if one < other and 1.5 < gap < 2.5:
                found.append((one, other))
    return found[int(draft.rng.integers(len(found)))]


def _mean(values):
    return values[values == values].mean()


def _sd(values):
    return values[values == values].std()


@register("swapped-columns", "the values of two columns are exchanged", "warning", merged=True)
def swapped_columns(draft: Draft) -> None:
    pair = draft.by_variant(("weight", "height"), ("crp", "glucose"), None)
    one, other = pair or two_of_the_panel(draft)
    exchange(draft.sheet, one, other)
    draft.column = one
    draft.say(word(one), word(other))
    draft.also = {word(one), word(other)}
    draft.say("unit", "swap", "exchang", "range", "mean", "far", "differ", "scale", "other hosp")


@register("constant-column", "a column has one value in all rows", "warning")
def constant_column(draft: Draft) -> None:
    column, text = draft.by_variant(
        ("temperature", "36.6"), ("smoker", "never"), (draft.choose(draft.study.panel), "3.322")
    )
    gaps = draft.sheet.cells(column)
    texts = [old if old in ("", "NA") and draft.variant else text for old in gaps]
    draft.sheet.fill(column, texts)
    draft.at(column)
    draft.clues.add(
        any_of("constant", "same value", "one value", "vary", "varies", "only", "alike")
    )
