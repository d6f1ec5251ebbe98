"""Parameters, sums and documents of simulated trainers, and spoiled ones."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from swarmhub import codec
from swarmhub.contract.records import Bound, MergeRule, Stage, Until
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, INITIAL, SUM, TRAIN
from swarmhub.merge import STRETCH_BYTES, apply_change, encode_model, wire_layout
from swarmhub.merge.arithmetic import narrow, widen
from swarmhub.merge.blocks import stored_type, values_of
from swarmhub.merge.vectors import Buffer
from swarmhub.merge.wire import FORMATS
from swarmhub.params import (
    CHUNK_BYTES,
    DTYPES,
    ChunkHasher,
    Fingerprint,
    Layout,
    Tensor,
    buffer_of,
    write_buffer,
)
from swarmhub.privacy import ring_layout
from swarmhub.types import Digest, MemberId

Arrays = dict[str, np.ndarray]

MODEL, MOMENTS, FIT, COUNTS = "training", "moments", "fit", "evaluation"
FIT_ROUNDS, FIT_MOST = 4, 40  # the sums of the last rounds are smaller than that
GRADIENT = Bound("gradient", -1000, 1000)
HITS = Bound("hits", 0, 1000)
MOMENT = Bound("x", 0, 1000)  # if it is masked: a whole number


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


class Forms:
    """The layouts of a run, by stage and by digest. `floats`: numbers of a model; `masked`: it has
    rounds in which they leave as masked whole numbers, and sums of such numbers alone; `wire`: as
    changes in this format."""

    def __init__(self, floats: int, masked: bool = False, wire: str = "") -> None:
        number = "I64" if masked else "F64"
        self.of_stage = {
            MODEL: Layout.of([Tensor("w", "F32" if masked else "F64", (floats,))]),
            MOMENTS: Layout.of([Tensor("n", "I64", (2,)), Tensor("x", number, (floats,))]),
            FIT: Layout.of([Tensor("at", number, (3,)), Tensor("gradient", "I64", (5,))]),
            COUNTS: Layout.of([Tensor("hits", "I64", (4,))]),
        }
        self.model = self.of_stage[MODEL]
        self.whole = masked
        self.masked = ring_layout(self.model) if masked else None
        self.format = wire
        self.wire = wire_layout(self.model, wire) if wire else None
        known = [*self.of_stage.values(), *(x for x in (self.masked, self.wire) if x)]
        self.by_digest = {layout.digest: layout for layout in known}

    def find(self, digest: Digest) -> Layout:
        """Return the layout of a digest; the model's if there is none."""
        return self.by_digest.get(digest, self.model)


def make_stages(
    rounds: int, rule: MergeRule, statistics: bool, masked: bool = False
) -> tuple[Stage, ...]:
    """Return stages of every kind: sums of two sorts before a training, counts after it."""
    first = (Stage("statistics", DESCRIBE),) if statistics else ()
    until = Until(GRADIENT.array, FIT_MOST)
    return (
        *first,
        Stage(MOMENTS, SUM, bounds=(MOMENT,) if masked else ()),
        Stage(FIT, SUM, FIT_ROUNDS, until=until, bounds=(GRADIENT,), agreed=("at",)),
        Stage("initial", INITIAL),
        Stage(MODEL, TRAIN, rounds, rule),
        Stage(COUNTS, EVALUATE, bounds=(HITS,)),
    )


def sums(stage: str, turn: int, rng: random.Random, forms: Forms) -> Blob:
    """Return an honest contribution to a stage that adds arrays."""
    layout = forms.of_stage[stage]
    if stage == MOMENTS:
        x = np.full(layout.tensors[1].shape, rng.randrange(1000) if forms.whole else rng.random())
        return blob_of({"n": np.array([rng.randrange(100), 1]), "x": x})
    if stage == FIT:
        size = 64 >> 2 * (turn - 1)
        gradient = np.array([rng.randint(-size, size) for _ in range(5)])
        return blob_of({"at": np.full(3, turn if forms.whole else turn / 7), "gradient": gradient})
    return blob_of({"hits": np.array([rng.randrange(100) for _ in range(4)])})


def blob_of(arrays: Arrays) -> Blob:
    """Return arrays as a blob."""
    layout, data = buffer_of(arrays)
    return Blob(layout.digest, data)


def fill(layout: Layout, arrays: Arrays) -> Blob:
    """Return arrays as a blob of a layout, which may be that of a part."""
    out = io.BytesIO()
    write_buffer(arrays, layout, out)
    return Blob(layout.digest, out.getvalue())


def arrays_of(blob: Blob, layout: Layout) -> Arrays:
    """Return a blob's arrays; zeros if it is not of the layout."""
    if blob.form != layout.digest or len(blob.data) != layout.nbytes:
        return {t.name: np.zeros(t.shape, DTYPES[t.dtype]) for t in layout.tensors}
    pairs = zip(layout.tensors, layout.offsets, strict=True)
    return {
        t.name: np.frombuffer(blob.data, DTYPES[t.dtype], t.count, at).reshape(t.shape)
        for t, at in pairs
    }


