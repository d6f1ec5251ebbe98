from pathlib import Path

import numpy as np
import pytest

from swarmhub.data import load_heart, read_table, split_holdout, write_heart

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_four_hospitals_have_their_patients():
    sites = load_heart()
    assert {k: t.rows for k, t in sites.items()} == {
        "Cleveland": 303,
        "Hungary": 294,
        "Switzerland": 123,
        "VA Long Beach": 200,
    }
    assert all(len(t.columns) == 10 for t in sites.values())
    assert np.isnan(sites["Switzerland"].columns["chol"]).all()
    assert not any((t.columns[c] == 0).any() for t in sites.values() for c in ("chol", "trestbps"))


@pytest.mark.shared
def test_the_shipped_values_are_those_of_the_uci_files():
    path = SHARED / "heart_four_hospitals" / "heart4.csv"
    if not path.exists():
        pytest.skip("the open data sets are not beside the checkout")
    reference = read_table(path, "label")
    names = {"cleveland": "Cleveland", "hungarian": "Hungary", "switzerland": "Switzerland"}
    for site, hospital in (names | {"va": "VA Long Beach"}).items():
        ours = load_heart()[hospital]
        theirs = reference.take(reference.columns["site"] == site)
        wanted = [theirs.label, *(theirs.columns[c] for c in ("age", "sex", "thalach", "chol"))]
        found = [ours.label, *(ours.columns[c] for c in ("age", "sex", "thalach", "chol"))]
        np.testing.assert_array_equal(
            sorted(map(str, zip(*found, strict=True))), sorted(map(str, zip(*wanted, strict=True)))
        )


def test_each_hospital_gets_a_file_that_reads_back(tmp_path):
    paths = write_heart(tmp_path / "new")
    for hospital, table in load_heart().items():
        again = read_table(paths[hospital], "label")
        np.testing.assert_array_equal(again.label, table.label)
        assert list(again.columns) == list(table.columns)


def test_a_holdout_is_stratified_disjoint_and_depends_on_the_seed_alone():
    label = np.array([0] * 70 + [1] * 30)
    training, held = split_holdout(100, label, 3)
    assert sorted([*training, *held]) == list(range(100))
    assert len(held) == 30
    assert label[held].sum() == 9
    np.testing.assert_array_equal(held, split_holdout(100, label, 3)[1])
    assert held.tolist() != split_holdout(100, label, 4)[1].tolist()


def test_a_holdout_works_with_one_class_and_never_takes_the_last_row_of_a_class():
    training, held = split_holdout(10, np.zeros(10), 0)
    assert (len(training), len(held)) == (7, 3)
    training, held = split_holdout(4, np.array([0, 0, 0, 1]), 0, fraction=0.9)
    assert held.tolist() != []
    assert 3 in training
