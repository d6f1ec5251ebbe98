"""Masked models from end to end: quantise, mask, add, unmask, against means in float64."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from swarmhub.errors import BlobError, MaskError
from swarmhub.merge import WeightedSource
from swarmhub.merge.modular import merge_modular
from swarmhub.merge.vectors import Buffer
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout, buffer_of
from swarmhub.privacy import (
    Grid,
    Mask,
    Masking,
    mask_model,
    ring_layout,
    unmask_model,
)

CLIP = Fraction(1, 10)
WEIGHTS = (17, 400, 3)
GRID = Grid(CLIP, 3, sum(WEIGHTS))
PAIRS = {(0, 1): b"a" * 32, (0, 2): b"b" * 32, (1, 2): b"c" * 32}
SHAPES = {
    "one large tensor": {"w": (CHUNK_BYTES // 4 + 100,)},
    "tiny tensors": {f"t{i:03d}": (i % 7,) for i in range(200)},
    "around a chunk": {"a": (CHUNK_BYTES // 4 - 8,), "b": (3,), "c": (70,), "d": ()},
    "empty": {"a": (0,)},
}


def joined(chunks) -> bytes:
    return b"".join(bytes(c) for c in chunks)


def masks_of(member: int) -> tuple[Mask, ...]:
    return tuple(Mask(key, member == pair[0]) for pair, key in PAIRS.items() if member in pair)


def masked(layout: Layout, member: int, own: bytes, base: bytes) -> tuple[bytes, int]:
    masking = Masking(layout, GRID, WEIGHTS[member], masks_of(member))
    chunks = list(mask_model(masking, Buffer(own), Buffer(base)))
    return joined(c for c, _ in chunks), sum(clipped for _, clipped in chunks)


def values(layout: Layout, data: bytes) -> dict[str, np.ndarray]:
    return {
        t.name: np.frombuffer(data, DTYPES[t.dtype], t.count, at).astype(np.float64)
        for t, at in zip(layout.tensors, layout.offsets, strict=True)
    }


def make(shapes, kinds=("<f4",)) -> tuple[Layout, bytes, list[bytes]]:
    """A base and three models near it, of tensors that have the types in turn."""
    rng = np.random.default_rng(3)
    typed = {name: kinds[i % len(kinds)] for i, name in enumerate(shapes)}
    base = {n: rng.normal(size=shape).astype(typed[n]) for n, shape in shapes.items()}
    layout, stored = buffer_of(base)
    models = [
        {n: np.asarray(v + rng.normal(scale=0.01, size=v.shape)).astype(v.dtype)
         for n, v in base.items()}
        for _ in WEIGHTS
    ]  # fmt: skip
    return layout, bytes(stored), [bytes(buffer_of(m)[1]) for m in models]


def settle(layout: Layout, base: bytes, models: list[bytes]) -> bytes:
    """The next model, by way of masked buffers."""
    sources = [
        WeightedSource(i, 1, Buffer(masked(layout, i, own, base)[0]))
        for i, own in enumerate(models)
    ]
    summed = joined(merge_modular(ring_layout(layout), sources))
    masking = Masking(layout, GRID, sum(WEIGHTS), ())
    return joined(unmask_model(masking, Buffer(summed), Buffer(base)))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kinds", [("<f4",), ("<f8",), ("<f8", "<f4", "<f2")], ids=str)
def test_the_next_model_is_the_weighted_mean(name, kinds):
    layout, base, models = make(SHAPES[name], kinds)
    found, sent = values(layout, settle(layout, base, models)), [values(layout, m) for m in models]
    for tensor in layout.tensors:
        rows = [w * one[tensor.name] for w, one in zip(WEIGHTS, sent, strict=True)]
        mean = sum(rows) / sum(WEIGHTS)
        room = np.spacing(np.abs(mean).astype(DTYPES[tensor.dtype])).astype(np.float64)
        assert (np.abs(found[tensor.name] - mean) <= room + 1e-7 * float(CLIP)).all()


@pytest.mark.parametrize("name", SHAPES)
def test_padding_stays_zero_and_lengths_stay(name):
    layout, base, models = make(SHAPES[name], ("<f4", "<f8"))
    ring = ring_layout(layout)
    assert [t.shape for t in ring.tensors] == [t.shape for t in layout.tensors]
    data, result = masked(layout, 0, models[0], base)[0], settle(layout, base, models)
    for one, found in ((ring, data), (layout, result)):
        inside = np.zeros(one.nbytes, bool)
        for tensor, at in zip(one.tensors, one.offsets, strict=True):
            inside[at : at + tensor.nbytes] = True
        assert len(found) == one.nbytes
        assert not np.frombuffer(found, np.uint8)[~inside].any()


def test_float32_needs_no_byte_more():
    layout = make(SHAPES["around a chunk"])[0]
    assert ring_layout(layout).nbytes == layout.nbytes


def test_a_masked_model_looks_random():
    layout, base, models = make(SHAPES["one large tensor"])
    words = np.frombuffer(masked(layout, 0, models[0], base)[0], "<u4")[: CHUNK_BYTES // 4]
    counts = np.bincount(words >> 24, minlength=256)
    assert abs(counts - words.size / 256).max() < 6 * (words.size / 256) ** 0.5


def test_clipped_values_are_counted():
    layout, base, _ = make({"a": (5,), "b": (2,)})
    own = values(layout, base)
    own["a"][1], own["a"][3], own["b"][0] = 9, -9, 1e9
    stored = {n: v.astype("<f4") for n, v in own.items()}
    assert masked(layout, 0, bytes(buffer_of(stored)[1]), base)[1] == 3


def test_bfloat16_is_masked_by_its_values():
    layout, stored = buffer_of({"w": np.array([0x3F80, 0x4000], np.uint16)}, bf16=["w"])
    own = buffer_of({"w": np.array([0x3F82, 0x3FFF], np.uint16)}, bf16=["w"])[1]
    found = settle(layout, bytes(stored), [bytes(own)] * 3)
    assert np.frombuffer(found, "<u2", 2).tolist() == [0x3F82, 0x3FFF]


@pytest.mark.parametrize("kind", [np.int64, np.bool_, np.uint8])
def test_integers_are_refused_by_name(kind):
    layout, stored = buffer_of({"steps": np.ones(2, kind), "w": np.ones(2)})
    with pytest.raises(MaskError, match=r"got .* in 'steps'"):
        mask_model(Masking(layout, GRID, 1, ()), Buffer(stored), Buffer(stored))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    layout, base, _ = make({"a": (5,)})
    own = bytes(buffer_of({"a": np.array([0, bad, 0, 0, 0], "<f4")})[1])
    with pytest.raises(MaskError, match="finite"):
        masked(layout, 0, own, base)


def test_a_model_that_overflows_is_refused():
    layout, stored = buffer_of({"a": np.array([65504], "<f2")})
    words = bytes(buffer_of({"a": np.array([2**31 - 1], "<i4")})[1])
    masking = Masking(layout, replace(GRID, clip=Fraction(10**6)), 420, ())
    with pytest.raises(MaskError, match="finite"):
        list(unmask_model(masking, Buffer(words), Buffer(bytes(stored))))


def test_a_source_of_another_length_is_refused():
    layout, base, models = make({"a": (50,)})
    with pytest.raises((MaskError, BlobError), match="bytes of a model"):
        masked(layout, 0, models[0][:100], base)
    with pytest.raises(MaskError, match="bytes of a model"):
        list(unmask_model(Masking(layout, GRID, 1, ()), Buffer(b""), Buffer(base)))
