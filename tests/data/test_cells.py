"""Cells that are nearly numbers: refused with line, column and kind, never shown."""

from pathlib import Path

import numpy as np
import pytest
from data_tools import column as column_of
from data_tools import read

from swarmhub.data import cells
from swarmhub.data.cells import COMMA, LIMIT, MARKED, NOT_MEASURED, TEXT, Cells, kind_of, tidy
from swarmhub.data.frames import Words
from swarmhub.errors import BadInput

TABLES = Path(__file__).parent / "tables"
NUMBERS = [f"{k}.5" for k in range(30)]


def column(values):
    return Cells.of("t.csv", "crp", range(2, len(values) + 2), values).column()


def test_values_below_the_detection_limit_are_refused_with_advice():
    with pytest.raises(BadInput) as caught:
        read(TABLES / "below-detection-limit.csv", "label")
    said = str(caught.value)
    assert "below-detection-limit.csv, line 3, column 'crp': expected a number as in 154" in said
    assert "a value beyond a limit of detection" in said
    assert "half of the limit" in said


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("<5.0", LIMIT), ("> 100", LIMIT), ("≤3", LIMIT), ("<0.1 mg/l", LIMIT), ("~4", LIMIT),
        ("12,5", COMMA), ("1.234,5", COMMA), ("1,234", COMMA),
        ("7.1 mg/l", MARKED), ("5%", MARKED), ("5.1*", MARKED), ("1 234", MARKED), ("−5", MARKED),
        ("n.d.", NOT_MEASURED), ("Not done", NOT_MEASURED), ("-", NOT_MEASURED),
        ("#DIV/0!", NOT_MEASURED), ("#N/A", NOT_MEASURED),
        ("O.5", TEXT), ("Miller", TEXT), ("5" * 60 + "x", TEXT),
    ],
)  # fmt: skip
def test_one_stray_cell_in_a_column_of_numbers_is_refused(cell, kind):
    assert kind_of(cell) == kind
    with pytest.raises(BadInput) as caught:
        column([*NUMBERS, cell])
    said = str(caught.value)
    assert "t.csv, line 32, column 'crp': expected a number as in 30 of 31 rows" in said
    assert kind in said
    assert f"got {cell}" not in said
    assert f"'{cell}'" not in said


@pytest.mark.parametrize(
    "values",
    [
        ["<5"] * 25 + ["7", "8"],  # most of them below the limit
        ["12,5", "13,1"],
        ["<5", "<2.5", "<5"],
        ["<5", "n.d.", "6"],
        [f"{k} mg" for k in range(11)],
        ["0", "1"] * 20 + ["x"],  # a slip in a column of codes
    ],
)
def test_a_column_of_numbers_in_disguise_is_refused(values):
    with pytest.raises(BadInput, match=r"line \d+, column 'crp': expected a number"):
        column(values)


@pytest.mark.parametrize(
    "values",
    [
        ["F", "M"], ["<40", "40-60", ">60"], ["<40", ">=40"], ["T1a", "T2"], ["5 mg", "10 mg"],
        ["unknown", "yes"], ["I21.4", "C50"],
    ],
)  # fmt: skip
def test_categories_stay_categories_without_a_word(values):
    found, note = column(values)
    assert isinstance(found, Words)
    assert note == ""


@pytest.mark.parametrize("cell", ["<5", "below 5", "5-10", "5<", "&lt;5", "?5"])
def test_a_slip_is_refused_though_all_values_differ(tmp_path, cell):
    path = tmp_path / "t.csv"
    path.write_text("y,crp\n" + "".join(f"{k % 2},{n}\n" for k, n in enumerate(NUMBERS)))
    assert column_of(read(path)[0], "crp")[29] == 29.5
    with path.open("a") as file:
        file.write(f"1,{cell}\n")
    with pytest.raises(BadInput, match="line 32, column 'crp': expected a number as in 30 of 31"):
        read(path)


def test_codes_beside_words_are_read_as_text_and_said():
    found, note = column(["1", "2", "3a", "x"] * 3)
    assert isinstance(found, Words)
    assert note == (
        "t.csv, column 'crp' has numbers and text; it is read as text, each value a category."
    )


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e300"])
def test_a_number_too_large_is_refused_and_not_shown(cell):
    with pytest.raises(BadInput, match="line 3, column 'crp': expected a finite number") as caught:
        column(["1", cell])
    assert f"got {cell}" not in str(caught.value)
    assert f"'{cell}'" not in str(caught.value)


def test_spellings_that_nobody_sees_are_one():
    assert tidy(" \u200bage\ufeff ") == "age"
    assert tidy("Gro\u0308ße") == "Größe"
    found, _ = column([tidy("5\u200b"), "N/A", "<NA>"])
    np.testing.assert_array_equal(found, [5.0, np.nan, np.nan])


def test_a_long_cell_takes_no_time():
    assert cells.kind_of("1" + " " * 100_000 + "x") == TEXT


def test_declared_limits_become_values_and_flags():
    texts = ["7.5", "<5", "<LOD", "", "12"]
    column = Cells.of("t.csv", "crp", range(2, 7), texts)
    values, flags = column.below_limit(0.5, 3.0)
    np.testing.assert_array_equal(values, [7.5, 2.5, 1.5, np.nan, 12.0])
    np.testing.assert_array_equal(flags, [0, 1, 1, np.nan, 0])


@pytest.mark.parametrize("cell", [">100", "n.d.", "<LOD", "12,5"])
def test_no_other_word_passes_as_a_limit(cell):
    column = Cells.of("t.csv", "crp", range(2, 5), ["1", cell, "3"])
    with pytest.raises(BadInput, match="line 3, column 'crp': expected a number or a value below"):
        column.below_limit(0.5, None)
