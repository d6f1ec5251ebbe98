"""The same table gives the same dataset in every format."""

import datetime

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_tools import column, read

from swarmhub.data.frames import Request
from swarmhub.data.readers.excel import find_errors
from swarmhub.data.readers.registry import find_format
from swarmhub.data.reading import Files, read_frames
from swarmhub.data.schema import Schema, declare_label
from swarmhub.errors import BadInput

HEADER = ["y", "patient_id", "crp", "stage", "born", "smoker"]
ROWS = [
    [1, "007", 12.5, "II", datetime.date(1950, 1, 2), True],
    [0, "008", None, "IV", datetime.date(1961, 3, 4), False],
    [1, "008", 0.375, None, datetime.date(1972, 5, 6), True],
    [0, "010", 7, "II", None, False],
]


def write_excel(path, rows, sheets=1):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for k in range(1, sheets):
        book.create_sheet(f"more {k}").append(["nothing"])
    book.save(path)
    return path


def write_parquet(path, columns):
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(params=["xlsx", "parquet", "csv"])
def table(request, tmp_path):
    path = tmp_path / f"t.{request.param}"
    if request.param == "xlsx":
        return write_excel(path, [HEADER, *ROWS])
    if request.param == "parquet":
        columns = dict(zip(HEADER, map(list, zip(*ROWS, strict=True)), strict=True))
        return write_parquet(path, columns)
    rows: list[list] = [HEADER, *ROWS]
    cells = [["" if v is None else str(v).replace("True", "TRUE").replace("False", "FALSE")
              for v in row] for row in rows]  # fmt: skip
    path.write_text("\n".join(",".join(row) for row in cells) + "\n")
    return path


def test_a_table_reads_alike_in_every_format(table):
    found, _ = read(table, patient="patient_id")
    assert found.y.tolist() == [1, 0, 1, 0]
    assert found.patient.texts() == ["007", "008", "008", "010"]
    np.testing.assert_array_equal(column(found, "crp"), [12.5, np.nan, 0.375, 7])
    assert column(found, "stage") == ["II", "IV", None, "II"]
    assert column(found, "smoker") == ["TRUE", "FALSE", "TRUE", "FALSE"]
    assert "born" not in found.columns  # dates


def test_a_number_in_a_workbook_keeps_no_fraction_as_a_name(tmp_path):
    path = write_excel(tmp_path / "t.xlsx", [["y", "patient_id", "x"], [1, 7.0, 1], [0, 8.0, 2]])
    assert read(path, patient="patient_id")[0].patient.texts() == ["7", "8"]


def test_a_stray_cell_of_a_workbook_is_refused_with_its_row(tmp_path):
    rows = [["y", "crp"], *[[k % 2, float(k)] for k in range(30)], [1, "#N/A"]]
    with pytest.raises(BadInput, match="line 32, column 'crp': expected a number"):
        read(write_excel(tmp_path / "t.xlsx", rows))


def test_an_error_of_a_formula_is_found_on_its_own_sheet(tmp_path):
    path = write_excel(tmp_path / "t.xlsx", [["y", "crp"], [1, "#DIV/0!"]], sheets=2)
    assert list(find_errors(path, 0)) == [(2, 2, "#DIV/0!")]
    assert list(find_errors(path, 1)) == []


def test_sheets_are_named(tmp_path):
    path = write_excel(tmp_path / "t.xlsx", [["y", "x"], [1, 2], [0, 3]], sheets=2)
    assert "has 2 sheets ('Sheet', 'more 1'); the first is read" in read(path)[1].sentences[0]
    with pytest.raises(BadInput, match="has no sheet 'other'; its sheets are 'Sheet', 'more 1'"):
        read(path, sheet="other")
    with pytest.raises(BadInput, match="has a header but no rows"):
        read(path, sheet="more 1")


def test_long_whole_numbers_of_parquet_are_words(tmp_path):
    columns = {"y": [0, 1], "x": [1.5, 2.5], "record": [2**53 + 1, 2**53 + 3]}
    found, _ = read(write_parquet(tmp_path / "t.parquet", columns))
    assert found.columns == ("x",)


def test_lists_in_parquet_are_refused(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", {"y": [0, 1], "x": [[1, 2], [3, 4]]})
    with pytest.raises(BadInput, match="column 'x': expected numbers or text, got list"):
        read(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("t.xlsx", "expected a workbook"), ("t.parquet", "expected a Parquet file"),
        ("none.xlsx", "There is no file"), ("none.parquet", "There is no file"),
    ],
)  # fmt: skip
def test_a_damaged_or_absent_file_is_one_sentence(tmp_path, name, said):
    if name.startswith("t"):
        (tmp_path / name).write_bytes(b"PAR1 or PK, and nothing more")
    with pytest.raises(BadInput, match=said):
        read(tmp_path / name)


def test_a_format_is_found_by_name_or_asked_for(tmp_path):
    assert find_format(tmp_path / "T.XLSX", Request()).name == "excel"
    assert find_format(tmp_path / "t.csv.gz", Request()).name == "delimited"
    assert find_format(tmp_path / "table", Request()).name == "delimited"
    assert find_format(tmp_path / "t.dat", Request(format="parquet")).name == "parquet"
    with pytest.raises(BadInput, match="did you mean 'parquet'"):
        find_format(tmp_path / "t.dat", Request(format="parqet"))


def test_a_missing_extra_is_named_with_its_command(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "t.parquet", {"y": [0, 1], "x": [1.5, 2.5]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"pip install 'swarmhub\[omics\]'"):
        read(path)


def test_an_option_that_no_reader_takes_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("label,age\n1,60\n0,50\n")
    schema = Schema.of(declare_label("label"))
    with pytest.raises(BadInput, match="'qc' is not known; these files take none"):
        read_frames(Files((path,), options={"qc": "keep"}), schema)
    npx = tmp_path / "npx.csv"
    npx.write_text("SampleID;OlinkID;NPX\nA;OID00001;1.5\n")
    with pytest.raises(BadInput, match="'size' is not known; these files take names, qc"):
        read_frames(Files((npx,), options={"size": "8x8"}), schema)
