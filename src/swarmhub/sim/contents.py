"""Parameters and statistics documents of simulated trainers, and spoiled ones."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from swarmhub import codec
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.merge import STRETCH_BYTES
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Fingerprint, Layout, Tensor, buffer_of
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Blob:
    """Bytes that claim to be a buffer of a layout, or a document."""

    form: Digest  # of the layout
    data: bytes

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Layout, length and chunk hashes."""
        hasher = ChunkHasher(self.form)
        for at in range(0, len(self.data), CHUNK_BYTES):
            hasher.feed(self.data[at : at + CHUNK_BYTES])
        return hasher.finish()

    @cached_property
    def digest(self) -> Digest:
        """The digest that names it."""
        return self.fingerprint.digest


def make_layout(floats: int) -> Layout:
    """Return the layout of a model of so many numbers."""
    return Layout.of([Tensor("w", "F64", (floats,))])


def parameters(values: np.ndarray) -> Blob:
    """Return a model with these numbers."""
    layout, data = buffer_of({"w": values})
    return Blob(layout.digest, data)


def values_of(blob: Blob, layout: Layout) -> np.ndarray:
    """Return the numbers of a model."""
    return np.frombuffer(blob.data, np.float64, layout.tensors[0].shape[0])


def is_well_formed(blob: Blob, layout: Layout) -> bool:
    """Return whether training could start from a blob."""
    return blob.form == layout.digest and bool(np.isfinite(values_of(blob, layout)).all())


def statistics(rows: int, mean: float) -> Blob:
    """Return the statistics document of a hospital's table of so many rows."""
    column = {
        "kind": "numeric", "count": rows, "missing": 0, "mean": mean.hex(), "m2": (1.0).hex(),
    }  # fmt: skip
    ill = rows // 3
    labels = {"ill": ill, "well": rows - ill}
    document = {"rows": rows, "labels": labels, "columns": {"age": column}}
    return Blob(STATISTICS_LAYOUT, codec.encode(document))


def train(base: Blob | None, layout: Layout, me: MemberId, number: int, rng: random.Random) -> Blob:
    """Return a model after a little more training."""
    values = np.zeros(layout.tensors[0].shape[0]) if base is None else values_of(base, layout)
    return parameters(values + me + number / 7 + rng.random())


def empty(form: Digest, layout: Layout) -> Blob:
    """Return a blob of a form, which could be merged."""
    if form == STATISTICS_LAYOUT:
        return statistics(1, 0.0)
    return parameters(np.zeros(layout.tensors[0].shape[0]))


def spoiled(blob: Blob, layout: Layout) -> Blob:
    """Return another blob of the same form, which could be merged too; every number of it
    differs."""
    if blob.form == STATISTICS_LAYOUT:
        document = codec.decode(blob.data, 1 << 20)
        if "columns" not in document:  # was unmergeable
            document = codec.decode(empty(blob.form, layout).data, 1 << 20)
        found = dict(document["columns"]["age"])
        found["mean"] = (float.fromhex(str(found["mean"])) * 2 + 1).hex()
        return Blob(blob.form, codec.encode({**document, "columns": {"age": found}}))
    values = values_of(blob if blob.form == layout.digest else empty("", layout), layout)
    return parameters(np.where(np.isfinite(values), values, 0.0) * 2 + 1)


def unmergeable(form: Digest, layout: Layout) -> Blob:
    """Return a blob of the right form and length that nobody can merge, by no stretch of it: a
    single number may escape the drawn stretches, by the stated chance."""
    if form == STATISTICS_LAYOUT:
        return Blob(form, b'{"rows":-1}')
    values = np.ones(layout.tensors[0].shape[0])
    values[1 :: STRETCH_BYTES // 8] = np.nan
    return parameters(values)


def misshapen() -> Blob:
    """Return parameters of another model."""
    return parameters(np.ones(2))
