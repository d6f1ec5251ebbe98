"""The rows on which a penalty is learnt: the same share everywhere, evenly."""

import numpy as np

from swarmhub.recipes.sampling import MAX_CELLS, MIN_ROWS, choose_rows, compute_share


def test_small_studies_learn_on_all_rows():
    assert compute_share(MIN_ROWS, 200_000) == 1.0
    assert compute_share(MAX_CELLS // 30, 30) == 1.0
    assert compute_share(0, 0) == 1.0


def test_the_share_is_bounded_by_features_of_rows():
    assert compute_share(1_000_000, 2000) == (MAX_CELLS // 2000) / 1_000_000
    assert compute_share(1_000_000, 200, 8) == (MAX_CELLS // 1600) / 1_000_000
    assert compute_share(1_000_000, 50_000) == MIN_ROWS / 1_000_000


def test_rows_are_taken_evenly_over_classes_and_patients():
    rng = np.random.default_rng(0)
    y, patient = rng.choice(3, 9000, p=[0.9, 0.08, 0.02]).astype(float), rng.integers(0, 20, 9000)
    taken = choose_rows(y, patient, 0.1)
    assert len(taken) == len(set(taken)) == 900
    assert (np.diff(taken) > 0).all()
    for k in range(3):
        assert abs((y[taken] == k).sum() - 0.1 * (y == k).sum()) <= 1
        here = np.bincount(patient[taken][y[taken] == k], minlength=20)
        assert np.abs(here - 0.1 * np.bincount(patient[y == k], minlength=20)).max() <= 1


def test_a_hospital_without_rows_takes_none():
    assert len(choose_rows(np.zeros(0), np.zeros(0, dtype=np.int64), 0.5)) == 0
