"""The measurement of a site with many cells: the same model as over dense rows, in bounded
memory."""

import tracemalloc

import cells
import numpy as np
import pytest

from swarmhub.data import design as designs
from swarmhub.data.design import Design, Options
from swarmhub.data.matrix import SparseRows, multiply
from swarmhub.data.summaries import statistics_of
from swarmhub.merge.documents import merge_statistics
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.losses import Softmax
from swarmhub.recipes.linear.training import Training

CELLS, GENES = 20_000, 200


@pytest.fixture(scope="module")
def site():
    """The features of 20,000 cells, sparse and dense, and their types."""
    dataset = cells.make_cells(CELLS, GENES, 3)
    merged = merge_statistics({1: statistics_of(dataset)})
    design = Design.from_statistics(merged, Options(kind="classes", classes=cells.TYPES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(designs, "MAX_DENSE", 0)
        rows = design.rows(dataset)
    assert isinstance(rows, SparseRows)
    return rows, design.matrix(dataset), dataset, design


def train(x, site):
    _, _, dataset, design = site
    training = Training.cold(len(design.sources), design.class_rows, 0.1, Softmax(cells.TYPES))
    stack = training.stack_of(Axes.of(x), dataset.y)
    return training, stack


def test_margins_and_gradients_are_those_of_dense_rows(site):
    rows, dense, *_ = site
    rng = np.random.default_rng(0)
    points, slopes = rng.normal(size=(8, dense.shape[1])), rng.normal(size=(8, CELLS)) / CELLS
    np.testing.assert_allclose(multiply(points, rows), points @ dense.T, atol=1e-9)
    np.testing.assert_allclose(rows.gather(slopes), slopes @ dense, atol=1e-9)
    (_, sparse), (_, whole) = train(rows, site), train(dense, site)
    at = rng.normal(size=whole.shape) / 10
    np.testing.assert_allclose(sparse.gradient(at), whole.gradient(at), atol=1e-9)


def test_a_round_is_that_of_dense_rows(site):
    made = []
    for x in site[:2]:
        training, stack = train(x, site)
        made.append(training.fit(training.initial(), stack, {})[0])
    np.testing.assert_allclose(made[0]["weight"], made[1]["weight"], atol=1e-5)


def test_a_round_allocates_margins_and_no_dense_rows(site):
    training, stack = train(site[0], site)
    tracemalloc.start()
    try:
        training.fit(training.initial(), stack, {})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    margins = 8 * cells.TYPES * CELLS
    assert peak < 16 * margins < 0.7 * site[1].nbytes
