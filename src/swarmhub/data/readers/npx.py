"""Olink NPX in long form, a row for each sample and assay: text, workbook or Parquet.

NPX is relative and on a log2 scale. The software that exports it (NPX Explore, NPX Map, NPX
Signature) has spellings of its own for the columns; those of OlinkAnalyze's dictionary are known.

Values that failed the quality control are missing, and so are values with a warning, unless the
option `qc` is "keep". Values below the limit of detection stay as measured, as Olink advises.
Olink's control samples and control assays are left out: by their type, or, if the file has no
types, by Olink's own names; another sample with "control" in its name may be a person, and stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from swarmhub.data.cells import Cells, need_finite
from swarmhub.data.columns import MAX_DENSE
from swarmhub.data.frames import Floats, Frame, Request, Words
from swarmhub.data.readers.delimited import read_delimited
from swarmhub.data.readers.excel import read_excel
from swarmhub.data.readers.parquet import read_parquet
from swarmhub.data.readers.text import SEPARATORS
from swarmhub.errors import BadInput, plain

# role of a column -> its spellings; of several in one file the first one counts
TEXTS = {
    "sample": ("SampleID", "sampleid", "sample_id"),
    "olink": ("OlinkID", "OID", "olinkid", "oid", "olink_id"), "uniprot": ("UniProt", "uniprot"),
    "assay": ("Assay", "assay"), "normalization": ("Normalization", "normalization"),
    "panel": ("Panel", "panel"), "plate": ("PlateID", "plateid", "plate_id"),
    "sample type": ("SampleType", "Sample_Type", "sampletype", "sample_type"),
    "assay type": ("AssayType", "Assay_Type", "assaytype", "assay_type"),
    "sample quality": ("SampleQC", "QC_Warning", "sample_qc", "qc_warning"),
    "assay quality": ("AssayQC", "Assay_Warning", "assay_qc", "assay_warning"),
}  # fmt: skip
NUMBERS = {
    "npx": ("NPX", "npx"),
    "lod": ("LOD", "lod", "MaxLOD", "Max LOD", "Max_LOD", "PlateLOD", "Plate LOD", "Plate_LOD"),
}
SPELLINGS = TEXTS | NUMBERS
NEEDED = ("sample", "olink", "npx")
WORDS = frozenset(name for names in TEXTS.values() for name in names)
NAMESPACES = {"olink": "olink", "assay": "", "uniprot": "uniprot"}  # by the option `names`
PLATE = "PlateID"
CONTROL_SAMPLE = re.compile(  # as Olink and its laboratories name them
    r"CONTROL_SAMPLE(_[A-Z].*)?|(?i:control|ctrl|ipc)|"
    r"(?i:sample|plate|inter[_ -]?plate|neg(ative)?|external)[_ -]?(?i:control|ctrl)([_ -]?\d.*)?"
)
CONTROL_ASSAY = re.compile(
    r"(?i:inc(ubation)?|ext(ension)?|amp(lification)?|det(ection)?)[_ -]?(?i:control|ctrl).*"
)
PASSED, FAILED = re.compile("(?i)pass.*"), re.compile("(?i)(fail|exclu).*")
MANY = 0.5  # share of an assay's values below the limit of detection
SHOWN = 3  # names in a sentence


def looks_like(header: Sequence[str]) -> bool:
    """Return whether the names of a table's columns are those of NPX in long form."""
    return all(any(name in header for name in SPELLINGS[role]) for role in NEEDED)


def is_npx(start: bytes) -> bool:
    """Return whether a text file that starts with these bytes (its first line) is such a table."""
    line = start.decode("utf-8-sig", "replace").partition("\n")[0]
    rows = ([cell.strip(' "\r') for cell in line.split(mark)] for mark in SEPARATORS)
    return any(map(looks_like, rows))


def read_npx(path: Path, request: Request) -> Frame:
    """Return the NPX of a file, (samples, assays), NaN for missing, and each sample's plate.

    `request.options`: `names` ("olink", "assay", "uniprot") says what names the columns, `qc`
    ("drop", "keep") what becomes of values with a warning. Raises BadInput for a file that is no
    such table, and for a sample that has two values of an assay.
    """
    by = _choose(request, "names", tuple(NAMESPACES))
    keeps = _choose(request, "qc", ("drop", "keep")) == "keep"
    table = _leave_out_controls(_load(path, request))
    _blank_unfit(table, keeps)
    wide = _widen(table)
    names = _name_assays(table, wide, by)
    _say_more(table, wide)
    sheet = {PLATE: _find_plates(table, wide)} if "plate" in table.words else {}
    return Frame(
        path.name, wide.x, names, sheet, Words.of(wide.samples), namespace=NAMESPACES[by],
        unit="NPX", notes=tuple(table.notes),
    )  # fmt: skip


