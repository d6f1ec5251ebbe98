"""Sparse rows are as the same rows densely: statistics to the byte, features to rounding."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from swarmhub.data import design as designs
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design
from swarmhub.data.frames import Words
from swarmhub.data.matrix import SparseRows, multiply, take_rows
from swarmhub.data.split import divide_patients, split_patients
from swarmhub.data.summaries import statistics_of
from swarmhub.merge import merge_statistics

VALUES = {
    "counts": lambda rng, k: rng.poisson(1.0, k) + 1.0,
    "logs": lambda rng, k: np.log1p(rng.geometric(0.5, k) * 7.3),
    "signed": lambda rng, k: rng.normal(size=k),
    "gaps": lambda rng, k: rng.choice([1e-13, 0.0, 2.0, np.nan, 5.0], k),
}


def make_sparse(seed, rows, columns, share, values="logs", patients=0, unnamed=0.0):
    """A dataset with a sparse matrix; some rows may lack a patient's name."""
    rng = np.random.default_rng(seed)
    x = sp.random(rows, columns, share, format="csr", random_state=rng,
                  data_rvs=lambda k: VALUES[values](rng, k))  # fmt: skip
    words = None
    if patients:
        words = Words.of([f"P{k}" for k in rng.integers(0, patients, rows)])
        codes = np.where(rng.random(rows) < unnamed, -1, words.codes).astype(np.int32)
        words = Words(codes, words.words)
    names = tuple(f"g{k}" for k in rng.permutation(columns))
    y = rng.integers(0, 3, rows).astype(float)
    return Dataset(x, names, y=y, kind="classes", patient=words)


def densely(dataset):
    x = dataset.x.toarray()
    return Dataset(x, dataset.features, y=dataset.y, kind=dataset.kind, patient=dataset.patient,
                   categories=dataset.categories)  # fmt: skip


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize(("rows", "columns", "share"), [
    (37, 5, 0.6), (300, 13, 1.0), (2000, 67, 0.1), (30_000, 13, 0.01), (120_000, 3, 0.1),
])  # fmt: skip
@pytest.mark.parametrize(("patients", "unnamed"), [(0, 0.0), (30, 0.0), (9, 0.2)])
def test_statistics_are_the_same_to_the_byte(values, rows, columns, share, patients, unnamed):
    given = make_sparse(1, rows, columns, share, values, patients, unnamed)
    assert statistics_of(given) == statistics_of(densely(given))


def make_features(monkeypatch):
    """Rows as sparse features and as dense ones: bounded, missing and shifted far, with words."""
    given = make_sparse(2, 500, 30, 0.3, patients=50)
    x = given.x.tolil()
    x[:, 3] = 5.0 + 0.1 * np.random.default_rng(0).normal(size=(500, 1))
    x[7, 3], x[3, 4], x[9, 6], x[10, 6] = 0.0, 1e5, np.nan, np.nan
    words = {"sex": Words.of(["m", "f", None, "m", "f"] * 100)}
    given = Dataset(x.tocsr(), given.features, y=given.y, kind="classes", categories=words)
    design = Design.from_statistics(merge_statistics({1: statistics_of(given)}))
    monkeypatch.setattr(designs, "MAX_DENSE", 0)
    rows = design.rows(given)
    assert isinstance(rows, SparseRows)
    assert rows.fix.nnz > 2
    assert rows.shift.min() == -10.0
    assert len(rows.rest) == 2
    return rows, design.matrix(densely(given))


def test_features_are_those_of_dense_rows(monkeypatch):
    rows, dense = make_features(monkeypatch)
    np.testing.assert_allclose(rows.dense(), dense, atol=1e-13)
    rng = np.random.default_rng(3)
    for models in (1, 3):
        points, slopes = rng.normal(size=(models, dense.shape[1])), rng.normal(size=(models, 500))
        np.testing.assert_allclose(multiply(points, rows), points @ dense.T, atol=1e-12)
        np.testing.assert_allclose(rows.gather(slopes), slopes @ dense, atol=1e-10)
        np.testing.assert_allclose(rows.squares(slopes**2), slopes**2 @ dense**2, rtol=1e-10)


@pytest.mark.parametrize("at", [np.arange(500) % 3 == 0, np.array([5, 3, 499])])
def test_some_rows_are_those_of_dense_rows(monkeypatch, at):
    rows, dense = make_features(monkeypatch)
    np.testing.assert_allclose(rows.take(at).dense(), dense[at], atol=1e-13)
    np.testing.assert_array_equal(take_rows(dense, at), dense[at])


def test_few_features_are_dense_as_before():
    given = make_sparse(4, 200, 8, 0.4)
    design = Design.from_statistics(merge_statistics({1: statistics_of(given)}))
    np.testing.assert_array_equal(design.rows(given), design.matrix(given))


@pytest.mark.parametrize("rows", [60, 25_000])
def test_a_matrix_is_divided_in_its_own_memory(rows):
    given = make_sparse(5, rows, 11, 0.3, patients=17)
    expected = split_patients(given, 7, 0.3)
    for made, other in zip(divide_patients(given, 7, 0.3), expected, strict=True):
        np.testing.assert_array_equal(made.x.toarray(), other.x.toarray())
        np.testing.assert_array_equal(made.y, other.y)
        assert made.patient.texts() == other.patient.texts()
        assert made.features == other.features


def test_memory_is_a_fraction_of_that_of_dense_rows():
    given = make_sparse(6, 4000, 1000, 0.08, patients=100)
    dense = given.rows * len(given.features) * 8
    tracemalloc.start()
    try:
        statistics_of(given)
        assert tracemalloc.get_traced_memory()[1] < 0.3 * dense
    finally:
        tracemalloc.stop()
