"""This machine's arithmetic against recorded results.

A member with a CPU, NumPy or flush-to-zero setting that computes other bits would accuse honest
leaders and be accused itself; so a node runs `self_test` before it joins any round. `vectors.json`
holds the inputs of a few members for every type, subnormals, ties and -0.0 among them, and the
merged values under every rule, as hex of the little-endian elements; for each wire format, what
such members settle and the model that follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from swarmhub import codec
from swarmhub.errors import MergeError
from swarmhub.merge import wire
from swarmhub.merge.parameters import merge_parameters
from swarmhub.merge.pieces import WeightedSource
from swarmhub.merge.rules import Rule
from swarmhub.params import Layout


@dataclass(frozen=True)
class Buffer:
    """A source in memory."""

    data: bytes

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`."""
        return self.data[offset : offset + length]


@dataclass(frozen=True)
class Input:
    """One member's tensors, hex of their elements by name."""

    member: int
    weight: int
    tensors: dict[str, str]


@dataclass(frozen=True)
class WireVectors:
    """Models of members that are sent in few bytes: by format and name, the change that is settled
    of them, and the model that follows from it."""

    layout: Layout
    inputs: tuple[Input, ...]
    base: dict[str, str]
    settled: dict[str, dict[str, str]]
    models: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Vectors:
    """The document vectors.json: expected tensors by rule and name; `base` is the model before,
    `capped` what the rules with weights give under `max_share_permille`."""

    layout: Layout
    inputs: tuple[Input, ...]
    base: dict[str, str]
    trim_permille: int
    max_share_permille: int
    expected: dict[str, dict[str, str]]
    capped: dict[str, dict[str, str]]
    wire: WireVectors


def packaged() -> Vectors:
    """Return the vectors that come with swarmhub."""
    text = resources.files("swarmhub.merge").joinpath("vectors.json").read_bytes()
    return codec.from_json(Vectors, codec.parse(text))


def compute(vectors: Vectors, rule: Rule) -> dict[str, str]:
    """Return the merged tensors, hex by name, as this machine computes them."""
    layout = vectors.layout
    contributions = [
        WeightedSource(i.member, i.weight, Buffer(_buffer(layout, i.tensors)))
        for i in vectors.inputs
    ]
    base = Buffer(_buffer(layout, vectors.base))
    merged = b"".join(merge_parameters(rule, layout, contributions, base))
    return _tensors(layout, merged)


def compute_wire(vectors: WireVectors, form: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settled change and the model of it, hex by name, as this machine computes them
    (rule: weighted mean)."""
    layout, base = vectors.layout, Buffer(_buffer(vectors.layout, vectors.base))
    sent = []
    for i in vectors.inputs:
        own = Buffer(_buffer(layout, i.tensors))
        coded = b"".join(wire.encode_model(layout, form, i.member, own, base))
        sent.append(WeightedSource(i.member, i.weight, Buffer(coded)))
    inner, coded_form = wire.wire_layout(layout, form), wire.is_coded_format(form)
    change = b"".join(
        merge_parameters(Rule("weighted_mean"), inner, sent, wire.Zeros(), coded_form)
    )
    model = b"".join(wire.apply_change(layout, form, Buffer(change), base))
    return _tensors(inner, change), _tensors(layout, model)


def list_rules(vectors: Vectors) -> Iterator[tuple[Rule, dict[str, str]]]:
    """Yield each rule with what it must give."""
    for name, expected in vectors.expected.items():
        yield Rule(name, vectors.trim_permille), expected
    for name, expected in vectors.capped.items():
        yield Rule(name, vectors.trim_permille, vectors.max_share_permille), expected


def self_test() -> None:
    """Raise MergeError, in one sentence, if this machine merges other bits than all others."""
    vectors = packaged()
    for rule, expected in list_rules(vectors):
        _compare(rule.name, compute(vectors, rule), expected)
    for form in wire.FORMATS:
        change, model = compute_wire(vectors.wire, form)
        _compare(f"the {form} change", change, vectors.wire.settled[form])
        _compare(f"the model of {form} changes", model, vectors.wire.models[form])


def _compare(what: str, found: dict[str, str], expected: dict[str, str]) -> None:
    wrong = [name for name in expected if found[name] != expected[name]]
    if wrong:
        raise MergeError(
            f"This machine's arithmetic differs from the swarm's: {what} of {wrong[0]} "
            f"gives {found[wrong[0]]}, expected {expected[wrong[0]]}; check that nothing sets "
            "flush-to-zero and that NumPy is an official build."
        )


def _tensors(layout: Layout, buffer: bytes) -> dict[str, str]:
    """Return the tensors of a buffer, hex by name."""
    return {
        t.name: buffer[at : at + t.nbytes].hex()
        for t, at in zip(layout.tensors, layout.offsets, strict=True)
    }


def _buffer(layout: Layout, tensors: dict[str, str]) -> bytes:
    data = bytearray(layout.nbytes)
    for tensor, at in zip(layout.tensors, layout.offsets, strict=True):
        data[at : at + tensor.nbytes] = bytes.fromhex(tensors[tensor.name])
    return bytes(data)
