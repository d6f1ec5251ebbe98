"""Workbooks (.xlsx, .xls, .ods), read by python-calamine.

A sheet becomes text as a CSV of it would have it, and is read by the same rules: a column is one of
numbers if all of its cells are. Whole numbers, which a workbook has as floats, are written without
a fraction ("7", not "7.0"), dates in ISO form. Errors of formulas ("#N/A") are text, and refused in
a column of numbers: calamine (0.9) gives them as empty cells, so they are looked up in the file's
own XML; other formats than .xlsx have none to look into, which is said.
"""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swarmhub.data.frames import Frame, Request, explain_unreadable
from swarmhub.data.readers.delimited import frame_of_texts
from swarmhub.errors import BadInput, plain

MAX_CELLS = 50_000_000
MAX_BYTES = 1 << 30  # of a sheet's XML
SHEET = re.compile(rb'<sheet [^>]*?r:id="([^"]+)"')
LINK = re.compile(rb"<Relationship [^>]*>")
TARGET = re.compile(rb'Target="/?(?:xl/)?([^"]+)"')
ERROR = re.compile(
    rb'<c r="([A-Z]{1,3})(\d{1,7})"[^>]*\bt="e"[^>]*>(?:<f[^>]*>[^<]*</f>)?<v>([^<]{1,20})</v>'
)


def read_excel(path: Path, request: Request) -> Frame:
    """Return the table in a workbook's sheet: `request.sheet`, or the first one."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        path.open("rb").close()
        book = CalamineWorkbook.from_path(str(path))
    except OSError as error:
        raise explain_unreadable(path, error) from None
    except (CalamineError, ValueError) as error:
        raise BadInput(
            f"{path.name}: expected a workbook (.xlsx, .xls, .ods), got a file that does not open "
            f"as one ({plain(error, 80)}); save it again, or export CSV."
        ) from None
    name, notes = _choose_sheet(path, list(book.sheet_names), request.sheet)
    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        for line, place, text in find_errors(path, list(book.sheet_names).index(name)):
            if line <= len(rows) and place <= len(rows[line - 1]):
                rows[line - 1][place - 1] = text
    else:
        said = "errors of formulas count as empty cells in this format; .xlsx has them found"
        notes = (*notes, f"{path.name}: {said}.")
    if rows and len(rows) * len(rows[0]) > MAX_CELLS:
        raise BadInput(f"{path.name}: the sheet has more than {MAX_CELLS} cells; export CSV.")
    texts = [(line, [_to_text(cell) for cell in row]) for line, row in enumerate(rows, 1)]
    filled = [(line, row) for line, row in texts if any(cell.strip() for cell in row)]
    if not filled:
        raise BadInput(
            f"{path.name}, sheet '{plain(name, 60)}' is empty; expected a header line and one line "
            "per patient."
        )
    return frame_of_texts(path.name, filled, request, notes)


def _choose_sheet(path: Path, names: list[str], wanted: str) -> tuple[str, tuple[str, ...]]:
    listed = ", ".join(f"'{plain(name, 40)}'" for name in names[:8])
    if wanted:
        if wanted not in names:
            raise BadInput(
                f"{path.name} has no sheet '{plain(wanted, 40)}'; its sheets are {listed}."
            )
        return wanted, ()
    if len(names) == 1:
        return names[0], ()
    said = (
        f"{path.name} has {len(names)} sheets ({listed}); the first is read, --sheet names another."
    )
    return names[0], (said,)


def find_errors(path: Path, sheet: int) -> Iterator[tuple[int, int, str]]:
    """Yield (row, column, text) of each cell with an error in a sheet of an .xlsx file, from 1 on.
    `sheet` is its place in the workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            data = _read_sheet(archive, sheet)
    except (KeyError, IndexError, zipfile.BadZipFile, OSError, ValueError):
        return  # calamine has opened it: the sheet lies elsewhere in the archive
    for letters, line, text in ERROR.findall(data):
        place = 0
        for letter in letters:
            place = 26 * place + letter - 64
        yield int(line), place, text.decode("utf-8", "replace")


def _read_sheet(archive: zipfile.ZipFile, sheet: int) -> bytes:
    """Return the XML of a sheet; the workbook names it by a relation."""
    wanted = SHEET.findall(archive.read("xl/workbook.xml"))[sheet]
    for link in LINK.findall(archive.read("xl/_rels/workbook.xml.rels")):
        target = TARGET.search(link)
        if b'Id="' + wanted + b'"' in link and target is not None:
            info = archive.getinfo("xl/" + target[1].decode())
            return archive.read(info) if info.file_size <= MAX_BYTES else b""
    return b""


def _to_text(cell: Any) -> str:
    """Return a cell as a CSV would have it."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime):
        is_date = cell.time() == datetime.time()
        return cell.date().isoformat() if is_date else cell.isoformat(" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
