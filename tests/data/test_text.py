"""A file's rows: nothing is lost without a word, and no message shows a patient's cell."""

import gzip
from pathlib import Path

import pytest
from data_tools import write

from swarmhub.data.readers.text import open_delimited
from swarmhub.errors import BadInput

TABLES = Path(__file__).parent / "tables"


def rows_of(folder, text, name="t.csv"):
    return read_rows(write(folder, text, name))


def read_rows(path):
    with open_delimited(path) as (header, blocks):
        rows = []
        for block in blocks:
            lines = [line for line in block.data.decode().split("\n") if line]
            cells = [line.split(block.separator) for line in lines]
            rows += list(zip(map(int, block.lines), cells, strict=True))
        return [list(header.cells), *rows]


def refusal(folder, text, name="t.csv"):
    with pytest.raises(BadInput) as caught:
        rows_of(folder, text, name)
    return str(caught.value)


def test_an_unclosed_quote_is_refused_with_its_line():
    with pytest.raises(BadInput, match=r"unclosed-quote\.csv, line 22: a quote opens"):
        read_rows(TABLES / "unclosed-quote.csv")


@pytest.mark.parametrize(
    "text",
    [
        'y,a,b\n1,2,3\n0,4,"F\n1,5,M\n0,6,F"\n',  # closed by a later stray quote
        'y,a,b\n1,2,3\n0,"4,F\n1,5",M\n',
        'y,a,b\n1,2,3\n"0,4,F\n1,5,M\n0",6,F\n',
        'y,a,b\n1,2,3\n0,4,"F\r\n1,5,M\r\n',
        'y,a,b\n1,2,3\n0,4,"' + "1,2,3\n" * 40_000,  # longer than a cell may be
    ],
)
def test_rows_that_a_quote_swallows_are_refused_with_the_line(tmp_path, text):
    assert "t.csv, line 3: a quote opens" in refusal(tmp_path, text)


def test_a_quote_that_closes_before_the_cell_ends_is_refused(tmp_path):
    said = refusal(tmp_path, 'y,a\n1,2\n0,"x"y\n')
    assert "line 3: a quoted cell goes on behind its closing quote" in said


@pytest.mark.parametrize(
    "cell", ["two\nlines", "pain, fever\nand cough, dry", 'a "word"\r\nmore', "one,\n\ntwo"]
)
def test_line_breaks_within_quotes_are_legal(tmp_path, cell):
    quoted = '"' + cell.replace('"', '""') + '"'
    rows = rows_of(tmp_path, f"y,note,a\n1,{quoted},2\n0,x,3\n")
    assert rows[1] == (2, ["1", " ".join(cell.replace("\r", "").split("\n")), "2"])
    assert rows[2] == (3 + cell.count("\n"), ["0", "x", "3"])


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [4, 1 << 20])
def test_every_line_end_and_a_missing_last_one_are_read(tmp_path, monkeypatch, ends, size):
    monkeypatch.setattr("swarmhub.data.readers.text.BLOCK_BYTES", size)
    rows = rows_of(tmp_path, ends.join(["\ufeffy,a", "1,2", "", "0,3"]))
    assert rows == [["y", "a"], (2, ["1", "2"]), (4, ["0", "3"])]


def test_a_quote_in_a_later_block_keeps_the_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("swarmhub.data.readers.text.BLOCK_BYTES", 64)
    text = "y,a\n" + "1,2\n" * 40 + '0,"x,\ny"\n' + "1,2\n" * 40
    rows = rows_of(tmp_path, text)
    assert rows[41] == (42, ["0", "x, y"])
    assert rows[42][0] == 44
    assert len(rows) == 82


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"y,a\n1,2\n0,M\xfcller\n", "line 3: expected UTF-8 text, got other bytes (often"),
        ("y,a\n1,2\n".encode("utf-16"), "got UTF-16 text"),
        ("y,a\n1,2\n".encode("utf-16-le"), "line 1: expected text, got zero bytes"),
        (b"y,a\n1,2\n0,\x00\n", "line 3: expected text, got zero bytes"),
        (b"PK\x03\x04rest", "got a spreadsheet"),
        (gzip.compress(b"y,a\n", mtime=0), "got a gzip archive"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, data, said):
    assert said in refusal(tmp_path, data)


def test_a_torn_archive_shows_none_of_its_bytes(tmp_path):
    assert refusal(tmp_path, b"Smith,1\n", "t.csv.gz") == (
        "t.csv.gz does not unpack as gzip; copy it again."
    )
