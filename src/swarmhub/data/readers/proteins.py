"""Protein groups of mass spectrometry as log2 intensities: MaxQuant's proteinGroups.txt, and the
matrix of protein groups and the main report of DIA-NN.

A column of the result is a protein group, named by its first protein, which the programs list first
for its evidence; groups that start with the same protein are named by all of their proteins. An
intensity of 0 means that nothing was measured, so it is missing. Contaminants and decoys are left
out, by the programs' marks and by the prefixes that their databases give to identifiers.

Of the report, rows count that pass DIA-NN's q-value filters at 1%, of the run and of all runs, for
precursor and protein group. Those of all runs are `Lib.` after match-between-runs, else `Global.`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from swarmhub.data.cells import Cells, need_finite
from swarmhub.data.columns import MAX_DENSE
from swarmhub.data.frames import Floats, Frame, Request, Words
from swarmhub.data.logarithms import log2
from swarmhub.data.readers.delimited import read_delimited
from swarmhub.data.readers.excel import read_excel
from swarmhub.data.readers.parquet import read_parquet
from swarmhub.errors import BadInput

Mask = npt.NDArray[np.bool_]
NAMESPACE, UNIT = "uniprot", "log2 intensity"
LFQ, RAW = "LFQ intensity ", "Intensity "
SHEETS = {"LFQ": LFQ, "LFQ intensity": LFQ, "Intensity": RAW}  # by `request.sheet`
MAJORITY, GROUP, RUN, QUANTITY = "Majority protein IDs", "Protein.Group", "Run", "PG.MaxLFQ"
MARKS = {
    "Reverse": "decoys", "Potential contaminant": "contaminants", "Contaminant": "contaminants",
    "Only identified by site": "identified by site only",
}  # fmt: skip
DESCRIBING = frozenset(
    ["Protein.Group", "Protein.Ids", "Protein.Names", "Genes", "First.Protein.Description",
     "N.Sequences", "N.Proteotypic.Sequences"]
)  # fmt: skip
FINER = frozenset(["Precursor.Id", "Stripped.Sequence", "Modified.Sequence"])  # of peptides
PREFIXES = {  # of an identifier, which may be as a FASTA header has it: sp|P12345|NAME
    "decoys": re.compile(r"(\w\w\|)?(REV__|rev_|DECOY_|decoy_)"),
    "contaminants": re.compile(r"(\w\w\|)?(CON__|(?i:cont(am)?_|crap[-_]))"),
}
FASTA = re.compile(r"\w\w\|([^|]+)\|.*")
RUN_END = re.compile(r"(?i)(\.(raw|d|dia|mzml|wiff2?|gz))+$")
MOST = 0.01  # of q-values
OF_RUN = ("Q.Value", "PG.Q.Value")
OVERALL = (("Lib.Q.Value", "Global.Q.Value"), ("Lib.PG.Q.Value", "Global.PG.Q.Value"))
REPORT = (RUN, GROUP, QUANTITY, *OF_RUN)  # a report has these columns
MAX_REPORT, LOGARITHMS = 4 << 30, 64.0  # bytes of a report as text; intensities are larger


def looks_like(header: Collection[str]) -> str:
    """Return "maxquant", "diann-report", "diann-matrix" or "" for the names of columns."""
    names = {*header}
    if {MAJORITY, "Protein IDs"} <= names:
        return "maxquant"
    if {*REPORT} <= names:
        return "diann-report"
    return "diann-matrix" if {GROUP, "Genes"} <= names and not names & {RUN, *FINER} else ""


def header_of(start: bytes) -> list[str]:
    """Return the names in the first line of a text table that starts with these bytes."""
    line = start.decode("utf-8-sig", "replace").partition("\n")[0]
    return [cell.strip(' "\r') for cell in line.split("\t" if "\t" in line else ",")]


def read_maxquant(path: Path, request: Request) -> Frame:
    """Return the protein groups of a proteinGroups.txt, (samples, groups): LFQ intensities, or raw
    ones if there are no others or `request.sheet` is "Intensity". Raises BadInput for a table that
    is none, or is of a labelled experiment."""
    asked = SHEETS.get(request.sheet, "")
    request = replace(request, sheet="") if asked else request
    frame = _read(path, request, (MAJORITY, *MARKS))
    groups, notes = _need(frame, MAJORITY), list[str]()
    start, columns = _choose_intensities(frame, asked, notes)
    kept = _leave_out(frame.source, groups, frame.sheet, notes)
    x = np.stack([_numbers(frame, name)[kept] for name in columns])
    samples = [name.removeprefix(start) for name in columns]
    return _make(frame, x, groups.take(kept), samples, notes)


def read_diann_matrix(path: Path, request: Request) -> Frame:
    """Return the protein groups of a report.pg_matrix.tsv, (runs, groups), or raise BadInput."""
    frame = _read(path, request, DESCRIBING)
    groups, there = _need(frame, GROUP), [*frame.names, *frame.sheet]
    if finer := sorted(FINER & {*there}):
        raise BadInput(f"{path.name} is of peptides ('{finer[0]}'); give report.pg_matrix.tsv.")
    runs = [name for name in there if name not in DESCRIBING]
    if not runs:
        raise BadInput(f"{path.name} has no column of a run; export the matrix again.")
    notes: list[str] = []
    kept = _leave_out(frame.source, groups, {}, notes)
    x = np.stack([_numbers(frame, name)[kept] for name in runs])
    return _make(frame, x, groups.take(kept), _name_runs(runs, path.name), notes)


def read_diann_report(path: Path, request: Request) -> Frame:
    """Return the protein groups of a main report (.parquet or .tsv), (runs, groups). Raises
    BadInput for a table that is none, and if a run has two quantities of one group."""
    import pandas as pd

    frame = _read_report(path, request)
    run, group, quantity = _need(frame, RUN), _need(frame, GROUP), _numbers(frame, QUANTITY)
    if not run.known.all():
        place = frame.place(int(np.flatnonzero(~run.known)[0]), RUN)
        raise BadInput(f"{place}: expected a run, got an empty cell; export the report again.")
    notes: list[str] = []
    certain = _find_certain(frame, notes) & group.known
    is_protein = _leave_out(frame.source, Words.of(group.words), {}, notes)
    rows = np.flatnonzero(certain & is_protein[group.codes] & ~np.isnan(quantity))
    (of_run, runs), (of_group, groups) = map(pd.factorize, (run.codes, group.codes[rows]))
    if len(runs) * len(groups) > MAX_DENSE:
        raise BadInput(
            f"{path.name}: expected at most {MAX_DENSE} values, got {len(runs)} runs and "
            f"{len(groups)} protein groups; split the report by runs."
        )
    x = np.full((len(runs), len(groups)), np.nan)
    cells = of_run[rows] * len(groups) + of_group
    x.reshape(-1)[cells] = quantity[rows]
    differs = x.reshape(-1)[cells] != quantity[rows]
    if differs.any():
        raise BadInput(
            f"{frame.place(int(rows[differs][0]), QUANTITY)}: expected one quantity for each run "
            f"and protein group, got several for {len(np.unique(cells[differs]))} of them (a "
            "multiplexed experiment, or reports that were joined); give report.pg_matrix.tsv."
        )
    names = _name_runs([run.words[k] for k in runs], path.name)
    return _make(frame, x, Words(groups, group.words), names, notes)


def _read(path: Path, request: Request, words: Collection[str]) -> Frame:
    """Return the table as the reader of its kind of file gives it."""
    name = path.name.lower().removesuffix(".gz")
    separator = request.separator or ("" if name.endswith(".csv") else "\t")
    request = replace(request, as_words=request.as_words | {*words}, separator=separator)
    if name.endswith((".parquet", ".pq")):
        return read_parquet(path, request)
    is_book = name.endswith((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"))
    return read_excel(path, request) if is_book else read_delimited(path, request)


def _read_report(path: Path, request: Request) -> Frame:
    """Return a main report; of Parquet the columns that are needed, since there are 60 others."""
    if path.name.lower().endswith((".parquet", ".pq")):
        frame = _read_columns(path, [*REPORT, "Decoy", *OVERALL[0], *OVERALL[1]])
    elif path.exists() and path.stat().st_size > MAX_REPORT:
        said = f"{path.name}: expected a report of at most {MAX_REPORT >> 30} GB as text"
        raise BadInput(f"{said}; give it in Parquet, or give report.pg_matrix.tsv.")
    else:
        frame = _read(path, request, (RUN, GROUP))
    if lacking := [name for name in REPORT if name not in {*frame.names, *frame.sheet}]:
        said = f"{path.name} has no column '{lacking[0]}', which DIA-NN's main report has"
        raise BadInput(f"{said}; give that, or report.pg_matrix.tsv.")
    return frame


def _read_columns(path: Path, wanted: Sequence[str]) -> Frame:
    """Return those of the wanted columns that a Parquet file has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read([name for name in wanted if name in file.schema_arrow.names])
    except (pa.ArrowException, OSError):
        return read_parquet(path, Request())  # says in a sentence why it cannot be read
    words = {}
    for name in {RUN, GROUP} & {*table.column_names}:
        coded = table[name].cast(pa.string()).combine_chunks().dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        words[name] = Words(codes, tuple(coded.dictionary.to_pylist()))
    names = tuple(name for name in table.column_names if name not in words)
    columns = [np.asarray(table[n].to_numpy(), dtype=np.float64) for n in names]
    x = np.column_stack(columns) if columns else np.zeros((table.num_rows, 0))
    return Frame(path.name, x, names, words)


