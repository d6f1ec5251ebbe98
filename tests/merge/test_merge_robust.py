"""The rules that take contributions as whole vectors and honour weights, and the cap on weights."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import merge_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_oracles import contributions_of, merge_arrays, merged, tensor

from swarmhub.errors import MergeError
from swarmhub.merge import NEEDS_BASE, WEIGHTED, Rule, merge_chunk, merge_parameters
from swarmhub.merge.blocks import BLOCK
from swarmhub.merge.caps import cap_weights
from swarmhub.merge.nearest import find_nearest
from swarmhub.merge.rules import NAMES
from swarmhub.merge.vectors import Buffer
from swarmhub.params import DTYPES, buffer_of

BITS = {"F64": np.uint64, "F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}
SIZES = (BLOCK + 5, 200_001)  # several blocks, two chunks
PINNED = {  # a change here is a change of the rule: all members must update together
    "clipped_mean": "e36eb742b98c9506",
    "nnm_trimmed_mean": "450793ade01c08a3",
}


def finite_bits(dtype):
    return st.integers(0, 2 ** (8 * DTYPES[dtype].itemsize) - 1).filter(
        lambda bits: abs(oracle.value_of(bits, dtype)) <= 1e140  # no NaN
    )


def draw_rows(data, dtype):
    """Bits (N + 1, width) of contributions and a base, and weights."""
    n, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 5))
    row = st.lists(finite_bits(dtype), min_size=width, max_size=width)
    bits = np.array(data.draw(st.lists(row, min_size=n + 1, max_size=n + 1)), BITS[dtype])
    return bits, data.draw(st.lists(st.integers(1, 10**6), min_size=n, max_size=n))


def merged_bits(rule, bits, weights, dtype):
    *arrays, base = (row.view(DTYPES[dtype]) for row in bits)
    got = merge_arrays(rule, arrays, weights, dtype == "BF16", base)
    return [int(b) for b in got.view(BITS[dtype])]


def stored(values, dtype):
    if dtype == "F64":
        return [int(np.array(v).view(np.uint64)) for v in values]
    return [oracle.nearest_even(v, dtype) for v in values]


def values_of(bits, dtype):
    return [[oracle.value_of(int(b), dtype) for b in row] for row in bits]


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_clipped_mean_has_the_bits_of_python_floats(dtype, data):
    bits, weights = draw_rows(data, dtype)
    *rows, base = values_of(bits, dtype)
    expected = stored(oracle.clipped_oracle(rows, weights, base, dtype), dtype)
    assert merged_bits(Rule("clipped_mean"), bits, weights, dtype) == expected


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_mixed_trimmed_mean_has_the_bits_of_python_floats(dtype, data):
    bits, weights = draw_rows(data, dtype)
    *rows, _ = values_of(bits, dtype)
    drop = len(rows) * 250 // 1000
    expected = stored(oracle.mixed_oracle(rows, drop, dtype), dtype)
    assert merged_bits(Rule("nnm_trimmed_mean", 250), bits, weights, dtype) == expected


def several_tensors(n, seed):
    """Vectors (n, P) of unequal spread, as two tensors with integers between them."""
    rng = np.random.default_rng(seed)
    parts = [[rng.standard_normal(size) * (i + 1) for size in SIZES] for i in range(n)]
    models = [{"a": a, "b": np.full(3, i), "c": c} for i, (a, c) in enumerate(parts)]
    return models, np.array([np.concatenate(p) for p in parts])


def merge_several(rule, models, base, weights=None):
    layout, contributions = contributions_of(models, weights)
    out = merged(rule, layout, contributions, Buffer(buffer_of(base)[1]))
    assert tensor(layout, out, "b").tolist() == [(len(models) - 1) // 2] * 3  # lower median
    return np.concatenate([tensor(layout, out, "a"), tensor(layout, out, "c")])


def test_a_clipped_mean_is_that_of_all_float_tensors_as_one_vector():
    models, x = several_tensors(6, 5)
    weights, base = [1, 2, 3, 4, 5, 90], models[5]
    models, x, before = models[:5], x[:5], x[5]
    norms = np.linalg.norm(x - before, axis=1)
    scale = np.minimum(1.0, np.sort(norms)[2] / norms)
    expected = before + np.average(scale[:, None] * (x - before), axis=0, weights=weights[:5])
    got = merge_several(Rule("clipped_mean"), models, base, weights[:5])
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("n", "trim"), [(4, 250), (7, 300), (9, 100)])
def test_mixing_is_allouahs_definition_over_whole_vectors(n, trim):
    models, x = several_tensors(n, n)
    f = n * trim // 1000
    distances = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    near = np.argsort(distances, axis=1, kind="stable")[:, : n - f]
    mixed = np.stack([x[places].mean(axis=0) for places in near])
    expected = np.sort(mixed, axis=0)[f : n - f].mean(axis=0)
    got = merge_several(Rule("nnm_trimmed_mean", trim), models, models[0])
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("rule", "digest"), sorted(PINNED.items()))
def test_models_of_several_blocks_merge_to_the_bits_recorded_once(rule, digest):
    # integers mod a prime: the same inputs whatever NumPy's generators do
    x = np.arange(200_000, dtype=np.int64)
    rows = [(x * (7919 * i + 104_729) % 1_000_003 - 500_000) / 3.0 for i in range(6)]
    got = merge_arrays(Rule(rule, 200), rows[1:], [5, 1, 4, 2, 3], base=rows[0])
    assert hashlib.sha256(got.tobytes()).hexdigest()[:16] == digest


# what clipping bounds


def test_a_wild_contribution_moves_the_clipped_mean_by_its_weights_part():
    rng = np.random.default_rng(6)
    base, honest = rng.standard_normal(500), 0.01 * rng.standard_normal((4, 500))
    median = np.sort(np.linalg.norm(honest, axis=1))[2]
    for wild in (1e3, 1e30, 1e139):
        x = [*(base + honest), np.full(500, wild)]
        got = merge_arrays(Rule("clipped_mean"), x, [10, 10, 10, 10, 4], base=base)
        calm = merge_arrays(Rule("clipped_mean"), [*x[:4], base], [10, 10, 10, 10, 4], base=base)
        assert np.linalg.norm(got - calm) < 1.3 * median * 4 / 44, wild


def test_contributions_equal_to_the_base_leave_it_bit_for_bit():
    base = np.random.default_rng(3).standard_normal(1000)
    got = merge_arrays(Rule("clipped_mean"), [base] * 4, [3, 1, 40_000, 777], base=base)
    assert got.tobytes() == base.tobytes()


def test_two_of_five_that_stand_still_do_not_stop_the_others():
    base, x = np.zeros(8), np.ones(8)
    got = merge_arrays(Rule("clipped_mean"), [base, base, x, x, x], base=base)
    np.testing.assert_allclose(got, 0.6)


def test_one_of_two_that_stands_still_stops_the_other():
    got = merge_arrays(Rule("clipped_mean"), [np.zeros(8), np.ones(8)], base=np.zeros(8))
    np.testing.assert_array_equal(got, 0.0)


def test_without_a_base_a_clipped_mean_is_refused():
    layout, contributions = contributions_of([{"a": np.ones(1)}] * 4)
    with pytest.raises(MergeError, match="Expected the model before"):
        merge_parameters(Rule("clipped_mean"), layout, contributions)
    with pytest.raises(MergeError, match="bytes of the model before"):
        merge_chunk(Rule("clipped_mean"), layout, contributions, 0, Buffer(b""))
    assert {"clipped_mean"} == NEEDS_BASE


# nearest neighbours


def test_of_equally_near_ones_those_with_smaller_ids_count():
    assert find_nearest(2, [4.0, 1.0, 0.0, 1.0, 1.0], 3) == (1, 2, 3)
    assert find_nearest(4, [0.0, 0.0, 0.0, 9.0, 0.0], 2) == (0, 4)  # itself among its equals


def test_mixing_ignores_weights():
    x = np.random.default_rng(9).standard_normal((5, 40))
    rule = Rule("nnm_trimmed_mean", 200)
    plain = merge_arrays(rule, x)
    np.testing.assert_array_equal(merge_arrays(rule, x, [10**9, 1, 1, 1, 1]), plain)


def test_mixing_refuses_a_trim_that_leaves_none_before_it_reads():
    layout, contributions = contributions_of([{"a": np.ones(1)}] * 4)
    with pytest.raises(MergeError, match="leaves none"):
        merge_parameters(Rule("nnm_trimmed_mean", 500), layout, contributions)


# the cap


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 2**53 - 1) | st.integers(1, 50), min_size=1, max_size=12),
    st.integers(1, 1000),
)
def test_a_cap_fills_like_water(weights, permille):
    capped = cap_weights(weights, permille)
    cap = Fraction(permille, 1000)
    if len(weights) * cap <= 1 and max(weights) > cap * sum(weights):
        assert capped == [1] * len(weights)
        return
    top = max(capped)
    assert top <= cap * sum(capped)
    if any(w > cap * sum(weights) for w in weights):
        assert top == cap * sum(capped)  # no more was taken than had to be
    scale = {Fraction(c, w) for c, w in zip(capped, weights, strict=True) if c < top}
    assert len(scale) <= 1
    level = top / min(scale) if scale else top
    assert all(w >= level for c, w in zip(capped, weights, strict=True) if c == top and scale)


@pytest.mark.parametrize(
    ("weights", "permille", "expected"),
    [
        ([94, 1, 1], 1000, [94, 1, 1]),
        ([3, 3, 4], 400, [3, 3, 4]),
        ([90, 5, 5], 500, [2, 1, 1]),
        ([60, 30, 5, 5], 400, [4, 4, 1, 1]),
        ([90, 5, 5], 333, [1, 1, 1]),
        ([90, 5, 3, 2], 250, [1, 1, 1, 1]),
        ([7], 1, [1]),
    ],
)
def test_weights_are_capped_in_whole_numbers(weights, permille, expected):
    assert cap_weights(weights, permille) == expected


@pytest.mark.parametrize("rule", sorted(WEIGHTED))
def test_a_capped_rule_is_the_rule_with_capped_weights(rule):
    x = np.random.default_rng(11).standard_normal((4, 300))
    capped = merge_arrays(Rule(rule, 100, 400), x, [60, 30, 5, 5])
    np.testing.assert_array_equal(capped, merge_arrays(Rule(rule), x, [4, 4, 1, 1]))


@pytest.mark.parametrize("cap", [0, -1, 1001, 250.0, True])
def test_a_cap_out_of_range_is_refused(cap):
    with pytest.raises(MergeError, match="largest share"):
        Rule("weighted_mean", 100, cap)


@pytest.mark.parametrize("rule", sorted(set(NAMES) - WEIGHTED))
def test_a_rule_that_ignores_weights_has_no_cap(rule):
    with pytest.raises(MergeError, match="no largest share"):
        Rule(rule, 100, 250)
