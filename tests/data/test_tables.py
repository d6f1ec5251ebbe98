"""A table as a person means it, or one sentence that says where it is not."""

import gzip

import numpy as np
import pytest
from data_tools import column, read, write

from swarmhub.errors import BadInput


def test_numbers_text_missing_values_and_quotes_are_read(tmp_path):
    text = '\ufeffy,age,note,empty\n1,50.5,"a, b",\n0,NA,?,\n,1,c,\nno,-2e1,null,\n'
    table, found = read(write(tmp_path, text))
    assert table.y.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(column(table, "age"), [50.5, np.nan, -20.0])
    assert column(table, "note") == ["a, b", None, None]
    assert np.isnan(column(table, "empty")).all()
    assert found.sentences == (
        "t.csv, line 4: 1 of 4 rows have no label and are left out, the first is this one; totals "
        "and notes below a table are such rows.",
    )


def test_tabs_gzip_and_logical_values_are_understood(tmp_path):
    data = gzip.compress(b"a\ty\nTRUE\ttrue\nFALSE\tfalse\n1_000\tTRUE\n")
    table, _ = read(write(tmp_path, data, "t.tsv.gz"))
    assert column(table, "a") == ["TRUE", "FALSE", "1_000"]
    assert table.y.tolist() == [1, 0, 1]


def test_another_separator_is_found_and_said(tmp_path):
    table, found = read(write(tmp_path, "y;a;b,c\n1;2,5;x\n0;3,5;y\n"), decimal=",")
    assert column(table, "a").tolist() == [2.5, 3.5]
    assert column(table, "b,c") == ["x", "y"]
    assert found.sentences == ("t.csv is read with ';' between cells.",)


def test_a_header_with_semicolons_in_names_keeps_its_commas(tmp_path):
    table, _ = read(write(tmp_path, "y,P1;P2;P3,P4;P5\n1,2,3\n0,3,4\n"))
    assert table.features == ("P1;P2;P3", "P4;P5")


def test_rows_are_taken_by_position_or_mask(tmp_path):
    table, _ = read(write(tmp_path, "a,b\n1,x\n2,y\n3,z\n"), "")
    assert table.y is None
    part = table.take([2, 0])
    assert column(part, "a").tolist() == [3.0, 1.0]
    assert column(part, "b") == ["z", "x"]
    assert table.take(np.array([False, True, False])).rows == 1
    assert table.take([]).rows == 0


def test_doubles_are_read_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000) * 10.0 ** rng.integers(-30, 30, 2000)
    text = "y,a\n" + "".join(f"{k % 2},{float(v)!r}\n" for k, v in enumerate(x))
    long = "y,a\n" + "".join(f"{k % 2},{float(v):.25e}\n" for k, v in enumerate(x))
    for given in (text, long):
        np.testing.assert_array_equal(column(read(write(tmp_path, given))[0], "a"), x)


@pytest.mark.parametrize("columns", [3, 300])
def test_text_in_a_later_block_makes_the_whole_column_text(tmp_path, monkeypatch, columns):
    monkeypatch.setattr("swarmhub.data.readers.text.BLOCK_BYTES", 2000)
    names = ",".join(f"c{k}" for k in range(columns))
    rows = [f"{i % 2},{'IV' if i > 60 and i % 2 else i % 4}," + ",".join(["7.5"] * columns)
            for i in range(100)]  # fmt: skip
    table, _ = read(write(tmp_path, f"y,stage,{names}\n" + "\n".join(rows) + "\n"))
    assert set(column(table, "stage")) == {"0", "1", "2", "3", "IV"}
    assert table.x.shape == (100, columns)
    assert (table.x == 7.5).all()


def test_identifiers_keep_their_zeros_and_digits(tmp_path):
    text = "y,patient_id,number,x\n1,007,9007199254740993,1.5\n0,007,9007199254740995,2.5\n"
    table, _ = read(write(tmp_path, text), patient="patient_id")
    assert table.patient.words == ("007",)
    assert "number" not in table.features


