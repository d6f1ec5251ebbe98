import gzip
import time

import numpy as np
import pytest

from swarmhub.data import read_table
from swarmhub.data.tables import is_text
from swarmhub.errors import BadInput


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_numbers_text_missing_values_and_quotes_are_read_as_a_person_means_them(tmp_path):
    text = '\ufeffy,age,note,empty\n1,50.5,"a, b",\n0,NA,?,\n,1,c,\nno,-2e1,null,\n'
    table = read_table(write(tmp_path, text), "y")
    assert table.rows == 3
    assert table.dropped == 1
    assert table.label.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(table.columns["age"], [50.5, np.nan, -20.0])
    assert table.columns["note"].tolist() == ["a, b", None, None]
    assert not is_text(table.columns["empty"])
    assert np.isnan(table.columns["empty"]).all()


def test_tabs_gzip_and_logical_values_are_understood(tmp_path):
    data = gzip.compress(b"a\ty\nTRUE\ttrue\nFALSE\tfalse\n1_000\tTRUE\n")
    table = read_table(write(tmp_path, data, "t.tsv.gz"), "y")
    assert table.columns["a"].tolist() == ["TRUE", "FALSE", "1_000"]
    assert table.label.tolist() == [1, 0, 1]


def test_a_table_without_a_label_can_be_read_and_rows_taken(tmp_path):
    table = read_table(write(tmp_path, "a,b\n1,x\n2,y\n3,z\n"), None)
    assert table.label is None
    part = table.take([2, 0])
    assert part.rows == 2
    assert part.columns["a"].tolist() == [3.0, 1.0]
    assert part.columns["b"].tolist() == ["z", "x"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("y,a\n", "no rows"),
        ("y,a\n1,2\n1\n", "line 3: expected 2 cells as in the header, got 1"),
        ("y,a,a\n1,2,3\n", "columns 2 and 3 are both named 'a'"),
        ("y,,a\n1,2,3\n", "column 2 has no name"),
        ("Y_label,a\n1,2\n", "no column 'y' for the label"),
        ("y,a\n,2\nNA,3\n", "missing in all 2 rows"),
        ("y,a\n1,2\nICU,3\n", "line 3, column 'y': expected the label 0 or 1"),
        ("y,a\n2,2\n", "code it as 0 and 1"),
        ("y,a\n1,2\n0,inf\n", "line 3, column 'a': expected a finite number"),
        ("y,a\n1,2\n0,1e300\n", "line 3, column 'a': expected a finite number"),
        ("y\n1\n0\n", "no column to learn from beside the label"),
        ("y;a\n1;2\n", "separated by commas"),
        ('y,a\n1,"2,5"\n0,"3,5"\n', "decimal points"),
        (b"y,a\n1,2\n0,\xff\xfe\n", "line 3: expected UTF-8"),
        (b"y,a\n1,\x00\n", "expected text, got zero bytes"),
        ('y,a\n1,"' + "x" * 200_000, "line 2: a quote opens"),
        ("y,a\n1,2\n0\n", "line 3: expected 2 cells as in the header, got 1"),
        ("y,a\n1,2,3\n", "line 2: expected 2 cells as in the header, got 3"),
        ("\ufeff", "is empty"),
        ("\n\n", "is empty"),
        ("y, a ,a\n1,2,3\n", "columns 2 and 3 are both named 'a'"),
        ("y,a,\n1,2,3\n", "column 3 has no name"),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence_that_says_where(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        read_table(path, "y")
    assert said in str(caught.value)
    assert "t.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("y,name\nSmith,1\n", "Smith"),  # another column named as the label
        ("y,a\n37,1\n", "37"),
        ("Smith,44.5,F\nJones,45.5,M\n", "Smith"),  # no header
        ("Smith,44.5,44.5\nJones,45.5,3\n", "44.5"),
        ("Smith,F\nJones,F\n", "Smith"),
        ("y,a\n1,Smith\n" + "1,2.5\n" * 9, "Smith"),
        ("y,a\n1,1e300\n", "1e300"),
        ('y,a\n1,"Smith"x\n', "Smith"),
    ],
)
def test_no_refusal_shows_a_patients_cell(tmp_path, text, secret):
    with pytest.raises(BadInput) as caught:
        read_table(write(tmp_path, text), "y")
    assert secret not in str(caught.value)


def test_rows_without_a_label_are_counted_and_said(tmp_path):
    table = read_table(write(tmp_path, "y,a\n1,2\n,3\n0,4\n"), "y")
    assert table.dropped == 1
    assert table.notes == ("t.csv: 1 of 3 rows have no label and are left out.",)


def test_a_missing_file_a_torn_archive_and_a_near_label_are_named(tmp_path):
    with pytest.raises(BadInput, match="There is no file"):
        read_table(tmp_path / "none.csv", "y")
    torn = gzip.compress(b"y,a\n1,2\n" * 1000)[:-20]
    with pytest.raises(BadInput, match="does not unpack"):
        read_table(write(tmp_path, torn, "t.csv.gz"), "y")
    with pytest.raises(BadInput, match="did you mean 'outcome'"):
        read_table(write(tmp_path, "outcome,a\n1,2\n"), "outcom")


def test_twenty_thousand_columns_are_read_within_seconds(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 20_000)).round(4)
    lines = [",".join(["y", *(f"g{k}" for k in range(20_000))])]
    lines += [f"{i % 2}," + ",".join(map(str, row)) for i, row in enumerate(x)]
    path = write(tmp_path, "\n".join(lines) + "\n")
    start = time.process_time()
    table = read_table(path, "y")
    assert time.process_time() - start < 6  # about 1.5 s on an idle machine
    np.testing.assert_array_equal(table.columns["g19999"], x[:, -1])
