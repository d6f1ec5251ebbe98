"""Masked sums of whole numbers against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.errors import MaskError, TrainerError
from swarmhub.merge import WeightedSource
from swarmhub.merge.modular import merge_modular
from swarmhub.merge.sums import Limit, SumRule
from swarmhub.merge.vectors import Buffer
from swarmhub.node.trainer_api.results import need_maskable
from swarmhub.params import buffer_of
from swarmhub.privacy import Mask, MaskedSums, mask_arrays, need_bound, unmask_arrays

BOUND = 2**53
SEED, PAIR = Mask(b"s" * 32, True), Mask(b"p" * 32, True)
counts = st.integers(-BOUND, BOUND)


def stored(*arrays: list[int]):
    named = {f"a{i}": np.array(a, np.int64) for i, a in enumerate(arrays)}
    layout, data = buffer_of(named)
    return layout, Buffer(bytes(data))


def joined(chunks) -> Buffer:
    return Buffer(b"".join(bytes(c) for c in chunks))


def opened(sums, masks, total) -> tuple[bytes, list[str]]:
    """The settled buffer, and the names of false arrays."""
    parts = list(unmask_arrays(sums, masks, total))
    return b"".join(bytes(c) for c, _ in parts), sorted({n for _, names in parts for n in names})


@given(st.lists(st.tuples(counts, counts, counts), min_size=2, max_size=2))
def test_sums_are_exact_and_masks_cancel(members):
    sources, masks = [], ((SEED, PAIR), (PAIR.inverse(),))
    for i, (own, (x, y, z)) in enumerate(zip(masks, members, strict=True)):
        layout, data = stored([x, y], [z])
        sources.append(WeightedSource(i, 1, joined(mask_arrays(layout, BOUND, own, data))))
    total = joined(merge_modular(layout, sources))
    found, false = opened(MaskedSums(layout, 2, SumRule()), [SEED.inverse()], total)
    assert not false
    sums = [sum(column) for column in zip(*members, strict=True)]
    assert np.frombuffer(found, "<i8", 2).tolist() == sums[:2]
    assert np.frombuffer(found, "<i8", 1, 64).tolist() == sums[2:]


def test_padding_stays_zero():
    layout, data = stored([1, 2, 3], [4])
    found = joined(mask_arrays(layout, 9, [SEED], data)).data
    assert not any(found[24:64] + found[72:])
    assert found[:24] != data.data[:24]


@pytest.mark.parametrize("value", [-10, 10, 2**62, -(2**63)])
def test_a_value_beyond_the_bound_is_refused(value):
    layout, data = stored([1, value])
    with pytest.raises(MaskError, match=f"-9 to 9 in a masked sum, got {value}"):
        list(mask_arrays(layout, 9, [SEED], data))


RULE = SumRule(agreed=("a1",), limits=(Limit("a0", 0, 9),))


@pytest.mark.parametrize(
    ("first", "second", "settled", "names"),
    [
        ([18, 0], [14], [18, 0, 7], []),  # two members: 0 to 9 each, and both have sent 7
        ([19, -1], [14], [18, 0, 7], ["a0"]),
        ([2**62, -(2**63)], [14], [18, 0, 7], ["a0"]),
        ([1, 2], [15], [1, 2, 7], ["a1"]),
        ([1, 2], [-3], [1, 2, -2], ["a1"]),
        ([99, 2], [2**63 - 1], [18, 2, 2**53], ["a0", "a1"]),
    ],
)
def test_a_sum_that_cannot_be_true_is_cut_and_named(first, second, settled, names):
    layout, data = stored(first, second)
    found, false = opened(MaskedSums(layout, 2, RULE), [], data)
    whole = np.frombuffer(found, "<i8")
    assert [*whole[:2], whole[8]] == settled
    assert false == names


@pytest.mark.parametrize("kind", [np.float64, np.int32])
def test_other_types_than_int64_are_refused(kind):
    layout, data = buffer_of({"a": np.ones(2, kind)})
    with pytest.raises(MaskError, match="int64 in the masked sum 'a'"):
        mask_arrays(layout, 9, [], Buffer(bytes(data)))


def test_another_length_is_refused():
    layout, data = stored([1, 2])
    with pytest.raises(MaskError, match="64 bytes of arrays, got 63"):
        list(mask_arrays(layout, 9, [], Buffer(data.data[:63])))


@pytest.mark.parametrize(("members", "bound"), [(512, 2**54), (0, 1), (3, -1), (1, 2**63)])
def test_a_ring_that_is_too_small_is_refused(members, bound):
    with pytest.raises(MaskError, match="members x bound below"):
        need_bound(members, bound)


def test_the_bound_of_statistics_fits_all_members():
    need_bound(512, 2**53)
    need_bound(1, 2**63 - 1)


def test_a_trainer_hears_which_of_its_arrays_cannot_be_masked():
    layout, _ = buffer_of({"n": np.ones(2, np.int64), "x": np.ones(2)})
    with pytest.raises(TrainerError, match="masked sum 'x', got F64; give it bounds with bits"):
        need_maskable(layout, is_model=False)
    with pytest.raises(TrainerError, match="got I64 in 'n'"):
        need_maskable(layout, is_model=True)
