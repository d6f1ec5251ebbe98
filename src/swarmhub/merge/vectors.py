"""This machine's arithmetic against recorded results.

A member with a CPU, NumPy or flush-to-zero setting that computes other bits would accuse honest
leaders and be accused itself; so a node runs `self_test` before it joins any round. `vectors.json`
holds the inputs of a few members for every type, subnormals, ties and -0.0 among them, and the
merged values under every rule, as hex of the little-endian elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from swarmhub import codec
from swarmhub.errors import MergeError
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
    return {
        t.name: merged[at : at + t.nbytes].hex()
        for t, at in zip(layout.tensors, layout.offsets, strict=True)
    }


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
        found = compute(vectors, rule)
        wrong = [name for name in expected if found[name] != expected[name]]
        if wrong:
            raise MergeError(
                f"This machine's arithmetic differs from the swarm's: {rule.name} of {wrong[0]} "
                f"gives {found[wrong[0]]}, expected {expected[wrong[0]]}; check that nothing sets "
                "flush-to-zero and that NumPy is an official build."
            )


def _buffer(layout: Layout, tensors: dict[str, str]) -> bytes:
    data = bytearray(layout.nbytes)
    for tensor, at in zip(layout.tensors, layout.offsets, strict=True):
        data[at : at + tensor.nbytes] = bytes.fromhex(tensors[tensor.name])
    return bytes(data)
