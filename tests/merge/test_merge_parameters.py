"""What comes out of `merge_parameters`, against oracles that take one value at a time."""

from __future__ import annotations

import hashlib
import random
import threading
import tracemalloc

import merge_oracles as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_oracles import contributions_of, merge_arrays, merged, tensor, zeros_of

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import (
    CHUNK_LOCAL,
    Rule,
    WeightedSource,
    check_contribution,
    merge_chunk,
    merge_parameters,
)
from swarmhub.merge.arithmetic import comparators, fold
from swarmhub.merge.blocks import BLOCK
from swarmhub.merge.rules import NAMES
from swarmhub.merge.vectors import Buffer
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout, Tensor

LOCAL = sorted(CHUNK_LOCAL)
PINNED = {  # a change here is a change of the rule: all members must update together
    "coordinate_median": "8ba705bfe8346ef5",
    "geometric_median": "bf5683c2e06202fa",
    "trimmed_mean": "af4478ea9d2d2b1d",
    "weighted_mean": "5961fa45dcda9f8f",
}
BITS = {"F64": np.uint64, "F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}


def mixed_inputs(n: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Models of almost two chunks with every type, odd sizes and many tiny tensors."""
    rng = np.random.default_rng(seed)
    return [
        {
            "a.weight": rng.standard_normal((301, 701)).astype(np.float32),
            "b.double": rng.standard_normal(100_003),
            "c.half": rng.standard_normal(40_001).astype(np.float16),
            "d.brain": rng.standard_normal(30_001).astype(np.float32).view(np.uint16)[1::2],
            "e.count": rng.integers(-(2**62), 2**62, 11),
            "f.mask": rng.integers(0, 2, 1001).astype(bool),
            "g.byte": rng.integers(0, 256, 70_001).astype(np.uint8),
            "h.empty": np.empty((0, 3), np.float32),
            "i.scalar": np.array(rng.standard_normal(), np.float32),
            **{f"t{k:04}": rng.standard_normal(3).astype(np.float32) for k in range(500)},
        }
        for _ in range(n)
    ]


def mixed(n: int, seed: int = 0) -> tuple[Layout, list[WeightedSource]]:
    """Layout and contributions of these models, weights 1, 8, 15, ..."""
    return contributions_of(mixed_inputs(n, seed), [1 + 7 * i for i in range(n)], {"d.brain"})


def finite_bits(dtype: str) -> st.SearchStrategy[int]:
    width = 64 if dtype == "F64" else 32 if dtype == "F32" else 16
    return st.integers(0, 2**width - 1).filter(
        lambda bits: abs(oracle.value_of(bits, dtype)) <= 1e140  # no NaN
    )


# the rules


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@pytest.mark.parametrize("rule", LOCAL)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_column_merges_to_the_bits_that_python_floats_give(rule, dtype, data):
    n, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 5))
    row = st.lists(finite_bits(dtype), min_size=width, max_size=width)
    bits = np.array(data.draw(st.lists(row, min_size=n, max_size=n)), BITS[dtype])
    weights = data.draw(st.lists(st.integers(1, 10**6), min_size=n, max_size=n))
    arrays = [row.view(DTYPES[dtype]) for row in bits]
    expected = []
    for column in bits.T:
        values = [oracle.value_of(int(b), dtype) for b in column]
        value = oracle.column_oracle(rule, values, weights, 250)
        if dtype == "F64":
            expected.append(int(np.array(value).view(np.uint64)))
        else:
            expected.append(oracle.nearest_even(value, dtype))
    got = merge_arrays(Rule(rule, 250), arrays, weights, dtype == "BF16").view(BITS[dtype])
    assert [int(b) for b in got] == expected


@pytest.mark.parametrize("rule", LOCAL)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 13])
def test_a_large_tensor_merges_to_what_numpy_says(rule, n):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 50_000))
    weights = [int(w) for w in rng.integers(1, 1000, n)]
    drop = n * 200 // 1000
    expected = {
        "weighted_mean": np.average(x, axis=0, weights=weights),
        "coordinate_median": np.median(x, axis=0),
        "trimmed_mean": np.sort(x, axis=0)[drop : n - drop].mean(axis=0),
    }[rule]
    np.testing.assert_allclose(merge_arrays(Rule(rule, 200), x, weights), expected, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_mean_of_identical_models_is_that_model_bit_for_bit(dtype):
    x = np.random.default_rng(3).standard_normal(10_000).astype(dtype)
    x[:3] = [-0.0, np.finfo(dtype).smallest_subnormal, -np.finfo(dtype).max]
    got = merge_arrays(Rule("weighted_mean"), [x] * 5, [3, 1, 40_000, 777, 12])
    assert got.tobytes() == x.tobytes()


@pytest.mark.parametrize("rule", NAMES)
def test_one_contribution_alone_is_the_result(rule):
    x = np.random.default_rng(4).standard_normal(1000).astype(np.float32)
    assert merge_arrays(Rule(rule), [x], [17]).tobytes() == x.tobytes()


@pytest.mark.parametrize("rule", ["coordinate_median", "trimmed_mean"])
def test_signed_zeros_cannot_change_the_result(rule):
    for zeros in ([0.0, -0.0, 0.0], [-0.0, 0.0, 0.0], [-0.0, -0.0, -0.0]):
        got = merge_arrays(Rule(rule), [np.array([z]) for z in zeros])
        assert got.tobytes() == bytes(8)


def test_trimming_everything_is_refused_before_anything_is_read():
    layout, contributions = contributions_of([{"a": np.ones(1)}] * 4)
    with pytest.raises(MergeError, match="leaves none"):
        merge_parameters(Rule("trimmed_mean", 500), layout, contributions)


@pytest.mark.parametrize(
    ("name", "trim"), [("mean", 100), ("trimmed_mean", 501), ("trimmed_mean", -1), ("x", True)]
)
def test_a_rule_that_does_not_exist_is_refused(name, trim):
    with pytest.raises(MergeError, match="Expected"):
        Rule(name, trim)


@pytest.mark.parametrize("n", range(1, 11))
def test_the_network_sorts_every_pattern_of_zeros_and_ones(n):
    columns = (np.arange(2**n) >> np.arange(n)[:, None]) & 1  # (n, 2^n); Knuth's 0-1 principle
    rows = [row.copy() for row in columns]
    for low, high in comparators(n):
        rows[low], rows[high] = np.minimum(rows[low], rows[high]), np.maximum(rows[low], rows[high])
    np.testing.assert_array_equal(rows, np.sort(columns, axis=0))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64, 1000, 12_345])
def test_fold_adds_every_element_once(n):
    assert fold(np.arange(n, dtype=np.float64)) == n * (n - 1) // 2


# the geometric median


def weiszfeld(x: np.ndarray, weights: np.ndarray, steps: int) -> np.ndarray:
    v = np.median(x, axis=0)
    for _ in range(steps):
        b = weights / np.maximum(np.linalg.norm(x - v, axis=1), 1e-6)
        v = (b[:, None] * x).sum(axis=0) / b.sum()
    return v


def test_the_geometric_median_is_weiszfelds_over_all_float_tensors_as_one_vector():
    rng = np.random.default_rng(5)
    n, sizes = 5, (BLOCK + 5, 200_001)
    parts = [[rng.standard_normal(size) * (i + 1) for size in sizes] for i in range(n)]
    weights = [1, 2, 3, 4, 5]
    layout, contributions = contributions_of(
        [{"a": a, "b": np.full(3, i), "c": c} for i, (a, c) in enumerate(parts)], weights
    )
    out = merged(Rule("geometric_median"), layout, contributions)
    expected = weiszfeld(np.array([np.concatenate(p) for p in parts]), np.array(weights), 8)
    got = np.concatenate([tensor(layout, out, "a"), tensor(layout, out, "c")])
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)
    assert tensor(layout, out, "b").tolist() == [2, 2, 2]  # integers: lower median, no weight


def test_two_wild_members_of_five_hardly_move_the_geometric_median():
    rng = np.random.default_rng(6)
    honest = 1 + 0.01 * rng.standard_normal((3, 500))
    for wild in (1e3, 1e30, 1e139):
        x = [*honest, np.full(500, wild), np.full(500, wild)]
        got = merge_arrays(Rule("geometric_median"), x)
        assert np.abs(got - 1).max() < 0.05, wild


def test_eight_steps_come_within_a_hundredth_of_the_spread_of_the_limit():
    x = np.random.default_rng(7).standard_normal((5, 1000))
    limit = weiszfeld(x, np.ones(5), 300)
    spread = np.median(np.linalg.norm(x - limit, axis=1))
    assert np.linalg.norm(merge_arrays(Rule("geometric_median"), x) - limit) < 0.01 * spread


@pytest.mark.parametrize(("rule", "digest"), sorted(PINNED.items()))
def test_models_of_several_blocks_merge_to_the_bits_recorded_once_and_for_all(rule, digest):
    # integers mod a prime: the same inputs whatever NumPy's generators do
    x = np.arange(200_000, dtype=np.int64)
    arrays = [(x * (7919 * i + 104_729) % 1_000_003 - 500_000) / 3.0 for i in range(1, 6)]
    got = merge_arrays(Rule(rule, 200), arrays, [5, 1, 4, 2, 3])
    assert hashlib.sha256(got.tobytes()).hexdigest()[:16] == digest


# integers and booleans


@pytest.mark.parametrize("rule", NAMES)
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_])
def test_integers_and_booleans_merge_to_the_lower_median_under_every_rule(rule, dtype):
    rng = np.random.default_rng(8)
    for n in (1, 2, 5, 6):
        if dtype == np.bool_:
            x = rng.integers(0, 2, (n, 999)).astype(bool)
        else:
            info = np.iinfo(dtype)
            x = rng.integers(info.min, info.max, (n, 999), dtype, endpoint=True)
        expected = np.sort(x, axis=0)[(n - 1) // 2]
        got = merge_arrays(Rule(rule), x, [10**6] + [1] * (n - 1))
        np.testing.assert_array_equal(got, expected, strict=True)


# the stream


@pytest.mark.parametrize("rule", NAMES)
def test_the_order_of_contributions_does_not_matter(rule):
    layout, contributions = mixed(5)
    once = merged(Rule(rule), layout, contributions)
    random.Random(9).shuffle(contributions)
    assert [c.member for c in contributions] != [10, 20, 30, 40, 50]
    assert merged(Rule(rule), layout, contributions) == once


@pytest.mark.parametrize("rule", NAMES)
def test_an_auditor_recomputes_any_chunk_alone(rule):
    layout, contributions = mixed(4)
    base = zeros_of(layout)
    chunks = [bytes(c) for c in merge_parameters(Rule(rule), layout, contributions, base)]
    assert [len(c) for c in chunks[:-1]] == [CHUNK_BYTES] * (len(chunks) - 1)
    assert len(chunks) >= 2
    assert sum(map(len, chunks)) == layout.nbytes
    for index, chunk in enumerate(chunks):
        assert merge_chunk(Rule(rule), layout, contributions, index, base) == chunk
    for index in (-1, len(chunks)):
        with pytest.raises(MergeError, match="Expected a chunk"):
            merge_chunk(Rule(rule), layout, contributions, index, base)


@pytest.mark.parametrize("rule", LOCAL)
def test_a_chunk_local_rule_reads_only_the_chunk_that_is_asked_for(rule):
    layout, contributions = mixed(3)
    asked = set()

    class Spy:
        def __init__(self, inner):
            self.inner = inner

        def read_at(self, offset, length):
            asked.add((offset, length))
            return memoryview(self.inner.read_at(offset, length))

    spied = [WeightedSource(c.member, c.weight, Spy(c.source)) for c in contributions]
    merge_chunk(Rule(rule), layout, spied, 1)
    assert asked == {(CHUNK_BYTES, min(CHUNK_BYTES, layout.nbytes - CHUNK_BYTES))}


@pytest.mark.parametrize("rule", NAMES)
def test_each_tensor_merges_as_if_it_were_alone_and_padding_stays_zero(rule):
    inputs = mixed_inputs(4)
    layout, contributions = mixed(4)
    out = bytearray(merged(Rule(rule), layout, contributions))
    names = ["a.weight", "b.double", "c.half", "e.count", "f.mask", "g.byte", "i.scalar", "t0123"]
    if rule in CHUNK_LOCAL:  # the others depend on all tensors
        for name in names:
            alone = merge_arrays(Rule(rule), [i[name] for i in inputs], [1, 8, 15, 22])
            np.testing.assert_array_equal(tensor(layout, bytes(out), name), alone, strict=True)
    for t, at in zip(layout.tensors, layout.offsets, strict=True):
        out[at : at + t.nbytes] = bytes(t.nbytes)
    assert not any(out)


def test_chunks_already_yielded_do_not_change_later():
    layout, contributions = mixed(3)
    kept, copies = [], []
    for chunk in merge_parameters(Rule("weighted_mean"), layout, contributions):
        kept.append(chunk)
        copies.append(bytes(chunk))
    assert [bytes(c) for c in kept] == copies


def test_two_merges_in_two_threads_do_not_disturb_each_other():
    layout, contributions = mixed(4)
    expected = merged(Rule("coordinate_median"), layout, contributions)
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(merged(Rule("coordinate_median"), layout, contributions))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected, expected]


@pytest.mark.parametrize("rule", ["weighted_mean", "clipped_mean", "nnm_trimmed_mean"])
def test_memory_does_not_grow_with_the_model(rule):
    class Zeros:
        def read_at(self, offset, length):
            return bytes(length)

    peaks = []
    for megabytes in (4, 40):
        layout = Layout.of([Tensor("a", "F32", (megabytes << 18,))])
        contributions = [WeightedSource(i, 1, Zeros()) for i in range(3)]
        tracemalloc.start()
        for _ in merge_parameters(Rule(rule), layout, contributions, Zeros()):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (1 << 20)
    assert peaks[1] < 3 * (3 << 20)


def test_a_layout_without_tensors_merges_to_nothing():
    assert (
        merged(Rule("geometric_median"), Layout.of([]), [WeightedSource(1, 1, Buffer(b""))]) == b""
    )


# what is refused


@pytest.mark.parametrize(
    ("members", "weights", "why"),
    [
        ([], [], "at least one"),
        ([1, 2, 1], [1, 1, 1], "one contribution of member 1"),
        ([1, 2], [1, 0], "member 2.*weight"),
        ([1, 2], [-5, 1], "member 1.*weight"),
        ([1], [2**53], "member 1.*weight"),
        ([1], [1.5], "member 1.*weight"),
    ],
)
def test_impossible_sets_of_contributions_are_refused_at_once(members, weights, why):
    layout, one = contributions_of([{"a": np.ones(3)}])
    contributions = [
        WeightedSource(m, w, one[0].source) for m, w in zip(members, weights, strict=True)
    ]
    with pytest.raises(MergeError, match=why):
        merge_parameters(Rule("weighted_mean"), layout, contributions)
    with pytest.raises(MergeError, match=why):
        merge_chunk(Rule("weighted_mean"), layout, contributions, 0)


def spoiled(layout: Layout, contributions, place: int, name: str, at: int, value: bytes):
    """The contributions, with `value` written at byte `at` of tensor `name` of one of them."""
    data = bytearray(contributions[place].source.data)
    offset = next(o for t, o in zip(layout.tensors, layout.offsets, strict=True) if t.name == name)
    data[offset + at : offset + at + len(value)] = value
    bad = WeightedSource(
        contributions[place].member, contributions[place].weight, Buffer(bytes(data))
    )
    return [*contributions[:place], bad, *contributions[place + 1 :]]


BAD_VALUES = [
    ("a.weight", 400, np.float32(np.nan).tobytes()),
    ("a.weight", 4 * 301 * 701 - 4, np.float32(-np.inf).tobytes()),
    ("b.double", 8 * 100_002, np.float64(np.inf).tobytes()),
    ("c.half", 80_000, np.float16(np.nan).tobytes()),
    ("d.brain", 2, b"\xff\x7f"),  # a NaN that a careless rounding turns into -0.0
    ("d.brain", 60_000, b"\x80\xff"),  # -inf
    ("f.mask", 1000, b"\x02"),
    ("t0321", 4, np.float32(np.nan).tobytes()),
    ("t0321", 12, b"\x01"),  # padding
    ("g.byte", 70_001, b"\x80"),  # padding
]


@pytest.mark.parametrize("rule", NAMES)
@pytest.mark.parametrize(("name", "at", "value"), BAD_VALUES)
def test_what_may_not_be_merged_names_its_member_and_tensor(rule, name, at, value):
    layout, contributions = mixed(3)
    bad = spoiled(layout, contributions, 1, name, at, value)
    with pytest.raises(BadContribution, match=name.replace(".", r"\.")) as caught:
        merged(Rule(rule), layout, bad)
    assert caught.value.member == 20
    with pytest.raises(BadContribution, match=name.replace(".", r"\.")) as caught:
        check_contribution(layout, 20, bad[1].source)
    assert caught.value.member == 20


def test_a_good_contribution_passes_the_check():
    layout, contributions = mixed(1)
    check_contribution(layout, 10, contributions[0].source)


def test_a_source_that_is_too_short_is_refused():
    layout, contributions = mixed(1)
    whole = contributions[0].source
    assert isinstance(whole, Buffer)
    with pytest.raises(BadContribution, match="bytes"):
        check_contribution(layout, 10, Buffer(whole.data[:-64]))


@pytest.mark.parametrize("rule", NAMES)
def test_the_largest_values_with_the_largest_weights_are_merged(rule):
    """Nothing that is valid by itself overflows in the merge: or one member could stop it."""
    largest, weight = np.full(3, 1e140), 2**53 - 1
    for signs in ((1, 1, -1, 1), (1, -1, 1, -1), (1, 0, 0, 0)):
        got = merge_arrays(Rule(rule, 0), [s * largest for s in signs], [weight] * 4)
        assert (np.abs(got) <= 1e140 * (1 + 1e-15)).all()


@pytest.mark.parametrize("value", [1.0000001e140, -1e141, np.finfo(np.float64).max])
def test_a_value_that_could_overflow_names_its_member(value):
    with pytest.raises(BadContribution, match="'a'") as caught:
        merge_arrays(Rule("weighted_mean"), [np.zeros(3), np.array([0.0, value, 0.0])])
    assert caught.value.member == 20


@pytest.mark.parametrize("bf16", [False, True])
def test_the_mean_of_largest_values_of_narrow_types_does_not_overflow(bf16):
    x = np.array([0x7F7F], np.uint16) if bf16 else np.array([65504], np.float16)
    got = merge_arrays(Rule("weighted_mean"), [x, x, x], [5, 2**30, 9], bf16)
    assert got.tobytes() == x.tobytes()