def _choose(request: Request, option: str, known: Sequence[str]) -> str:
    if (given := request.options.get(option, known[0])) in known:
        return given
    wanted = " or ".join(known)
    raise BadInput(f"Expected the option {option} to be {wanted}, got '{plain(given, 30)}'.")


@dataclass(frozen=True, eq=False)
class _Long:
    """The long table: columns of words and of numbers, (rows,), by their role."""

    source: str
    words: dict[str, Words]
    numbers: dict[str, Floats]
    lines: npt.NDArray[np.int64]
    notes: list[str] = field(default_factory=list)

    def take(self, kept: npt.NDArray[np.bool_]) -> _Long:
        """Return the rows of a mask (rows,)."""
        words = {role: column.take(kept) for role, column in self.words.items()}
        numbers = {role: column[kept] for role, column in self.numbers.items()}
        return replace(self, words=words, numbers=numbers, lines=self.lines[kept])


def _load(path: Path, request: Request) -> _Long:
    """Return the long table, as the reader of its kind of file gives it."""
    request = replace(request, as_words=request.as_words | WORDS)
    ends = {"parquet": read_parquet, "pq": read_parquet, "csv": read_delimited}
    ends |= dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls", "ods"), read_excel)
    frame = ends.get(path.name.lower().rpartition(".")[2], read_delimited)(path, request)
    there = {*frame.names, *frame.sheet}
    roles = {role: name for role, names in SPELLINGS.items()
             for name in reversed(names) if name in there}  # fmt: skip
    if gaps := [SPELLINGS[role][0] for role in NEEDED if role not in roles]:
        raise BadInput(
            f"{path.name} has no column '{gaps[0]}'; export NPX in long form, with a row for each "
            "sample and assay."
        )
    lines = np.asarray(frame.lines) if len(frame.lines) else np.arange(1, frame.rows + 1)
    words = {role: frame.sheet[roles[role]] for role in TEXTS if role in roles}
    numbers = {role: _to_numbers(frame, roles[role], lines) for role in NUMBERS if role in roles}
    for role in ("sample", "olink"):
        if not words[role].known.all():
            row = int(np.flatnonzero(~words[role].known)[0])
            raise BadInput(
                f"{frame.place(row, roles[role])}: expected a name, got an empty cell; fill it in, "
                "or remove the row."
            )
    return _Long(path.name, words, numbers, lines, list(frame.notes))


def _to_numbers(frame: Frame, name: str, lines: npt.NDArray[np.int64]) -> Floats:
    """Return a column of finite numbers, (rows,), NaN for missing."""
    if name in frame.names:
        values: Floats = np.array(frame.x[:, frame.names.index(name)], dtype=np.float64)
        need_finite(values, lambda row: frame.place(row, name))
        return values
    column, _ = Cells(frame.source, name, lines, frame.sheet[name]).column(as_text=False)
    assert isinstance(column, np.ndarray)
    return column


def _fits(words: Words, pattern: re.Pattern[str]) -> npt.NDArray[np.bool_]:
    """Return whether each row's word fits a pattern, (rows,); a missing one does not."""
    fits = np.array([*(bool(pattern.fullmatch(word)) for word in words.words), False])
    found: npt.NDArray[np.bool_] = fits[words.codes]
    return found


def _leave_out_controls(table: _Long) -> _Long:
    """Return the rows of people's samples and of proteins."""
    kept = np.ones(len(table.lines), dtype=bool)
    for what, named, pattern in (("sample", "sample", CONTROL_SAMPLE),
                                 ("olink", "assay", CONTROL_ASSAY)):  # fmt: skip
        out, kind = _fits(table.words.get(named, table.words[what]), pattern), f"{named} type"
        if kind in table.words:
            types = table.words[kind]
            out = np.where(types.known, ~_fits(types, re.compile(f"(?i){named}")), out)
        kept &= ~out
        if count := len(np.unique(table.words[what].codes[out])):
            table.notes.append(f"{table.source}: {count} control {named}s of Olink are left out.")
    if not kept.any():
        raise BadInput(f"{table.source} has controls only; expected samples of people.")
    return table.take(kept)


def _blank_unfit(table: _Long, keeps: bool) -> None:
    """Make values missing that are none for their quality."""
    npx = table.numbers["npx"]
    failed, warned = (np.zeros(len(npx), dtype=bool) for _ in range(2))
    for words in (table.words[r] for r in table.words if r.endswith("quality")):
        failed |= _fits(words, FAILED)
        warned |= words.known & ~_fits(words, PASSED)
    known = ~np.isnan(npx)
    failed, warned = failed & known, warned & known & ~failed
    for rows, what, stays in ((failed, "failed the quality control", False),
                              (warned, "have a quality warning", keeps)):  # fmt: skip
        if rows.any():
            samples = len(np.unique(table.words["sample"].codes[rows]))
            table.notes.append(
                f"{table.source}: {int(rows.sum())} of {int(known.sum())} values, of {samples} "
                f"samples, {what} and {'are kept' if stays else 'count as missing'}."
            )
            npx[rows & (not stays)] = np.nan