def encode(own: Blob, base: Blob, forms: Forms, me: MemberId) -> Blob:
    """Return a model as the change that a member sends."""
    assert forms.wire is not None
    chunks = encode_model(forms.model, forms.format, me, Buffer(own.data), Buffer(base.data))
    return Blob(forms.wire.digest, b"".join(map(bytes, chunks)))


def move(base: Blob, change: Blob, forms: Forms) -> Blob:
    """Return the model that follows from a change."""
    chunks = apply_change(forms.model, forms.format, Buffer(change.data), Buffer(base.data))
    return Blob(forms.model.digest, b"".join(map(bytes, chunks)))


def spoil_change(change: Blob, forms: Forms) -> Blob:
    """Return another change, of which every number differs."""
    assert forms.wire is not None
    if len(change.data) != forms.wire.nbytes:
        change = Blob(forms.wire.digest, bytes(forms.wire.nbytes))
    kind = FORMATS[forms.format]
    rows = np.frombuffer(bytearray(change.data), stored_type(kind))
    values = np.empty(rows.size * values_of(kind))
    widen(rows, kind, values)
    narrow(np.where(np.isfinite(values), values, 0.0) * 2 + 1, kind, rows)
    return Blob(forms.wire.digest, rows.tobytes())


def is_well_formed(blob: Blob, layout: Layout) -> bool:
    """Return whether training could start from a blob."""
    is_form = blob.form == layout.digest
    return is_form and all(np.isfinite(a).all() for a in arrays_of(blob, layout).values())


def statistics(rows: int, mean: float) -> Blob:
    """Return the statistics document of a hospital's table of so many rows."""
    column = {
        "kind": "numeric", "count": rows, "missing": 0, "mean": mean.hex(), "m2": (1.0).hex(),
        "withheld": 0, "bins": {}, "pairs": 0, **dict.fromkeys(("x", "y", "xy"), (0.0).hex()),
    }  # fmt: skip
    ill = rows // 3
    labels = {"ill": ill, "well": rows - ill}
    document = {"rows": rows, "labels": labels, "columns": {"age": column}}
    return Blob(STATISTICS_LAYOUT, codec.encode(document))


def train(base: Blob | None, forms: Forms, me: MemberId, number: int, rng: random.Random) -> Blob:
    """Return a model after a little more training."""
    base = empty(forms.model.digest, forms) if base is None else base
    before = arrays_of(base, forms.model)["w"]
    return blob_of({"w": (before + me + number / 7 + rng.random()).astype(before.dtype)})


def empty(form: Digest, forms: Forms) -> Blob:
    """Return a blob of a form, which could be merged."""
    if form == STATISTICS_LAYOUT:
        return statistics(1, 0.0)
    if forms.wire is not None and form == forms.wire.digest:
        return Blob(form, bytes(forms.wire.nbytes))
    layout = forms.find(form)
    return fill(layout, arrays_of(Blob("", b""), layout))


def spoiled(blob: Blob, forms: Forms) -> Blob:
    """Return another blob of the same form, which could be merged too; every number of it
    differs."""
    if blob.form == STATISTICS_LAYOUT:
        document = codec.decode(blob.data, 1 << 20)
        if "columns" not in document:  # was unmergeable
            document = codec.decode(empty(blob.form, forms).data, 1 << 20)
        found = dict(document["columns"]["age"])
        found["mean"] = (float.fromhex(str(found["mean"])) * 2 + 1).hex()
        return Blob(blob.form, codec.encode({**document, "columns": {"age": found}}))
    if forms.wire is not None and blob.form == forms.wire.digest:
        return spoil_change(blob, forms)
    layout = forms.find(blob.form)
    return fill(layout, {n: _changed(a) for n, a in arrays_of(blob, layout).items()})


def _changed(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "i":  # within the bounds, and another
        other = (array % 100) + 1
        return np.asarray(other + (other == array))
    return np.asarray(np.where(np.isfinite(array), array, 0.0) * 2 + 1).astype(array.dtype)


def unmergeable(form: Digest, forms: Forms) -> Blob:
    """Return a blob of the right form and length that nobody can merge, by no stretch of it: a
    single number may escape the drawn stretches, by the stated chance."""
    if form == STATISTICS_LAYOUT:
        return Blob(form, b'{"rows":-1}')
    if forms.wire is not None and form == forms.wire.digest:
        return Blob(form, b"\xff" * forms.wire.nbytes)  # NaN, in either format
    found = {n: a.copy() for n, a in arrays_of(Blob("", b""), forms.find(form)).items()}
    for array in found.values():
        if array.dtype == np.int32:
            continue  # any masked number can be merged
        array[1 :: STRETCH_BYTES // 8] = 1 << 60 if array.dtype == np.int64 else np.nan
    return blob_of(found)


def misshapen() -> Blob:
    """Return parameters of another model."""
    return blob_of({"w": np.ones(2)})
