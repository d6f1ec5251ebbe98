"""One rounding from float64 to each stored type, against exact fractions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from merge_oracles import nearest_even, value_of

from swarmhub.merge.arithmetic import narrow, widen
from swarmhub.params import DTYPES

UNSIGNED = {"F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}


def rounded(values: list[float], dtype: str) -> list[int]:
    out = np.empty(len(values), DTYPES[dtype])
    with np.errstate(all="ignore"):
        narrow(np.array(values), dtype, out)
    return [int(b) for b in out.view(UNSIGNED[dtype])]


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@settings(max_examples=500, deadline=None)
@given(x=st.floats(allow_nan=False, allow_infinity=False))
@example(x=-0.0)
@example(x=5e-324)
@example(x=1.7976931348623157e308)
def test_any_number_rounds_to_the_nearest_ties_to_even(dtype, x):
    assert rounded([x], dtype) == [nearest_even(x, dtype)]


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_every_tie_and_its_two_neighbours_round_as_fractions_do(dtype):
    # every 37th positive number of the type, the smallest subnormals, the largest number
    infinity = {"F16": 0x7C00, "BF16": 0x7F80}[dtype]
    points = []
    for bits in [*range(0, infinity - 1, 37), *range(130), infinity - 2]:
        low, high = value_of(bits, dtype), value_of(bits + 1, dtype)
        tie = (low + high) / 2  # exact in float64
        points += [tie, np.nextafter(tie, 0), np.nextafter(tie, np.inf), -tie, low]
    points += [65519.99, 65520.0, 65536.0] if dtype == "F16" else [3.3961775292304e38, 3.4e38]
    assert rounded(points, dtype) == [nearest_even(float(p), dtype) for p in points]


def test_a_value_just_above_a_tie_is_not_rounded_twice():
    just_above = 1 + 2**-8 + 2**-40  # float32 would take it for the tie, and the tie goes down
    assert rounded([just_above], "BF16") == [0x3F81]
    assert rounded([1 + 2**-11 + 2**-40], "F16") == [0x3C01]


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_every_finite_value_survives_widening_and_rounding(dtype):
    infinity = {"F16": 0x7C00, "BF16": 0x7F80}[dtype]
    positive = np.arange(infinity, dtype=np.uint16)
    bits = np.concatenate([positive, positive | np.uint16(0x8000)])
    wide = np.empty(bits.size)
    widen(bits.view(DTYPES[dtype]), dtype, wide)
    assert rounded(wide.tolist(), dtype) == bits.tolist()
