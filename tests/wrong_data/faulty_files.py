"""Faults of the file as text: quotes, lines, bytes, separators."""

from __future__ import annotations

import csv

from .clean import Array
from .draft import Draft, number, register, word
from .sheets import MISSING, line_of, write_lines


def a_middle_row(draft: Draft) -> int:
    """Draws a row that is neither among the first nor the last ones."""
    return int(draft.rng.integers(8, len(draft.sheet.rows) - 12))


@register("unclosed-quote", "a quote is opened and never closed, or only many lines later")
def unclosed_quote(draft: Draft) -> None:
    row = a_middle_row(draft)
    column = draft.by_variant("smoker", draft.sheet.names[-1], "smoker")
    draft.at(column)
    rows = [row] if draft.variant < 2 else [row, row + 3 + draft.seed % 7]
    lines = draft.sheet.lines()
    for k in rows:
        cells = list(draft.sheet.rows[k])
        cells[draft.sheet.names.index(column)] = '"' + cells[draft.sheet.names.index(column)]
        lines[line_of(k) - 1] = ",".join(cells)
    draft.clues = {"quot"}
    draft.at_line(line_of(row))
    draft.write(write_lines(lines))


@register("short-row", "a row has fewer cells than the header")
def short_row(draft: Draft) -> None:
    row, lines = a_middle_row(draft), draft.sheet.lines()
    cells = list(draft.sheet.rows[row])
    if draft.variant == 0:
        lines[line_of(row) - 1] = ",".join(cells[: len(cells) - int(draft.rng.integers(3, 9))])
    elif draft.variant == 1:  # one separator is lost: all later values stand one column too early
        del cells[draft.sheet.names.index("crp")]
        lines[line_of(row) - 1] = ",".join(cells)
    else:  # the copy of the file broke off
        row = len(draft.sheet.rows) - 1
        lines[-1] = lines[-1][: int(len(lines[-1]) * draft.rng.uniform(0.4, 0.8))]
    draft.at_line(line_of(row))
    draft.say("cell", "column", "field", "value", "short", "few", "cut")
    content = write_lines(lines)
    draft.write(content[:-1] if draft.variant == 2 else content)


@register("blank-line", "a line in the middle is blank", "info", mendable=True)
def blank_line(draft: Draft) -> None:
    row, lines = a_middle_row(draft), draft.sheet.lines()
    blank = draft.by_variant("", "," * (len(draft.sheet.names) - 1), "   ")
    lines.insert(line_of(row) - 1, blank)
    draft.at_line(line_of(row))
    draft.say("blank", "empty", "no value", "nothing", "short", "cell")
    draft.write(write_lines(lines))


FRENCH = {"never": "jamais", "former": "arrêté", "current": "fumé"}


@register("latin-1", "the file has bytes of Latin-1 (or Windows-1252), not UTF-8")
def latin_1(draft: Draft) -> None:
    for sheet in draft.study.sheets.values():
        sheet.fill("smoker", [FRENCH.get(text, text) for text in sheet.cells("smoker")])
        if draft.variant == 1:
            sheet.rename("height", "größe")
    if draft.variant == 1:
        inputs = draft.study.declaration["inputs"]
        inputs[inputs.index("height")] = "größe"
    lines = [line.encode() for line in draft.sheet.lines()]
    if draft.variant < 2:
        lines = [line.decode().encode("latin-1") for line in lines]
        first = next(k for k, line in enumerate(lines) if not line.isascii())
    else:  # one row came by copy and paste
        rows = [k for k, text in enumerate(draft.sheet.cells("smoker")) if not text.isascii()]
        first = line_of(int(draft.rng.choice(rows[1:]))) - 1
        lines[first] = lines[first].decode().encode("latin-1")
    draft.at_line(first + 1)
    draft.say("utf-8", "utf8", "encod", "latin")
    draft.write(b"".join(line + b"\n" for line in lines))