def test_an_unnamed_first_column_names_the_samples(tmp_path):
    table, found = read(write(tmp_path, ",y,a\nA-1,1,2\nA-2,0,3\n"))
    assert table.samples.texts() == ["A-1", "A-2"]
    assert "first column, which has no name, is taken for the samples' names" in found.sentences[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("y,a\n", "no rows"),
        ("y,a\n1,2\n1\n", "line 3: expected 2 cells as in the header, got 1"),
        ("y,a,a\n1,2,3\n", "columns 2 and 3 have the same name 'a'"),
        ("y,,a\n1,2,3\n", "column 2 has no name"),
        ("Y_label,a\n1,2\n", "no column 'y' for the label"),
        ("y,a\n,2\nNA,3\n", "missing in all 2 rows"),
        ("y,a\n1,2\nICU,3\n", "line 3, column 'y': expected one of the study's words"),
        ("y,a\n2,2\n", "expected one of the study's words for the label ('1',"),
        ("y,a\n1,2\n0,inf\n", "line 3, column 'a': expected a finite number"),
        ("y,a\n1,2\n0,1e300\n", "line 3, column 'a': expected a finite number"),
        ("y,a\n1,2\n0,1e400\n", "line 3, column 'a': expected a finite number"),
        ("y\n1\n0\n", "no column to learn from beside the outcome"),
        ('y,a\n1,"2,5"\n0,"3,5"\n', "--decimal ,"),
        ("y;a\n1;2,5\n0;3,5\n", "decimal points"),
        (b"y,a\n1,2\n0,\xff\xfe\n", "line 3: expected UTF-8"),
        (b"y,a\n1,\x00\n", "expected text, got zero bytes"),
        ('y,a\n1,"' + "x" * 200_000, "line 2: a quote opens"),
        ("y,a\n1,2\n0\n", "line 3: expected 2 cells as in the header, got 1"),
        ("y,a\n1,2,3\n", "line 2: expected 2 cells as in the header, got 3"),
        ('y,a\n1,"2",3\n', "line 2: expected 2 cells as in the header, got 3"),
        ("\ufeff", "is empty"),
        ("\n\n", "is empty"),
        ("y, a ,a\n1,2,3\n", "columns 2 and 3 have the same name 'a'"),
        ("y,a,\n1,2,3\n", "column 3 has no name"),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence_that_says_where(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        read(path)
    assert said in str(caught.value)
    assert "t.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("y,name\nSmith,1\n", "Smith"),  # another column named as the label
        ("y,a\n37,1\n", "37"),
        ("Smith,44.5,F\nJones,45.5,M\n", "Smith"),  # no header
        ("Smith,44.5,44.5\nJones,45.5,3\n", "44.5"),
        ("y,a\n1,Smith\n" + "1,2.5\n" * 9, "Smith"),
        ("y,a\n1,1e300\n", "1e300"),
        ('y,a\n1,"Smith"x\n', "Smith"),
    ],
)
def test_no_refusal_shows_a_patients_cell(tmp_path, text, secret):
    with pytest.raises(BadInput) as caught:
        read(write(tmp_path, text))
    assert secret not in str(caught.value)


def test_absence_permission_and_damage_are_told_apart(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="There is no file"):
        read(tmp_path / "none.csv")
    torn = gzip.compress(b"y,a\n1,2\n" * 1000)[:-20]
    with pytest.raises(BadInput, match="does not unpack"):
        read(write(tmp_path, torn, "t.csv.gz"))
    with pytest.raises(BadInput, match="got the folder"):
        read(tmp_path)
    path = write(tmp_path, "y,a\n1,2\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(BadInput, match="may not read it"):
        read(path)


def test_a_near_label_is_named(tmp_path):
    with pytest.raises(BadInput, match="did you mean 'outcome'"):
        read(write(tmp_path, "outcome,a\n1,2\n"), "outcom")


def test_twenty_thousand_columns_are_read_exactly(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 20_000)).round(4)
    lines = [",".join(["y", *(f"g{k}" for k in range(20_000))])]
    lines += [f"{i % 2}," + ",".join(map(str, row)) for i, row in enumerate(x.tolist())]
    table, _ = read(write(tmp_path, "\n".join(lines) + "\n"))
    np.testing.assert_array_equal(table.x, x)
