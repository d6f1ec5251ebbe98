"""Cells of few patients do not leave a hospital; cut points that all derive alike."""

import numpy as np
import pytest
from groves import agree_on_cuts, draw, grow, make_growths, mark, terms_of

from swarmhub.errors import BadInput
from swarmhub.recipes.trees.cells import group_cells, mark_patients
from swarmhub.recipes.trees.cuts import MOST_BINS, count_rows, make_grid, refine
from swarmhub.recipes.trees.growing import Growth, Rows


def test_neighbouring_bins_are_merged_until_each_has_enough():
    patients = np.array(
        [[0, 2, 1, 4, 0, 7, 1, 0], [1, 0, 0, 1, 0, 0, 0, 2], [9, 0, 0, 0, 0, 0, 0, 5]]
    )
    merged = group_cells(patients.astype(float), 5).merge(patients * 10.0)
    assert merged.tolist() == [
        [0, 0, 0, 70, 0, 80, 0, 0], [0] * 8, [90, 0, 0, 0, 0, 0, 0, 50],
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_small_and_none_is_lost(seed):
    rng = np.random.default_rng(seed)
    patients = rng.poisson(rng.choice([0.2, 1, 6], size=(40, 1)), (40, 31)).astype(float)
    merged = group_cells(patients, 5).merge(patients)
    assert not ((merged > 0) & (merged < 5)).any()
    whole = patients.sum(axis=1)
    np.testing.assert_array_equal(merged.sum(axis=1), np.where(whole >= 5, whole, 0))


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_every_cell_that_leaves_has_enough_patients(kind):
    spec, hospitals = terms_of(kind, trees="3"), draw(kind, (120, 33, 4, 40))
    cuts = agree_on_cuts(hospitals, 5)
    growths = make_growths(spec, kind, hospitals, cuts, least=5)
    sums = None
    for _ in range(9):
        sent = [g.arrays(sums) for g in growths]
        for arrays in sent:
            rows = arrays["rows"]
            assert not ((rows > 0) & (rows < 5)).any()
            assert not arrays["gradient"][rows == 0].any()
            assert not arrays["curvature"][rows == 0].any()
        assert not sent[2]["rows"].any()  # four patients
        names = ("gradient", "curvature", "rows")
        sums = sent[0] | {n: sum(s[n] for s in sent) for n in names}
    found, _ = grow(spec, growths)
    assert (found.cut < cuts.bins - 1).any()


def test_rows_of_one_patient_are_no_crowd():
    spec, (x, y) = terms_of("binary", trees="1"), draw("binary", (60,))[0]
    cuts, codes = agree_on_cuts([(x, y)]), np.arange(60) // 20
    y[:30] = 0.0
    growth = make_growths(spec, "binary", [(x, y)], cuts, least=4)[0]
    few = Growth(growth.terms, growth.class_rows, Rows(growth.rows.bins, y, mark(x, codes)))
    assert growth.arrays(None)["rows"].any()
    assert not few.arrays(None)["rows"].any()
    assert not count_rows(x, make_grid(6), mark(x, codes), 4).any()


def test_a_part_of_the_rows_never_counts_more_patients_than_it_has():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 20, 100)
    counted = mark_patients(codes)
    for _ in range(50):
        part = rng.random(100) < rng.random()
        assert counted[part].sum() <= len(np.unique(codes[part]))
    assert counted.sum() == len(np.unique(codes))


# cut points


def test_few_values_have_a_bin_each_and_cuts_lie_between():
    x = np.repeat([[-0.5], [0.0], [2.0]], 20, axis=0)
    cuts = agree_on_cuts([(x, None)])
    assert np.unique(cuts.place(x)).tolist() == [0, 1, 2]
    low, high = cuts.points[0]
    assert low == pytest.approx(-0.25, abs=0.05)
    assert high == pytest.approx(1.0, abs=0.05)


def test_bins_have_nearly_equal_numbers_also_of_a_long_tail():
    rng = np.random.default_rng(0)
    values = np.exp(2.5 * rng.normal(size=5000))
    x = np.clip((values - values.mean()) / values.std(), -10, 10)[:, None]
    rows = np.bincount(agree_on_cuts([(x, None)]).place(x)[:, 0])
    assert len(rows) == MOST_BINS
    assert rows.max() < 2.5 * 5000 / MOST_BINS


def test_a_frequent_value_does_not_use_up_the_bins():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(2000) < 0.9, 0.0, rng.uniform(0.1, 5, 2000))[:, None]
    rows = np.bincount(agree_on_cuts([(x, None)]).place(x)[:, 0])
    assert len(rows) >= MOST_BINS - 2
    assert rows[0] == rows.max() == (x == 0).sum()


def test_cut_points_do_not_depend_on_where_rows_are():
    hospitals = draw("continuous", (50, 7, 1, 300))
    whole = [tuple(np.concatenate(p) for p in zip(*hospitals, strict=True))]
    assert np.array_equal(agree_on_cuts(hospitals).points, agree_on_cuts(whole).points)


def test_counts_of_a_grid_tell_of_enough_patients_only():
    x, edges = draw("binary", (43,))[0][0], make_grid(6)
    counts = count_rows(x, edges, mark(x), 5)
    assert not ((counts > 0) & (counts < 5)).any()
    assert counts.sum(axis=1).tolist() == [43] * 6
    finer = refine(edges, counts)
    assert (np.diff(finer, axis=1) >= 0).all()
    assert finer[:, 0].tolist() == [-10.0] * 6


def test_edges_that_do_not_ascend_are_refused():
    x = np.zeros((3, 1))
    with pytest.raises(BadInput, match="Expected ascending edges"):
        count_rows(x, make_grid(1)[:, ::-1], mark(x), 1)
