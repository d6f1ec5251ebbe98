"""Fixed point against exact fractions."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.errors import MaskError
from swarmhub.privacy import Grid
from swarmhub.privacy.fixed_point import mean_change, quantise

clips = st.fractions(Fraction(1, 1000), 1000, max_denominator=10**6)
weights = st.lists(st.integers(1, 2**40), min_size=1, max_size=9)


def steps(grid: Grid, weight: int, values: list[float]) -> tuple[np.ndarray, int]:
    out = np.empty(len(values), np.uint32)
    clipped = quantise(grid, weight, np.array(values, np.float64), out)
    return out, clipped


@given(clips, weights, st.integers(0, 2**32))
def test_the_largest_sum_does_not_wrap(clip, ws, rest):
    grid = Grid(clip, len(ws), sum(ws) + rest)
    for value in (1e30, -1e30):
        total = sum(int(steps(grid, w, [value])[0].view(np.int32)[0]) for w in ws)
        assert abs(total) <= 2**31 - 1


@given(clips, weights, st.lists(st.floats(-2000, 2000), min_size=1, max_size=9))
def test_the_mean_errs_by_less_than_1e_7_of_the_clip(clip, ws, values):
    members = list(zip(ws, values, strict=False))
    grid, weight = Grid(clip, len(ws), sum(ws)), sum(w for w, _ in members)
    words = np.zeros(1, np.uint32)
    for w, value in members:
        words += steps(grid, w, [value])[0]
    found = np.empty(1)
    mean_change(grid, weight, words, found)
    clipped = [w * min(max(Fraction(v), -clip), clip) for w, v in members]
    error = abs(Fraction(float(found[0])) - sum(clipped) / weight) / clip
    assert error <= max(Fraction(1, 10**7) * sum(ws) / weight / 10, Fraction(1, 2**50))


@given(clips, st.integers(1, 2**40), st.floats(-1, 1))
def test_a_step_is_the_nearest_integer(clip, weight, share):
    grid = Grid(clip, 3, 2**41)
    value = share * float(clip)
    found = int(steps(grid, weight, [value])[0].view(np.int32)[0])
    exact = min(max(Fraction(value), -clip), clip) * weight * grid.scale
    assert abs(found - exact) <= Fraction(1, 2) + Fraction(1, 2**20)


def test_values_beyond_the_clip_are_counted():
    grid = Grid(Fraction(1, 2), 4, 4)
    values = [0.5, -0.5, 0.50001, -7.0, 0.0, -0.0]
    words, clipped = steps(grid, 1, values)
    assert clipped == 2
    assert words[0] == words[2] == 2**29 - 1  # (2^31 - 5) / 4, rounded
    assert words[3] == words[1] == 2**32 - 2**29 + 1
    assert words[4] == words[5] == 0


def test_the_bits_are_the_same_on_every_machine():
    values = [(i * 2_654_435_761 % 2**41 - 2**40) / 2**42 for i in range(10_000)]
    words, clipped = steps(Grid(Fraction(1, 5), 7, 12_345), 678, values)
    change = np.empty(10_000)
    mean_change(Grid(Fraction(1, 5), 7, 12_345), 9_999, words, change)
    found = hashlib.sha256(words.astype("<u4").tobytes() + change.astype("<f8").tobytes())
    assert (clipped, found.hexdigest()[:16]) == (2047, "7bb4966982ea837f")


@given(clips, st.integers(1, 2**40), st.floats(-2000, 2000))
def test_a_step_is_that_of_python_floats(clip, weight, value):
    grid = Grid(clip, 3, 2**41)
    limit, factor = float(clip), float(weight * Fraction(2**31 - 4) / (clip * 2**41))
    expected = round(min(max(value, -limit), limit) * factor)
    assert int(steps(grid, weight, [value])[0].view(np.int32)[0]) == expected


@pytest.mark.parametrize(
    ("clip", "members", "total"),
    [(Fraction(0), 3, 10), (Fraction(-1), 3, 10), (Fraction(10**9), 3, 10),
     (Fraction(1, 10**18 + 1), 3, 10), (Fraction(1), 0, 10), (Fraction(1), 513, 10),
     (Fraction(1), 3, 0), (Fraction(1), 3, 2**53)],
)  # fmt: skip
def test_a_grid_out_of_range_is_refused(clip, members, total):
    with pytest.raises(MaskError, match="Expected"):
        Grid(clip, members, total)


@pytest.mark.parametrize("weight", [0, -1, 11, True])
def test_a_weight_that_was_not_declared_is_refused(weight):
    with pytest.raises(MaskError, match="weight"):
        Grid(Fraction(1), 3, 10).factor(weight)
    with pytest.raises(MaskError, match="weight"):
        Grid(Fraction(1), 3, 10).unit(weight)
