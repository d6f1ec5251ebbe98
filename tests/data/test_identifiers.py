"""Identifiers and dates never become features, nor enter the statistics document."""

import re
from pathlib import Path

import numpy as np
import pytest
from data_tools import column, dataset, read

from swarmhub import codec
from swarmhub.data.cells import Cells
from swarmhub.data.identifiers import why_identifier
from swarmhub.data.split import split_patients
from swarmhub.data.summaries import statistics_of

TABLES = Path(__file__).parent / "tables"
VISITS = [f"{k}" for k in range(20) for _ in range(6)]  # 20 patients, 6 rows each


def why(name, values):
    return why_identifier(Cells.of("t.csv", name, range(len(values)), values))


@pytest.mark.parametrize("hospital", ["a", "b"])
def test_no_identifier_enters_the_statistics_document(hospital):
    table, found = read(TABLES / f"visits-{hospital}.csv", "label")
    assert table.columns == ("x",)
    document = statistics_of(table)
    for secret in (b"MRN", b"patient_id", b"birth"):
        assert secret not in document
    assert not re.search(rb"19\d\d-", document)
    said = " ".join(found.sentences)
    assert "column 'patient_id' is left out: its name is that of an identifier" in said
    assert "column 'birth' is left out: it has dates" in said
    assert "MRN" not in said


def test_a_repeated_identifier_keeps_a_patients_visits_together():
    table, _ = read(TABLES / "visits-a.csv", "label")
    training, held = split_patients(table, 1, 0.2)
    assert held.rows == 24
    assert not {*training.patient.counts()} & {*held.patient.counts()}
    again = split_patients(table, 1, 0.2)[1]
    assert column(again, "x").tolist() == column(held, "x").tolist()


@pytest.mark.parametrize(
    "name",
    ["id", "PatientID", "patient-id", "pat_nr", "MRN", "Sample ID", "Fallnummer", "surname",
     "patient name", "E-Mail", "zip_code", "index", "Unnamed: 0", "record_no"],
)  # fmt: skip
def test_a_column_named_like_an_identifier_is_left_out(name):
    assert "identifier" in why(name, ["1", "2", "7"])


@pytest.mark.parametrize(
    "values",
    [
        ["1950-01-10", "1951-02-11"], ["10.01.1950", "11.02.1951"], ["1/10/50", "2/11/51"],
        ["10 Jan 1950", "11-Feb-1951"], ["2024-01-10T12:30:00", "2024-01-11 08:00"],
    ],
)  # fmt: skip
def test_dates_are_left_out_however_written(values):
    assert "dates" in why("seen", values)


def test_dates_as_numbers_are_left_out_by_name():
    assert "dates" in why("date_of_birth", ["19500110", "19510211"])
    assert why("counts", ["19500110", "19510211"]) == ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([f"K{k:04d}" for k in range(12)] * 6, "record numbers"),
        ([f"u{k % 12}@x.org" for k in range(72)], "record numbers"),
        ([chr(65 + k) + "berg" for k in range(20)], "nearly all different"),
        ([chr(65 + int(v)) + "berg" for v in VISITS], "follow each other"),
    ],
)
def test_what_looks_like_an_identifier_is_left_out_by_content(values, said):
    assert said in why("x", values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sex", ["F", "M"] * 20), ("idh1", ["1", "2"]), ("birth_weight", ["3100", "2900"]),
        ("visit", ["1", "2", "3"] * 9), ("ankle_brachial_index", ["1.1", "0.9"]),
        ("diagnosis", [f"I{k % 14}.{k % 3}" for k in range(90)]), ("age", ["50", "61", "49"]),
        ("width", ["1", "2", "3"]), ("drug_name", ["a", "b"] * 9),
    ],
)  # fmt: skip
def test_measurements_and_categories_are_none(name, values):
    assert why(name, values) == ""


def test_a_category_of_few_patients_is_not_published():
    kind = ["rare"] * 24 + ["common"] * 96
    x = np.where(np.arange(120) < 24, np.arange(120) + 7.25, np.nan)
    rare = dataset(np.arange(120) % 2, VISITS, kind=kind, x=x)
    document = codec.decode(statistics_of(rare))["columns"]
    assert document["kind"]["categories"] == {}  # 'common' would tell the rest
    assert document["x"]["count"] == 0


def test_a_column_of_words_made_by_hand_publishes_no_dates_either():
    born = ["1950-01-10", "1951-01-10"] * 30
    assert b"1950" not in statistics_of(dataset(np.arange(60) % 2, born=born, x=np.arange(60.0)))


def test_a_column_that_counts_the_rows_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y,a,b\n" + "".join(f"{k % 2},{k + 1},{k % 7}\n" for k in range(20)))
    table, found = read(path)
    assert table.columns == ("a", "b")
    said = "t.csv, column 'a' counts the rows; remove it if it is no measurement."
    assert found.sentences == (said,)


def test_the_declared_patient_is_no_feature(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y,who,x\n" + "".join(f"{k % 2},p{k // 2},{k}.5\n" for k in range(20)))
    table, found = read(path, patient="who")
    assert table.columns == ("x",)
    assert table.count_patients() == 10
    assert "names the patient: 10 patients in 20 rows" in found.sentences[-1]
