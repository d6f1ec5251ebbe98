"""Sums of arrays against exact ones: Python's integers and fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import (
    Limit,
    SumRule,
    WeightedSource,
    check_summand,
    is_within,
    merge_sums,
    sum_chunk,
)
from swarmhub.merge.vectors import Buffer
from swarmhub.params import CHUNK_BYTES, Layout, buffer_of

BIG = 2**53


def source(member, arrays):
    return WeightedSource(member, 1, Buffer(buffer_of(arrays)[1]))


def layout_of(arrays) -> Layout:
    return buffer_of(arrays)[0]


def merged(sites, rule=None):
    """The sums of the sites' arrays, by name."""
    layout = layout_of(sites[0])
    inputs = [source(i, arrays) for i, arrays in enumerate(sites, 1)]
    data = b"".join(bytes(c) for c in merge_sums(rule or SumRule(), layout, inputs))
    pairs = zip(layout.tensors, layout.offsets, strict=True)
    kinds = {"I64": "<i8", "F64": "<f8"}
    return {
        t.name: np.frombuffer(data, kinds[t.dtype], t.count, at).reshape(t.shape) for t, at in pairs
    }


@given(st.lists(st.lists(st.integers(-BIG, BIG), min_size=3, max_size=3), min_size=1, max_size=9))
def test_whole_numbers_are_added_exactly(rows):
    found = merged([{"n": np.array(row)} for row in rows])
    assert found["n"].tolist() == [sum(column) for column in zip(*rows, strict=True)]


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=9))
def test_floats_are_added_with_a_small_error_and_in_one_order(values):
    found = merged([{"x": np.array([v])} for v in values])["x"][0]
    exact = sum(map(Fraction, values))
    room = sum(abs(Fraction(v)) for v in values) * len(values) / 2**52
    assert abs(Fraction(float(found)) - exact) <= room
    assert found == merged([{"x": np.array([v])} for v in values])["x"][0]


def test_the_order_of_the_contributions_does_not_matter():
    arrays = {"x": np.array([0.1, 1e16, -1e16])}
    sites = [source(i, {"x": arrays["x"] * i}) for i in (3, 1, 2)]
    layout = layout_of(arrays)
    one = b"".join(map(bytes, merge_sums(SumRule(), layout, sites)))
    other = b"".join(map(bytes, merge_sums(SumRule(), layout, sites[::-1])))
    assert one == other


def test_an_agreed_array_is_not_added_and_a_false_one_changes_nothing():
    sites = [{"at": np.array([1.5, 2.5]), "k": np.array([3])} for _ in range(3)]
    sites.append({"at": np.array([9.0, 9.0]), "k": np.array([9])})
    found = merged(sites, SumRule(agreed=("at", "k")))
    assert (found["at"].tolist(), found["k"].tolist()) == ([1.5, 2.5], [3])


def test_a_chunk_for_an_auditor_is_that_of_the_sum():
    arrays = {"n": np.arange(CHUNK_BYTES // 8 + 100), "x": np.arange(5.0)}
    inputs, layout = [source(i, arrays) for i in (1, 2)], layout_of(arrays)
    chunks = [bytes(c) for c in merge_sums(SumRule(), layout, inputs)]
    assert len(chunks) == 2
    assert [sum_chunk(SumRule(), layout, inputs, i) for i in (0, 1)] == chunks


@pytest.mark.parametrize(
    ("arrays", "rule", "said"),
    [
        ({"n": np.array([BIG + 1])}, SumRule(), "expected -9007199254740992 to"),
        (
            {"n": np.array([4])},
            SumRule(limits=(Limit("n", 0, 3),)),
            "expected 0 to 3 in 'n', got 4",
        ),
        ({"n": np.array([-1])}, SumRule(limits=(Limit("n", 0, 3),)), "expected 0 to 3 in 'n', got"),
        ({"x": np.array([np.nan])}, SumRule(), "expected finite numbers in 'x'"),
        ({"x": np.ones(2, "f4")}, SumRule(), "expected int64 or float64 in 'x', got F32"),
        ({"x": np.ones(2)}, SumRule(limits=(Limit("x", 0, 3),)), "expected int64 in 'x'"),
        ({"x": np.ones(2)}, SumRule(limits=(Limit("y", 0, 3),)), "expected an array 'y'"),
        ({"x": np.ones(2)}, SumRule(agreed=("at",)), "expected an array 'at'"),
        ({"n": np.ones(2, int)}, SumRule(limits_all=True), "no bounds for the array 'n'"),
    ],
)
def test_what_cannot_be_added_is_refused_with_its_array(arrays, rule, said):
    layout = layout_of(arrays)
    with pytest.raises(BadContribution, match=said) as found:
        check_summand(rule, layout, 7, source(7, arrays).source)
    assert found.value.member == 7
    with pytest.raises(BadContribution):
        list(merge_sums(rule, layout, [source(7, arrays)]))


def test_no_contribution_or_two_of_one_member_are_no_sum():
    arrays = {"n": np.array([1])}
    with pytest.raises(MergeError):
        merge_sums(SumRule(), layout_of(arrays), [])
    with pytest.raises(MergeError):
        merge_sums(SumRule(), layout_of(arrays), [source(1, arrays), source(1, arrays)])


@pytest.mark.parametrize(
    ("array", "most", "holds"),
    [("n", 5, True), ("n", 4, False), ("n", 0, False), ("x", 9, False), ("none", 9, False)],
)
def test_a_test_looks_at_every_element(array, most, holds):
    arrays = {"n": np.array([3, -5]), "x": np.zeros(2)}
    assert is_within(layout_of(arrays), source(1, arrays).source, array, most) is holds