def _need(frame: Frame, name: str) -> Words:
    """Return a column of words."""
    if name not in frame.sheet:
        raise BadInput(f"{frame.source} has no column '{name}'; export the table again.")
    return frame.sheet[name]


def _numbers(frame: Frame, name: str) -> Floats:
    """Return a column of finite numbers of 0 or more, (rows,), NaN for missing."""
    if name in frame.names:
        values: Floats = np.array(frame.x[:, frame.names.index(name)], dtype=np.float64)
    else:
        lines = frame.lines if len(frame.lines) else range(1, frame.rows + 1)
        found = Cells(frame.source, name, lines, frame.sheet[name]).column(as_text=False)[0]
        assert isinstance(found, np.ndarray)
        values = found
    need_finite(values, lambda row: frame.place(row, name))
    if (values < 0).any():
        raise BadInput(
            f"{frame.place(int(np.argmax(values < 0)), name)}: expected an intensity of 0 or more, "
            "got a negative one; give the table without logarithms, as its program wrote it."
        )
    return values


def _choose_intensities(frame: Frame, asked: str, notes: list[str]) -> tuple[str, list[str]]:
    """Return the words before the samples in the names of the columns, and these names."""
    names = [*frame.names, *frame.sheet]
    if any(name.startswith(("Reporter intensity", "Ratio ")) for name in names):
        labelled = f"{frame.source} is of a labelled experiment (TMT or SILAC), which is not read"
        raise BadInput(f"{labelled}; give a table of samples and proteins.")
    for start in (asked,) if asked else (LFQ, RAW):
        if columns := [name for name in names if name.startswith(start)]:
            if start == RAW:
                notes.append(f"{frame.source}: raw intensities compare only once normalised.")
            return start, columns
    raise BadInput(
        f"{frame.source} has no columns '{asked or LFQ}...' of samples; give each raw file an "
        "experiment in MaxQuant."
    )


