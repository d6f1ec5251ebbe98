"""The layout of a part: byte by byte a canonical buffer of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmhub.errors import Malformed
from swarmhub.merge import Rule, WeightedSource, merge_parameters, wire_layout
from swarmhub.merge.vectors import Buffer
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout, Tensor, buffer_of
from swarmhub.params.parts import cut_layout

MIB = CHUNK_BYTES


def layout_of(sizes):
    """A layout of arrays of these types and lengths."""
    return Layout.of([Tensor(f"t{i}", dtype, (n,)) for i, (dtype, n) in enumerate(sizes)])


sizes = st.lists(
    st.tuples(st.sampled_from(["F32", "F64", "BF16", "I64", "BOOL"]), st.integers(1, 900_000)),
    min_size=1, max_size=6,
)  # fmt: skip


@given(sizes, st.integers(0, 40), st.integers(1, 8))
def test_a_part_has_the_values_that_lie_in_it(found, first, count):
    layout = layout_of(found)
    start = first * MIB
    stop = min(start + count * MIB, layout.nbytes)
    if start >= layout.nbytes:
        return
    part = cut_layout(layout, start, stop - start, "name")
    assert (part.digest, part.nbytes) == ("name", stop - start)
    for tensor, at in zip(part.tensors, part.offsets, strict=True):
        (whole, begin, end), *more = layout.segments(start + at, start + at + tensor.nbytes)
        assert not more
        assert (begin, end) == (start + at, start + at + tensor.nbytes)
        assert (tensor.dtype, tensor.nbytes % DTYPES[whole.dtype].itemsize) == (whole.dtype, 0)


def made(member):
    """The buffer of a member's arrays of three types."""
    rng = np.random.default_rng(member)
    return buffer_of({
        "a": rng.normal(size=300_000).astype("f4"), "b": rng.normal(size=190_001),
        "c": rng.integers(0, 9, 70_000),
    })  # fmt: skip


def merged(layout, buffers):
    inputs = [WeightedSource(i, 10 * i, Buffer(data)) for i, data in enumerate(buffers, 1)]
    return b"".join(map(bytes, merge_parameters(Rule("trimmed_mean", 340), layout, inputs)))


def test_a_part_is_merged_to_the_part_of_the_merge():
    layout, buffers = made(1)[0], [made(i)[1] for i in (1, 2, 3)]
    part = cut_layout(layout, MIB, 2 * MIB, "x")
    right = merged(layout, buffers)[MIB : 3 * MIB]
    assert merged(part, [data[MIB : 3 * MIB] for data in buffers]) == right


def test_parts_of_changes_keep_their_blocks():
    wire = wire_layout(layout_of([("F32", 3_000_000)]), "int8")
    part = cut_layout(wire, MIB, MIB, "x")
    assert [t.shape for t in part.tensors] == [(4096, 256)]


@pytest.mark.parametrize(("start", "nbytes"), [(1, MIB), (0, 100), (MIB, 2 * MIB), (-MIB, MIB)])
def test_what_is_no_part_is_refused(start, nbytes):
    with pytest.raises(Malformed):
        cut_layout(layout_of([("F32", 300_000)]), start, nbytes, "x")
