"""Sums in a stated order, and functions that need no library."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.models.arithmetic import BLOCK, add_up, exp, sigmoid, tanh

REAL = st.floats(-800, 800)


def test_a_sum_is_added_from_left_to_right():
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(5, 2 * BLOCK + 3)), rng.normal(size=(2 * BLOCK + 3, 2))
    for k in range(2):
        for i in range(5):
            total = 0.25
            for j in range(len(w)):
                total = total + float(x[i, j]) * float(w[j, k])
            assert add_up(x, w, np.array([0.25, 0.25]))[k, i] == total


def test_a_sum_is_near_the_exact_one():
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(3, 500)), rng.normal(size=(500, 1))
    for row, found in zip(x, add_up(x, w, np.zeros(1))[0], strict=True):
        pairs = zip(row.tolist(), w[:, 0].tolist(), strict=True)
        exact = sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))
        assert found == pytest.approx(float(exact), abs=1e-12)


@given(st.floats(-700, 700))
def test_exp_is_within_two_units_of_the_last_place(value):
    found, wanted = float(exp(np.array([value]))[0]), math.exp(value)
    assert abs(found - wanted) <= 2 * math.ulp(wanted)


@given(REAL)
def test_sigmoid_is_a_probability_and_symmetric(value):
    found, mirrored = sigmoid(np.array([value, -value]))
    assert 0.0 <= found <= 1.0
    assert found + mirrored == pytest.approx(1.0, abs=4e-16)
    assert found == pytest.approx(0.5 * (1 + math.tanh(value / 2)), abs=4e-16)


@given(REAL)
def test_tanh_is_odd_and_near_the_library_s(value):
    found, mirrored = tanh(np.array([value, -value]))
    assert found == -mirrored
    assert found == pytest.approx(math.tanh(value), abs=4e-16)


def test_far_values_neither_overflow_nor_become_nan():
    far = np.array([-1e300, -750.0, 0.0, 750.0, 1e300])
    assert sigmoid(far).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert tanh(far).tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]