def _leave_out(source: str, groups: Words, sheet: Mapping[str, Words], notes: list[str]) -> Mask:
    """Return which groups are proteins of the samples, (groups,), and say which others there are:
    those with a mark in the sheet, and those with a prefix before their first protein."""
    found = [(what, np.array([t == "+" for t in sheet[name].texts()]))
             for name, what in MARKS.items() if name in sheet]  # fmt: skip
    for what, prefix in PREFIXES.items():
        fits = np.array([*(bool(prefix.match(word)) for word in groups.words), False])
        found.append((what, fits[groups.codes]))
    found.append(("without a protein", ~groups.known))
    left, counts = np.zeros(len(groups), dtype=bool), Counter[str]()
    for what, marked in found:
        counts[what] += int((marked & ~left).sum())
        left |= marked
    shown = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    said = f"{int(left.sum())} of {len(left)} protein groups are left out"
    notes.append(f"{source}: {said}{f' ({shown})' if shown else ''}.")
    if not counts["contaminants"]:
        notes.append(f"{source}: no protein is marked as a contaminant; does the database do so?")
    if left.all():
        raise BadInput(f"{source} has contaminants and decoys only; expected proteins.")
    return ~left


def _find_certain(frame: Frame, notes: list[str]) -> Mask:
    """Return which rows of a report pass the filters of false discovery, (rows,)."""
    values = {name: frame.x[:, k] for k, name in enumerate(frame.names)}
    used = [*OF_RUN]
    for pair in OVERALL:
        there = [name for name in pair if name in values]
        used += [name for name in there if (values[name] > 0).any()][:1] or there[:1]
    kept = np.ones(frame.rows, dtype=bool)
    for name in used:
        kept &= _numbers(frame, name) <= MOST
    if "Decoy" in values:
        kept &= values["Decoy"] != 1
    said = f"{int((~kept).sum())} of {frame.rows} rows are left out, as decoys or since one of "
    notes.append(f"{frame.source}: {said}{', '.join(used)} is above {MOST:g}.")
    if not kept.any():
        raise BadInput(f"{frame.source} has no row with {', '.join(used)} of at most {MOST:g}.")
    return kept


