"""Shamir's shares against an interpolation with fractions, and what fewer shares tell."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.errors import MaskError
from swarmhub.secret_sharing import ORDER, field, recover, share_secrets

elements = st.integers(0, ORDER - 1)


def interpolate(points: dict[int, int], at: int) -> int:
    """Lagrange's polynomial over the rationals, reduced."""
    total = Fraction(0)
    for x, y in points.items():
        term = Fraction(y)
        for other in points:
            if other != x:
                term *= Fraction(at - other, x - other)
        total += term
    return total.numerator * pow(total.denominator, -1, ORDER) % ORDER


@given(elements, st.lists(elements, min_size=2, max_size=2))
def test_any_t_shares_recover_the_secret(secret, coefficients):
    (shares,) = share_secrets([secret], 3, [1, 2, 5, 9, 2**53], coefficients)
    for chosen in itertools.combinations(shares.items(), 3):
        assert recover(dict(chosen), 3) == interpolate(dict(chosen), 0) == secret


@given(elements, elements, st.lists(elements, min_size=3, max_size=3))
def test_t_minus_1_shares_fit_any_secret(secret, other, coefficients):
    (shares,) = share_secrets([secret], 4, [1, 2, 3, 4], coefficients)
    known = {x: shares[x] for x in (1, 2, 3)}
    explained = {**known, 0: other}
    assert recover({**known, 4: interpolate(explained, 4)}, 4) == other


def test_t_minus_1_shares_have_one_distribution(monkeypatch):
    monkeypatch.setattr(field, "ORDER", 7)
    seen = set()
    for secret in range(7):
        dealt = (
            share_secrets([secret], 3, [1, 2, 3, 4], pair)[0]
            for pair in itertools.product(range(7), repeat=2)
        )
        seen.add(tuple(sorted(Counter((s[2], s[4]) for s in dealt).items())))
    assert len(seen) == 1


def test_several_secrets_have_polynomials_of_their_own():
    one, two = share_secrets([5, 6], 2, [1, 2], [10, 20])
    assert (one, two) == ({1: 15, 2: 25}, {1: 26, 2: 46})


@pytest.mark.parametrize(
    ("threshold", "points", "coefficients"),
    [(2, [1, 1], [3]), (2, [0, 1], [3]), (2, [1, ORDER], [3]), (3, [1, 2], [3, 4]),
     (0, [1, 2], []), (2, [1, 2], [3, 4])],
)  # fmt: skip
def test_bad_arguments_of_sharing_are_refused(threshold, points, coefficients):
    with pytest.raises(MaskError, match="Expected"):
        share_secrets([7], threshold, points, coefficients)


def test_too_few_shares_are_refused():
    with pytest.raises(MaskError, match="at least 3 shares, got 2"):
        recover({1: 1, 2: 2}, 3)


@pytest.mark.parametrize("data", [ORDER.to_bytes(32, "little"), bytes(31), b"\xff" * 32])
def test_an_element_has_one_spelling(data):
    with pytest.raises(MaskError, match="as a share"):
        field.decode_element(data, "a share")
