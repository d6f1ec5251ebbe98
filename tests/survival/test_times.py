"""Times are rounded up to a grid that hospitals agree on, and none leaves as it is."""

import numpy as np
import pytest

from swarmhub.errors import BadInput
from swarmhub.recipes.survival.times import (
    TIME_BINS,
    TimeGrid,
    count_small,
    count_times,
    derive_grid,
    observe,
    tally,
)

pytestmark = pytest.mark.unit

GRID = TimeGrid.of([1, 2, 5])


def test_a_time_becomes_the_first_grid_time_not_below():
    found = observe(GRID, [0, 0.5, 1, 1.01, 2, 4.9, 5], [1, 0, 1, 1, 0, 1, 1])
    assert found.place.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert found.event.tolist() == [True, False, True, True, False, True, True]


def test_a_patient_beyond_the_grid_is_censored_at_its_end():
    found = observe(GRID, [5.1, 900], [1, 0])
    assert found.place.tolist() == [2, 2]
    assert not found.event.any()


def test_counts_are_of_groups_and_grid_times():
    found = tally(observe(GRID, [1, 1, 2, 3, 9], [1, 0, 1, 1, 1]), [0, 1, 1, 1, 0], 2)
    assert found["events"].tolist() == [[1, 0, 0], [0, 1, 1]]
    assert found["censored"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert found["events"].dtype == np.int64


@pytest.mark.parametrize(
    "values", [[], [0, 1], [1, 1], [2, 1], [1, np.nan], [1, np.inf], [[1]], range(1, 202)]
)
def test_a_grid_has_few_ascending_times_above_zero(values):
    with pytest.raises(BadInput, match=r"Expected .*grid times"):
        TimeGrid.of(values)


@pytest.mark.parametrize(
    ("time", "event"), [([-77.5], [1]), ([np.nan], [1]), ([1.0], [2]), ([1.0], [1, 0]), (1.0, 1)]
)
def test_other_times_and_events_are_refused_unnamed(time, event):
    with pytest.raises(BadInput, match="Expected") as refused:
        observe(GRID, time, event)
    assert "77" not in str(refused.value)


@pytest.mark.parametrize("group", [[0, 2], [-1, 0], [0], [0.5, 0.5]])
def test_groups_that_are_not_there_are_refused(group):
    with pytest.raises(BadInput, match="group"):
        tally(observe(GRID, [1, 2], [1, 1]), group, 2)


def test_the_horizon_is_the_last_grid_time_not_above():
    assert [GRID.find_horizon(v) for v in (1, 1.9, 2, 100)] == [0, 0, 1, 2]
    with pytest.raises(BadInput, match="horizon"):
        GRID.find_horizon(0.9)


def test_grid_times_with_few_patients_are_counted():
    assert count_small(observe(GRID, [1] * 5 + [2] * 4, [1] * 9)) == 1


def test_a_derived_grid_parts_patients_evenly():
    time = np.random.RandomState(2).exponential(300, 3000)
    grid = derive_grid(count_times(time[:1000]) + count_times(time[1000:]), 10)
    assert len(grid) == 10
    rows = np.bincount(observe(grid, time, np.ones(3000)).place)
    assert (np.abs(rows - 300) < 60).all()


def test_a_derived_grid_has_at_most_two_hundred_times():
    time = np.exp(np.random.RandomState(3).uniform(-6, 11, 50_000))
    grid = derive_grid(count_times(time))
    assert 190 <= len(grid) <= 200
    assert grid.ends[-1] >= time.max()


@pytest.mark.parametrize("rows", [5, 7, 23, 400])
def test_no_bin_that_leaves_has_fewer_than_five(rows):
    counts = count_times(np.random.RandomState(rows).exponential(10, rows))
    assert counts.sum() == rows
    assert counts[counts > 0].min() >= 5


def test_a_declared_time_is_on_the_grid_unless_nobody_is_followed_so_long():
    ends = GRID.ends.tolist()
    middle = (ends[0] + ends[1]) / 2
    assert GRID.including(middle).ends.tolist() == sorted([*ends, middle])
    assert GRID.including(ends[0] / 2).ends.tolist() == [ends[0] / 2, *ends]
    assert GRID.including(ends[1]).ends.tolist() == ends
    assert GRID.including(ends[-1] + 1) is GRID
    assert GRID.including(0.0) is GRID


def test_fewer_than_five_patients_send_no_bin():
    assert not count_times([1, 2, 3, 4]).any()
    with pytest.raises(BadInput, match="enrol hospitals with more"):
        derive_grid(np.zeros(TIME_BINS, dtype=np.int64))


def test_times_out_of_the_range_of_bins_are_at_its_ends():
    counts = count_times([0.0] * 5 + [1e300] * 5)
    assert counts[0] == counts[-1] == 5
