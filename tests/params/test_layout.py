"""Layouts: the same document for the same arrays, every offset, and nothing hostile."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import codec
from swarmhub.errors import Malformed
from swarmhub.params import ALIGNMENT, DTYPES, MAX_BYTES, Layout, Tensor
from swarmhub.params.layout import MAX_LABELS, MAX_MEANINGS, MAX_NAME, MAX_TENSORS, dtype_name

names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
tensors = st.builds(Tensor, names, st.sampled_from(sorted(DTYPES)), shapes)
layouts = st.lists(tensors, max_size=6, unique_by=lambda t: t.name).map(Layout.of)


@settings(deadline=None)
@given(layouts)
def test_a_document_goes_out_and_comes_in(layout):
    again = Layout.parse(layout.pack())
    assert again == layout
    assert again.digest == layout.digest


@settings(deadline=None)
@given(st.lists(tensors, max_size=6, unique_by=lambda t: t.name), st.randoms())
def test_the_order_of_the_arrays_does_not_matter(found, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    assert Layout.of(shuffled).digest == Layout.of(found).digest


@settings(deadline=None)
@given(layouts)
def test_tensors_stand_in_order_aligned_and_without_overlap(layout):
    end = 0
    for tensor, offset in zip(layout.tensors, layout.offsets, strict=True):
        assert offset % ALIGNMENT == 0
        assert end <= offset < end + ALIGNMENT
        end = offset + tensor.nbytes
    assert end <= layout.nbytes < end + ALIGNMENT
    assert layout.nbytes % ALIGNMENT == 0
    assert [t.name for t in layout.tensors] == sorted(t.name for t in layout.tensors)


@settings(deadline=None)
@given(layouts, st.integers(0, 600), st.integers(0, 600))
def test_segments_are_the_bytes_of_tensors_within_a_range(layout, start, length):
    stop = start + length
    owner = {}
    for tensor, offset in zip(layout.tensors, layout.offsets, strict=True):
        owner |= dict.fromkeys(range(offset, offset + tensor.nbytes), tensor.name)
    expected = {at: name for at, name in owner.items() if start <= at < stop}
    found = {}
    for tensor, first, end in layout.segments(start, stop):
        assert first < end
        for at in range(first, end):
            assert at not in found
            found[at] = tensor.name
    assert found == expected


def test_a_layouts_digest_is_pinned():
    layout = Layout.of([Tensor("w", "F32", (3, 2)), Tensor("b", "BF16", ())])
    assert layout.pack() == (
        b'{"tensors":[{"dtype":"BF16","name":"b","shape":[]},'
        b'{"dtype":"F32","name":"w","shape":[3,2]}]}'
    )
    assert (layout.offsets, layout.nbytes) == ((0, 64), 128)
    assert layout.digest == codec.digest(b"swarmhub/layout/1", layout.pack())


def test_an_empty_layout_has_no_bytes():
    assert Layout.of([]).nbytes == 0
    assert Layout.of([]).segments(0, 100) == []


@pytest.mark.parametrize("dtype", sorted(set(DTYPES) - {"BF16"}))
def test_every_type_has_its_name_in_either_byte_order(dtype):
    assert dtype_name(DTYPES[dtype]) == dtype
    assert dtype_name(DTYPES[dtype].newbyteorder(">")) == dtype


@pytest.mark.parametrize("dtype", ["u2", "c8", "O", "U5", "M8[s]", "V4"])
def test_types_that_cannot_be_shared_are_refused(dtype):
    with pytest.raises(Malformed, match="cannot be shared"):
        dtype_name(dtype)


def document(*found):
    return codec.encode(
        {"tensors": [{"name": n, "dtype": d, "shape": list(s)} for n, d, s in found]}
    )


HOSTILE = {
    "twice": [("a", "F32", (1,)), ("a", "F32", (1,))],
    "not sorted": [("b", "F32", (1,)), ("a", "F32", (1,))],
    "no name": [("", "F32", (1,))],
    "long name": [("n" * (MAX_NAME + 1), "F32", (1,))],
    "no such type": [("a", "F31", (1,))],
    "no type": [("a", "", (1,))],
    "negative": [("a", "F32", (-1,))],
    "two negatives": [("a", "F32", (-4, -4))],
    "one large dimension": [("a", "F32", (MAX_BYTES + 1,))],
    "a terabyte": [("a", "F64", (1 << 20, 1 << 20))],
    "overflow of 64 bits": [("a", "F64", (1 << 40, 1 << 40, 1 << 40))],
    "nothing of something impossible": [("a", "F64", (0, 1 << 40, 1 << 40))],
    "many dimensions": [("a", "F32", (1,) * 17)],
    "a terabyte in all": [(f"{i:04d}", "U8", (1 << 31,)) for i in range(512)],
    "the name of safetensors' own entry": [("__metadata__", "F32", (1,))],
}


@pytest.mark.parametrize("found", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_layout_is_refused_before_anything_is_allocated(found):
    data = document(*found)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            Layout.parse(data)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"tensors":{}}',
        b'{"tensors":[{"dtype":"F32","name":"a","shape":[1.5]}]}',
        b'{"tensors":[{"dtype":"F32","name":"a","shape":[true]}]}',
        b'{"tensors":[{"dtype":"F32","name":"a","shape":[1],"stride":[1]}]}',
        b'{"tensors":[{"dtype":"F32","name":"a"}]}',
        b'{"tensors": []}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_layout_is_malformed(data):
    with pytest.raises(Malformed):
        Layout.parse(data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_whatever_comes_is_a_layout_or_malformed(data):
    with contextlib.suppress(Malformed):
        Layout.parse(data)


def test_the_number_of_tensors_is_bounded_and_the_most_can_be_read_again():
    most = [Tensor(f"t{i:06d}", "U8", (1,)) for i in range(MAX_TENSORS)]
    with pytest.raises(Malformed, match="at most"):
        Layout.of([*most, Tensor("z", "U8", (1,))])
    layout = Layout.of(most)
    assert Layout.parse(layout.pack()) == layout


W = Tensor("w", "F32", (1,))


def test_what_a_models_places_mean_is_part_of_its_digest():
    plain = Layout.of([W])
    meant = [Layout.of([W], {"classes_": labels}) for labels in (["a", "b"], ["b", "a"], [])]
    assert len({plain.digest, *(layout.digest for layout in meant)}) == 4
    for layout in meant:
        assert Layout.parse(layout.pack()) == layout
    assert plain.pack() == b'{"tensors":[{"dtype":"F32","name":"w","shape":[1]}]}'


def test_lists_of_labels_stand_in_one_order():
    a = Layout.of([W], {"classes_": ["x"], "columns": ["y"]})
    assert a == Layout.of([W], {"columns": ["y"], "classes_": ["x"]})


@pytest.mark.parametrize(
    "meanings",
    [
        {f"m{i}": () for i in range(MAX_MEANINGS + 1)},
        {"m": ["x"] * (MAX_LABELS + 1)},
        {"m": ["x" * (MAX_NAME + 1)]},
        {"m" * (MAX_NAME + 1): []},
    ],
    ids=["lists", "labels", "a label", "a name"],
)
def test_labels_are_bounded(meanings):
    with pytest.raises(Malformed):
        Layout.of([W], meanings)


def test_labels_in_disorder_are_malformed():
    two = b'{"labels":[],"name":"b"},{"labels":[],"name":"a"}'
    with pytest.raises(Malformed, match="sorted"):
        Layout.parse(b'{"meanings":[' + two + b'],"tensors":[]}')