@register("nul-byte", "the file has NUL bytes, as after a crash or a broken copy")
def nul_byte(draft: Draft) -> None:
    row, lines = a_middle_row(draft), draft.sheet.lines()
    if draft.variant == 0:
        column = "crp" if draft.sheet.get(row, "crp") not in MISSING else "age"
        draft.sheet.put(row, column, draft.sheet.get(row, column) + "\x00")
        content = write_lines(draft.sheet.lines())
    elif draft.variant == 1:  # one sector of the disk
        content = write_lines(lines)
        at = len(write_lines(lines[: line_of(row)])) - 1 - int(draft.rng.integers(10, 60))
        content = content[:at] + bytes(512) + content[at + 512 :]
    else:  # space that was reserved and never written
        content = write_lines(lines) + bytes(int(draft.rng.integers(50, 400)))
        row = len(lines) - 1
    draft.at_line(content[: content.index(0)].count(b"\n") + 1)
    draft.say("nul", r"zero byte", r"binary", r"control char", r"\\x00", "u\\+0000")
    draft.write(content)


@register("hidden-bom", "a byte order mark where none belongs", "info", mendable=True)
def hidden_bom(draft: Draft) -> None:
    lines, row = draft.sheet.lines(), a_middle_row(draft)
    if draft.variant == 0:  # two exports, one behind the other
        lines[line_of(row) - 1] = "\ufeff" + lines[line_of(row) - 1]
    elif draft.variant == 1:  # written twice at the start
        row, lines[0] = -1, "\ufeff\ufeff" + lines[0]
    else:  # within a name of the header
        row, lines[0] = -1, lines[0].replace(",crp,", ",\ufeffcrp,")
    column = "crp" if draft.variant == 2 else "patient_id"
    draft.column, draft.line = column, line_of(row)
    draft.say(number(line_of(row)), word(column), "header")
    draft.say("byte.order", "bom", "invisible", "ufeff", "u\\+feff", "not seen", "spell", "hidden")
    draft.write(write_lines(lines))


@register("wrong-separator", "a .csv file has another separator than the comma", mendable=True)
def wrong_separator(draft: Draft) -> None:
    separator = draft.by_variant(";", "\t", "|")
    draft.write(draft.sheet.text(separator=separator).encode())
    draft.say("separat", "delimit", "semicolon", "comma", "tab", "one column")


def with_comma(text: str) -> str:
    """Writes a number with a decimal comma."""
    return text.replace(".", ",") if text.replace(".", "").lstrip("-").isdigit() else text


@register(
    "decimal-comma-file", "decimal commas and semicolons through the whole file", mendable=True
)
def decimal_comma_file(draft: Draft) -> None:
    for name in draft.study.inputs:
        draft.sheet.fill(name, [with_comma(text) for text in draft.sheet.cells(name)])
    quote = draft.by_variant(csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_MINIMAL)
    end = draft.by_variant("\n", "\r\n", "\r\n")
    text = draft.sheet.text(separator=";", end=end, quote=quote)
    draft.write(("\ufeff" * (draft.variant == 2) + text).encode())
    draft.say("decimal", "comma", "semicolon", "separat", "delimit")


@register("header-twice", "the header stands in the file again, as after joining exports")
def header_twice(draft: Draft) -> None:
    lines, row = draft.sheet.lines(), draft.by_variant(a_middle_row(draft), 0, a_middle_row(draft))
    lines.insert(line_of(row) - 1, lines[0])
    if draft.variant == 2:  # the second export began with an empty line
        lines.insert(line_of(row) - 1, "")
        row += 1
    draft.at_line(line_of(row))
    draft.say("header", "names? of", "twice", "again", "repeat")
    draft.write(write_lines(lines))


@register("totals-row", "the last row holds totals or means and is no patient")
def totals_row(draft: Draft) -> None:
    name = draft.by_variant("Total", "Mean", "")
    cells = ["" for _ in draft.sheet.names]
    cells[0] = name
    for column in draft.study.inputs:
        if column in ("sex", "smoker"):
            continue
        values: Array = draft.values(column)
        figure = values[values == values]
        total = figure.mean() if draft.variant == 1 else figure.sum()
        cells[draft.sheet.names.index(column)] = f"{total:.1f}"
    draft.sheet.rows.append(cells)
    draft.at_line(line_of(len(draft.sheet.rows) - 1))
    draft.say("total", r"sums?\b", "mean", "last", "outcome", draft.study.outcome, "patient", "id")