def _name_runs(runs: Sequence[str], source: str) -> list[str]:
    """Return the runs' names without folder and extension. Raises BadInput if two become one."""
    found = [RUN_END.sub("", re.split(r"[\\/]", run.rstrip("\\/"))[-1]) for run in runs]
    if again := len(found) - len({*found}):
        said = f"{source}: {again} runs have another one's name but for folder and extension"
        raise BadInput(f"{said}; rename the raw files in the table.")
    return found


def _make(frame: Frame, x: Floats, groups: Words, samples: list[str], said: list[str]) -> Frame:
    """Return the frame of intensities x, (samples, groups)."""
    whole = [groups.words[code] for code in groups.codes]
    parts = [[FASTA.sub(r"\1", part.strip()) for part in text.split(";")] for text in whole]
    counts = Counter(part[0] for part in parts)
    names = [";".join(part) if counts[part[0]] > 1 else part[0] for part in parts]
    if again := len(names) - len({*names}):
        there = f"{frame.source}: {again} protein groups are there twice"
        raise BadInput(f"{there}; export the table again.")
    several = sum(1 for part in parts if len(part) > 1)
    shared = sum(1 for count in counts.values() if count > 1)
    text = f"{several} of {len(names)} protein groups have several proteins; the first names them"
    text += f", or all of them ({shared} proteins start more than one group)" if shared else ""
    made: Floats = log2(np.where(x > 0, x, np.nan))
    missing, zeros = int(np.isnan(made).sum()), int((x == 0).sum())
    gone = f"{missing} of {made.size} intensities are missing, of which {zeros} are 0"
    notes = [*frame.notes, *said, f"{frame.source}: {text}.", f"{frame.source}: {gone}."]
    if np.nanmax(x, initial=0.0) < LOGARITHMS:
        notes.append(f"{frame.source}: no intensity is above {LOGARITHMS:g}; are they logarithms?")
    return Frame(frame.source, made, tuple(names), {}, Words.of(samples), namespace=NAMESPACE,
                 unit=UNIT, notes=tuple(notes))  # fmt: skip
