"""Sums in a ring against Python's integers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import WeightedSource
from swarmhub.merge.modular import merge_modular, modular_chunk
from swarmhub.merge.vectors import Buffer
from swarmhub.params import CHUNK_BYTES, Layout, buffer_of

I32, I64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
rows = st.lists(st.tuples(I32, I32, I64), min_size=1, max_size=7)


def inputs(arrays: list[dict[str, np.ndarray]]) -> tuple[Layout, list[WeightedSource]]:
    layout = buffer_of(arrays[0])[0]
    stored = [bytes(buffer_of(a)[1]) for a in arrays]
    return layout, [WeightedSource(i, 1, Buffer(data)) for i, data in enumerate(stored, 1)]


def wrapped(value: int, bits: int) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


@given(rows)
def test_a_sum_wraps_as_the_ring_does(members):
    arrays = [{"a": np.array([x, y], np.int32), "b": np.array([z])} for x, y, z in members]
    layout, sources = inputs(arrays)
    data = b"".join(bytes(c) for c in merge_modular(layout, sources))
    x, y, z = (sum(column) for column in zip(*members, strict=True))
    assert np.frombuffer(data, "<i4", 2).tolist() == [wrapped(x, 32), wrapped(y, 32)]
    assert np.frombuffer(data, "<i8", 1, 64).tolist() == [wrapped(z, 64)]
    assert not any(data[8:64] + data[72:])


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_neither_order_nor_chunks_change_a_bit(seed):
    rng = np.random.default_rng(seed)
    sizes = (CHUNK_BYTES // 4 - 3, 5, 1000)
    arrays = [
        {f"t{i}": rng.integers(-(2**31), 2**31, n).astype(np.int32) for i, n in enumerate(sizes)}
        for _ in range(3)
    ]
    layout, sources = inputs(arrays)
    found = {
        b"".join(bytes(c) for c in merge_modular(layout, order))
        for order in itertools.permutations(sources)
    }
    chunks = range(-(-layout.nbytes // CHUNK_BYTES))
    assert found == {b"".join(modular_chunk(layout, sources, i) for i in chunks)}


def test_padding_that_is_not_zero_is_refused():
    layout, sources = inputs([{"a": np.ones(3, np.int32)}])
    bad = bytes(buffer_of({"a": np.ones(3, np.int32)})[1])[:-1] + b"\1"
    with pytest.raises(BadContribution, match="member 2"):
        list(merge_modular(layout, [*sources, WeightedSource(2, 1, Buffer(bad))]))


def test_a_short_vector_is_refused():
    layout, sources = inputs([{"a": np.ones(3, np.int32)}])
    with pytest.raises(BadContribution, match="member 2"):
        list(merge_modular(layout, [*sources, WeightedSource(2, 1, Buffer(b""))]))


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.bool_])
def test_other_types_are_no_rings(kind):
    layout, sources = inputs([{"a": np.ones(3, kind)}])
    with pytest.raises(MergeError, match="int32 or int64 in the masked 'a'"):
        merge_modular(layout, sources)


def test_a_member_is_added_once():
    layout, (one, two) = inputs([{"a": np.ones(3, np.int32)}] * 2)
    with pytest.raises(MergeError, match="one contribution of member 1"):
        merge_modular(layout, [one, WeightedSource(1, 1, two.source)])
