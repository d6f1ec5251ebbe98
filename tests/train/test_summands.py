"""Arrays of a sum as a site stores them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.contract.records import Bound, Stage
from swarmhub.errors import TrainerError
from swarmhub.train.summands import decode, encode

STAGE = Stage("fit", "sum", bounds=(Bound("slope", -8, 8, 40), Bound("count", 0, 100)))


def test_numbers_become_int64_or_float64():
    given = {"n": 3, "flags": np.array([True, False]), "x": np.float32(0.5), "u": np.uint8([200])}
    found = encode(STAGE, given)
    assert {k: v.dtype.name for k, v in found.items()} == {
        "n": "int64", "flags": "int64", "x": "float64", "u": "int64",
    }  # fmt: skip
    assert found["u"].tolist() == [200]


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=5))
def test_fixed_point_is_the_nearest_step_and_comes_back(values):
    stored = encode(STAGE, {"slope": np.array(values)})["slope"]
    for value, steps in zip(values, stored.tolist(), strict=True):
        assert abs(Fraction(value) * 2**40 - steps) <= Fraction(1, 2)
    back = decode(STAGE, {"slope": stored})["slope"]
    np.testing.assert_allclose(back, values, rtol=0, atol=2**-41)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"slope": [8.1]}, "Expected -8 to 8 in 'slope'"),
        ({"slope": [np.nan]}, "Expected finite numbers in 'slope'"),
        ({"count": [0.5]}, "Expected whole numbers in 'count'"),
        ({"count": [101.0]}, "Expected 0 to 100 in 'count'"),
        ({"count": [101]}, "Expected 0 to 100 in 'count'"),
        ({"slope": np.uint64([2**64 - 1])}, "Expected -8 to 8 in 'slope'"),
        ({"n": np.uint64([2**64 - 1])}, r"Expected up to 2\^53 in 'n'"),
        ({"x": ["a"]}, "Expected numbers in 'x'"),
        ({1: [1]}, "Expected numbers in 1"),
        ({}, "Expected arrays by name for the stage 'fit'"),
        (None, "Expected arrays by name for the stage 'fit'"),
    ],
)
def test_what_cannot_be_added_is_one_sentence(arrays, said):
    with pytest.raises(TrainerError, match=said):
        encode(STAGE, arrays)


def test_whole_numbers_as_floats_are_counts():
    assert encode(STAGE, {"count": [3.0]})["count"].tolist() == [3]
