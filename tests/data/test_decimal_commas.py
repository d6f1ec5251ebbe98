"""Decimal commas: noticed in tables whose decimal mark nobody has stated."""

import numpy as np
import pytest

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.readers.commas import find_mark
from swarmhub.data.reading import Files, find_commas, propose_decimal, read_frames
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.operations.data_check import check_data
from swarmhub.operations.new_study import new_study
from swarmhub.recipes.plan import complete
from swarmhub.recipes.preparing import Sources

DECLARED = Declaration(Outcome("ill", positive=("1",)))
N = 80


def write(path, comma, separator=";"):
    """A made-up table, its numbers with commas or with points."""
    rng = np.random.default_rng(7)
    lines = [separator.join(("ill", "crp", "age", "hb"))]
    for _ in range(N):
        ill, age = int(rng.random() < 0.4), int(rng.integers(20, 90))
        crp, hb = f"{rng.gamma(2, 5) + 9 * ill:.2f}", f"{rng.normal(13, 1.5):.1f}"
        cells = [str(ill), crp, str(age), hb]
        lines.append(separator.join(c.replace(".", ",") if comma else c for c in cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["0,5", "1,25", "3"], ","),
        (["-0,5", "", "NA", "2,0e3"], ","),
        (["0,123", "0,456"], ","),
        (["1,234", "12,345"], ""),  # separators of thousands
        (["0.5", "1"], "."),
        (["0,5", "0.5"], "."),
        (["1", "2"], ""),
        (["1,2,3", "1,2", "4,5,6"], ""),
        (["a,b", "0,5", "c"], ""),
        (["<0,5", "0,6", "0,7", "0,8"], ","),
        ([], ""),
    ],
)
def test_the_mark_of_a_column(cells, mark):
    assert find_mark(cells) == mark


def test_a_table_with_commas_is_refused_in_one_sentence(tmp_path):
    files = Files((write(tmp_path / "a.csv", comma=True),))
    with pytest.raises(BadInput) as caught:
        read_frames(files, Schema.of(DECLARED))
    assert str(caught.value) == (
        "The numbers of a.csv have decimal commas (column 'crp'): give --decimal , with every "
        "command that reads it, or write decimal points; --decimal . if these are no numbers."
    )


def test_a_mark_that_is_stated_is_not_looked_for(tmp_path):
    path = write(tmp_path / "a.csv", comma=True)
    for mark in (",", "."):
        assert find_commas(Files((path,), decimal=mark)) is None
        assert propose_decimal(Files((path,), decimal=mark)) == (Files((path,), decimal=mark), "")
    (frame,) = read_frames(Files((path,), decimal="."), Schema.of(DECLARED))
    assert set(frame.sheet) == {"ill", "crp", "hb"}


def test_tables_with_points_have_nothing_to_say(tmp_path):
    for separator in (",", ";"):
        files = Files((write(tmp_path / "b.csv", comma=False, separator=separator),))
        assert propose_decimal(files) == (files, "")


def test_quoted_numbers_between_commas_are_noticed(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text('ill,crp\n1,"0,5"\n0,"1,5"\n')
    proposed, said = propose_decimal(Files((path,)))
    assert (proposed.decimal, "q.csv" in said) == (",", True)


def test_files_with_either_mark_are_left_to_the_reader(tmp_path):
    both = (write(tmp_path / "a.csv", comma=True), write(tmp_path / "b.csv", comma=False))
    assert propose_decimal(Files(both)) == (Files(both), "")


def test_what_would_leave_is_that_of_the_same_numbers_with_points(tmp_path):
    spec = complete(Spec("park", min_peers=3, data=DECLARED))
    found = [
        check_data(spec, Sources(Files((write(tmp_path / name, comma),))))
        for name, comma in (("a.csv", True), ("b.csv", False))
    ]
    assert found[0].is_usable
    assert found[0].document == found[1].document
    assert [f.topic for f in found[0].findings if f.level == "warning"] == ["decimal"]


def test_a_draft_is_that_of_the_same_numbers_with_points(tmp_path):
    texts = []
    for folder, comma in (("c", True), ("p", False)):
        (tmp_path / folder).mkdir()
        made = new_study(Files((write(tmp_path / folder / "a.csv", comma),)), "ill")
        assert ("decimal" in dict(made.guesses)) == comma
        texts.append(made.text)
    assert texts[0] == texts[1]
