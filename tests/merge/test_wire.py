"""Models in few bytes, against Python's floats and fractions."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_oracles import merged, nearest_even, value_of

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import NAMES, Rule, WeightedSource, check_contribution, merge_chunk
from swarmhub.merge.audit import draw, find_false_stretch
from swarmhub.merge.parameters import merge_parameters
from swarmhub.merge.vectors import Buffer
from swarmhub.merge.wire import (
    FORMATS,
    WIRE_TIMES,
    Zeros,
    apply_change,
    encode_model,
    is_coded_format,
    wire_layout,
)
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout, Tensor, arrays_from, buffer_of, leaf_of

finite = st.floats(-(2.0**100), 2.0**100, width=32)
LARGE = 300_000  # float32 values: more than one chunk


def a_model(seed: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    """A model of many types, shapes and chunks; the same integers for each seed."""
    rng = np.random.default_rng(seed)
    return {
        "a.large": (scale * rng.normal(size=(2, LARGE // 2))).astype(np.float32),
        "b.count": np.array([7, -3, 1 << 40]),
        "c.half": (scale * rng.normal(size=(5, 51))).astype(np.float16),
        "d.double": scale * rng.normal(size=()),
        "e.flag": np.array([True, False]),
        "f.none": np.zeros((0, 3), np.float32),
        "g.bytes": np.full((2, 256), 9, np.uint8),
    }


def near(base: dict[str, np.ndarray], seed: int, step: float = 0.01) -> dict[str, np.ndarray]:
    """A model with other floats, not far from a base."""
    moved = a_model(seed, step)
    return {
        n: (v + moved[n]).astype(v.dtype) if v.dtype.kind == "f" else v for n, v in base.items()
    }


BASE = a_model(0)
LAYOUT, STORED = buffer_of(BASE)


def encoded(form: str, own: dict[str, np.ndarray], member: int = 1) -> bytes:
    stored = Buffer(buffer_of(own)[1])
    return b"".join(encode_model(LAYOUT, form, member, stored, Buffer(STORED)))


def applied(form: str, change: bytes) -> dict[str, np.ndarray]:
    data = b"".join(apply_change(LAYOUT, form, Buffer(change), Buffer(STORED)))
    return arrays_from(io.BytesIO(data), LAYOUT)


def settled(form: str, sent: list[bytes], rule: Rule) -> bytes:
    sources = [WeightedSource(m, 10 + m, Buffer(data)) for m, data in enumerate(sent, 1)]
    wire = wire_layout(LAYOUT, form)
    return b"".join(merge_parameters(rule, wire, sources, Zeros(), is_coded_format(form)))


def block_oracle(values: list[float]) -> list[float]:
    """What 252 values, or fewer, are after one coded block, by fractions."""
    scale = float(np.float32(max(map(abs, values)) / 127))
    if not scale:
        return [0.0] * len(values)
    whole = [round(Fraction(v / scale)) for v in values]  # to nearest, ties to even
    return [max(-127, min(127, q)) * scale for q in whole]


def one(values: list[float]) -> tuple[Layout, bytes]:
    return buffer_of({"x": np.array(values, np.float32)})


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=300))
@settings(deadline=None)
def test_an_int8_change_is_that_of_fractions(pairs):
    (layout, own), (_, base) = one([x for x, _ in pairs]), one([y for _, y in pairs])
    change = b"".join(encode_model(layout, "int8", 1, Buffer(own), Buffer(base)))
    model = b"".join(apply_change(layout, "int8", Buffer(change), Buffer(base)))
    deltas = [float(np.float32(x)) - float(np.float32(y)) for x, y in pairs]
    found = block_oracle(deltas[:252]) + (block_oracle(deltas[252:]) if deltas[252:] else [])
    right = [
        nearest_even(float(np.float32(y)) + d, "F32")
        for (_, y), d in zip(pairs, found, strict=True)
    ]
    assert np.frombuffer(model, "<u4", len(pairs)).tolist() == right


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=40))
@settings(deadline=None)
def test_a_bf16_change_is_that_of_fractions(pairs):
    (layout, own), (_, base) = one([x for x, _ in pairs]), one([y for _, y in pairs])
    change = b"".join(encode_model(layout, "bf16", 1, Buffer(own), Buffer(base)))
    exact = [float(np.float32(x)) - float(np.float32(y)) for x, y in pairs]
    bits = [nearest_even(d, "BF16") for d in exact]
    assert np.frombuffer(change, "<u2", len(pairs)).tolist() == bits
    model = b"".join(apply_change(layout, "bf16", Buffer(change), Buffer(base)))
    moved = [
        float(np.float32(y)) + value_of(b, "BF16") for (_, y), b in zip(pairs, bits, strict=True)
    ]
    right = [nearest_even(v, "F32") for v in moved]
    assert np.frombuffer(model, "<u4", len(pairs)).tolist() == right


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_large_model_comes_back_within_the_step(form):
    own = near(BASE, seed=1)
    found = applied(form, encoded(form, own))
    for name, stored in own.items():
        if stored.dtype.kind != "f":
            assert (found[name] == stored).all()
        elif stored.size:
            step = np.abs(stored - BASE[name]).max() / (254 if form == "int8" else 256)
            rounding = np.abs(stored).max() * float(np.finfo(stored.dtype).eps)
            assert np.abs(found[name] - stored).max() <= step + rounding


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize("rule", NAMES)
def test_every_rule_merges_changes_as_it_merges_models(form, rule):
    models = [near(BASE, seed) for seed in (1, 2, 3, 4)]
    change = settled(form, [encoded(form, m, i) for i, m in enumerate(models)], Rule(rule, 250))
    sources = [WeightedSource(m, 10 + m, Buffer(buffer_of(x)[1])) for m, x in enumerate(models, 1)]
    plain = arrays_from(
        io.BytesIO(merged(Rule(rule, 250), LAYOUT, sources, Buffer(STORED))), LAYOUT
    )
    for name, found in applied(form, change).items():
        step = 0.05 / (127 if form == "int8" else 256)
        assert np.allclose(found, plain[name], rtol=2e-3, atol=2 * step)


@pytest.mark.parametrize("form", list(FORMATS))
def test_equal_changes_settle_as_what_each_has_sent(form):
    sent = encoded(form, near(BASE, seed=5))
    assert settled(form, [sent] * 3, Rule("weighted_mean")) == sent


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_chunk_and_a_stretch_are_recomputed_alone(form):
    sent = [encoded(form, near(BASE, seed), seed) for seed in (1, 2, 3)]
    rule, wire, coded = Rule("trimmed_mean", 250), wire_layout(LAYOUT, form), form == "int8"
    whole = settled(form, sent, rule)
    sources = [WeightedSource(m, 10 + m, Buffer(data)) for m, data in enumerate(sent, 1)]
    last = (len(whole) - 1) // CHUNK_BYTES
    chunk = merge_chunk(rule, wire, sources, last, coded=coded)
    assert leaf_of(chunk) == leaf_of(whole[last * CHUNK_BYTES :])
    starts = [0, 256 * 700, 256 * (len(whole) // 256 - 2)]
    cut = [b"".join(d[at : at + 256] for at in starts) for d in [*sent, whole]]
    parts = [WeightedSource(m, 10 + m, Buffer(data)) for m, data in enumerate(cut[:3], 1)]
    assert find_false_stretch(rule, wire, starts, parts, cut[3], coded) is None
    cut[3] = cut[3][:300] + bytes([cut[3][300] ^ 1]) + cut[3][301:]
    assert find_false_stretch(rule, wire, starts, parts, cut[3], coded) == starts[1]


@pytest.mark.parametrize("form", list(FORMATS))
def test_whatever_is_sent_the_model_is_finite(form):
    largest = float(np.finfo(np.float32).max)
    layout, base = one([largest, -largest, 1.0])
    wire = wire_layout(layout, form)
    raw = np.zeros(wire.nbytes, np.uint8)
    if form == "int8":
        raw[:3], raw[252:256] = (127, 129, 127), np.frombuffer(np.float32(largest).tobytes(), "u1")
    else:
        raw[:6].view("<u2")[:] = (0x7F7F, 0xFF7F, 0x7F7F)
    check_contribution(wire, 1, Buffer(raw.tobytes()), form == "int8")
    model = b"".join(apply_change(layout, form, Buffer(raw.tobytes()), Buffer(base)))
    assert np.isfinite(np.frombuffer(model, "<f4", 3)).all()


@pytest.mark.parametrize(("at", "byte"), [(0, 0x80), (255, 0x7F), (255, 0x80)])
def test_a_block_that_nobody_encodes_is_refused(at, byte):
    layout, _ = one([1.0] * 5)
    wire = wire_layout(layout, "int8")
    raw = bytearray(wire.nbytes)
    raw[254:256], raw[at] = b"\x80\x00", byte  # a scale that is infinite, negative; q of -128
    with pytest.raises(BadContribution, match="'x'"):
        check_contribution(wire, 1, Buffer(bytes(raw)), coded=True)


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_change_beyond_the_format_is_refused_at_home(form):
    layout, base = buffer_of({"x": np.array([0.0])})
    _, own = buffer_of({"x": np.array([1e120])})
    with pytest.raises(BadContribution, match=f"too large for the wire format {form}"):
        list(encode_model(layout, form, 1, Buffer(own), Buffer(base)))


def test_a_short_buffer_is_no_change():
    layout, base = one([1.0] * 5)
    with pytest.raises(MergeError, match="Expected 256 bytes"):
        list(apply_change(layout, "int8", Buffer(b""), Buffer(base)))


def test_large_models_take_a_half_and_a_quarter_of_the_bytes():
    layout = Layout.of([])
    layout, _ = buffer_of({"x": np.zeros(252_000, np.float32)})
    sizes = {form: wire_layout(layout, form).nbytes / layout.nbytes for form in FORMATS}
    assert sizes["bf16"] == 0.5
    assert math.isclose(sizes["int8"], 256 / 252 / 4)


def test_integers_are_sent_as_values_under_their_names():
    wire = wire_layout(LAYOUT, "int8")
    kept = {t.name: t.dtype for t in wire.tensors if len(t.shape) == 1}
    assert kept == {"b.count": "I64", "e.flag": "BOOL", "g.bytes": "U8"}
    assert all(at % 256 == 0 for at in wire.offsets)
    sent = encoded("int8", near(BASE, seed=1))
    at = wire.offsets[[t.name for t in wire.tensors].index("b.count")]
    assert np.frombuffer(sent, DTYPES["I64"], 4, at).tolist() == [7, -3, 1 << 40, 0]


def test_an_audit_draws_as_many_stretches_as_of_the_model():
    rng = np.random.default_rng(0)
    layout = Layout.of([Tensor("x", "F32", (6_250_000,))])
    for form in FORMATS:
        wire = wire_layout(layout, form)
        starts = draw(wire.nbytes, lambda n: int(rng.integers(n)), WIRE_TIMES[form])
        assert len(starts) >= 381  # those of 25 MB