@dataclass(frozen=True, eq=False)
class _Wide:
    """The matrix x (samples, assays), and the place of each row of the long table in it."""

    x: Floats
    samples: list[str]
    assays: list[str]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]


def _widen(table: _Long) -> _Wide:
    """Return the matrix. Raises BadInput if a place has two values, or if it is too large."""
    npx = table.numbers["npx"]
    samples, rows = _find_places(table.words["sample"])
    assays, columns = _find_places(table.words["olink"])
    if len(samples) * len(assays) > MAX_DENSE:
        raise BadInput(
            f"{table.source}: expected at most {MAX_DENSE} values, got {len(samples)} samples and "
            f"{len(assays)} assays; split it by panels."
        )
    known = np.flatnonzero(~np.isnan(npx))
    cells = rows[known] * len(assays) + columns[known]
    order = np.argsort(cells, kind="stable")
    again = known[order[1:][np.diff(cells[order]) == 0]]
    if len(again):
        raise BadInput(
            f"{table.source}, line {int(table.lines[again.min()])}: {len(np.unique(rows[again]))} "
            "samples have more than one value of an assay (bridging samples on several plates, or "
            "repeated runs); keep one of them, or give each run a SampleID of its own."
        )
    x = np.full((len(samples), len(assays)), np.nan)
    x.reshape(-1)[cells] = npx[known]
    return _Wide(x, samples, assays, rows, columns)


def _find_places(words: Words) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct words in the order of the file, and each row's place among them."""
    import pandas as pd

    places, codes = pd.factorize(words.codes)
    return [words.words[k] for k in codes], places


def _name_assays(table: _Long, wide: _Wide, by: str) -> tuple[str, ...]:
    """Return the names of the columns. One that several assays share gets the panel appended, and
    the OlinkID if that does not tell them apart."""
    if by not in table.words:
        lacks = f"{table.source} has no column '{TEXTS[by][0]}' to name the assays by"
        raise BadInput(f"{lacks}; leave out the option names.")
    first = np.unique(wide.columns, return_index=True)[1]
    names = [name or wide.assays[k] for k, name in enumerate(table.words[by].take(first).texts())]
    panel = table.words.get("panel")
    panels = [""] * len(names) if panel is None else panel.take(first).texts()
    shared = sorted(name for name, count in Counter(names).items() if count > 1)
    for more in (panels, wide.assays):
        doubled = {name for name, count in Counter(names).items() if count > 1}
        names = [f"{name} ({m})" if name in doubled and m else name
                 for name, m in zip(names, more, strict=True)]  # fmt: skip
    if shared:
        said = f"{len(shared)} names belong to several assays ({_show(shared)})"
        table.notes.append(f"{table.source}: {said} and have the panel or the OlinkID appended.")
    return tuple(names)


def _show(names: Sequence[str]) -> str:
    return ", ".join(f"'{plain(n, 40)}'" for n in names[:SHOWN]) + ", ..." * (len(names) > SHOWN)


def _say_more(table: _Long, wide: _Wide) -> None:
    """Say what a person should know of limits of detection, normalisation and gaps."""
    said = []
    if empty := int(np.isnan(wide.x).all(axis=1).sum()):
        said.append(f"{empty} of {len(wide.samples)} samples have no value that is left")
    if "lod" in table.numbers:
        below = table.numbers["npx"] < table.numbers["lod"]
        low = np.bincount(wide.columns[below], minlength=len(wide.assays))
        many = int(np.sum(low > MANY * (~np.isnan(wide.x)).sum(axis=0)))
        kept = f"{int(below.sum())} values are below the limit of detection and are kept"
        said.append(f"{kept}; {many} of {len(wide.assays)} assays are below it in most samples")
    ways = sorted(table.words["normalization"].counts()) if "normalization" in table.words else []
    if len(ways) > 1:
        said.append(f"the values are normalised in {len(ways)} ways ({_show(ways)})")
    table.notes.extend(f"{table.source}: {sentence}." for sentence in said)


def _find_plates(table: _Long, wide: _Wide) -> Words:
    """Return the plate of each sample, of the rows that have a value; of several plates (one for
    each panel) all, joined."""
    plate, known = table.words["plate"], ~np.isnan(table.numbers["npx"])
    pairs = np.stack([wide.rows, plate.codes], axis=1)[known & plate.known]
    found: dict[int, list[str]] = {}
    for row, code in np.unique(pairs, axis=0).tolist():
        found.setdefault(row, []).append(plate.words[code])
    if several := sum(1 for plates in found.values() if len(plates) > 1):
        table.notes.append(f"{table.source}: {several} samples are on several plates each.")
    joined = {row: " + ".join(sorted(plates)) for row, plates in found.items()}
    return Words.of(joined.get(row) for row in range(len(wide.samples)))
