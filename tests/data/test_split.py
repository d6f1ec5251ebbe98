"""Patients are set aside by their names and the seed alone."""

import numpy as np
from data_tools import dataset

from swarmhub.data.split import fold_patients, hold_out, split_patients


def people(rows, patients=None, ones=0.3):
    y = (np.arange(rows) < ones * rows).astype(int)
    return dataset(y, patients, x=np.arange(float(rows)))


def test_a_split_is_stratified_disjoint_and_depends_on_the_seed():
    training, held = split_patients(people(100), 3, 0.3)
    assert sorted([*training.x[:, 0], *held.x[:, 0]]) == list(range(100))
    assert held.rows == 30
    assert held.y.sum() == 9
    again = split_patients(people(100), 3, 0.3)[1]
    assert again.x.tolist() == held.x.tolist()
    assert split_patients(people(100), 4, 0.3)[1].x.tolist() != held.x.tolist()


def test_a_split_is_the_same_in_another_order_of_rows():
    names = [f"p{k}" for k in range(200)]
    first = people(200, names)
    order = np.random.default_rng(0).permutation(200)
    held = hold_out(first, 7, 0.3)
    np.testing.assert_array_equal(hold_out(first.take(order), 7, 0.3), held[order])


def test_the_split_of_a_seed_is_known():
    names = [f"p{k}" for k in range(20)]
    held = hold_out(people(20, names), 5, 0.3)
    assert np.flatnonzero(held).tolist() == [3, 5, 8, 10, 17, 19]


def test_all_rows_of_a_patient_are_in_one_part():
    patients = [f"p{k % 40}" for k in range(200)]
    training, held = split_patients(people(200, patients), 1, 0.25)
    assert not {*training.patient.counts()} & {*held.patient.counts()}
    assert held.count_patients() + training.count_patients() == 40


def test_one_class_works_and_the_last_patient_of_a_class_stays():
    assert hold_out(people(10, ones=0.0), 0, 0.3).sum() == 3
    held = hold_out(dataset([0, 0, 0, 1], x=np.arange(4.0)), 0, 0.9)
    assert held.any()
    assert not held[3]


def test_folds_are_even_and_keep_patients_together():
    patients = [f"p{k % 50}" for k in range(150)]
    folds = fold_patients(people(150, patients), 2, 5)
    assert np.bincount(folds).tolist() == [30] * 5
    of = {p: {f for q, f in zip(patients, folds, strict=True) if q == p} for p in patients}
    assert all(len(f) == 1 for f in of.values())
