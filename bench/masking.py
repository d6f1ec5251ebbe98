"""CPU seconds of masked sums beside a plain merge, and the error against the mean in float64.

    python bench/masking.py [--mb 25] [--members 4 8 16] [--seed 0]

For each number of members N, in one process: one member's quantising and masking, the leader's sum,
what every node does to unmask it, the same after (N - 1) // 3 members have dropped out, and a plain
weighted mean of the same models. Exits with 1 if a mean errs by more than 1e-7 of the clip, or an
unmasked sum differs from the sum of the quantised changes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from swarmhub import x25519
from swarmhub.merge import Rule, WeightedSource, merge_parameters
from swarmhub.merge.modular import merge_modular
from swarmhub.merge.vectors import Buffer
from swarmhub.params import Layout, buffer_of
from swarmhub.privacy import (
    Grid,
    Mask,
    Masking,
    Unmasking,
    mask_model,
    member_masks,
    remaining_masks,
    ring_layout,
    unmask_model,
)
from swarmhub.secret_sharing import ORDER, make_seed

CLIP, CONTEXT = Fraction(1, 10), b"bench"
LIMIT = 1e-7  # of the clip
TENSORS = 8

Floats = np.ndarray[tuple[int], np.dtype[np.float32]]


@dataclass(frozen=True)
class Case:
    """Models, weights and keys of N members."""

    layout: Layout
    base: bytes
    models: tuple[bytes, ...]
    weights: tuple[int, ...]
    seeds: tuple[bytes, ...]
    keys: tuple[bytes, ...]

    @property
    def grid(self) -> Grid:
        return Grid(CLIP, len(self.weights), sum(self.weights))

    @property
    def keyed(self) -> dict[int, bytes]:
        return {i: x25519.public_of(key) for i, key in enumerate(self.keys)}


def make_case(members: int, mb: int, seed: int) -> Case:
    """Random models near a base, with weights of 1 to 1,000."""
    rng = np.random.default_rng(seed)
    each = mb * 1_000_000 // 4 // TENSORS
    base = rng.normal(size=(TENSORS, each)).astype(np.float32)
    layout, stored = buffer_of(named(base))
    models = []
    for _ in range(members):
        change = rng.normal(scale=0.01, size=base.shape).astype(np.float32)
        models.append(bytes(buffer_of(named(base + change))[1]))
    weights = tuple(int(w) for w in rng.integers(1, 1001, members))
    return Case(
        layout,
        bytes(stored),
        tuple(models),
        weights,
        tuple(make_seed(rng.bytes(64)) for _ in range(members)),
        tuple(rng.bytes(32) for _ in range(members)),
    )


def named(rows: np.ndarray) -> dict[str, np.ndarray]:
    return {f"layer{i}": row for i, row in enumerate(rows)}


def pair_secret(key: bytes) -> bytes:
    """What t shares of a member's pair key recover."""
    scalar = int.from_bytes(key, "little") & (1 << 254) - 8 | 1 << 254
    return (scalar % ORDER).to_bytes(32, "little")


def join(chunks: Iterable[bytes | memoryview]) -> bytes:
    return b"".join(bytes(chunk) for chunk in chunks)


def mask(case: Case, member: int, masks: Sequence[Mask] | None = None) -> bytes:
    """One member's masked buffer; `masks` replaces its own."""
    if masks is None:
        masks = member_masks(CONTEXT, member, case.seeds[member], case.keys[member], case.keyed)
    masking = Masking(case.layout, case.grid, case.weights[member], tuple(masks))
    return join(c for c, _ in mask_model(masking, Buffer(case.models[member]), Buffer(case.base)))


def add(case: Case, blobs: dict[int, bytes]) -> bytes:
    inputs = [WeightedSource(i, case.weights[i], Buffer(blob)) for i, blob in blobs.items()]
    return join(merge_modular(ring_layout(case.layout), inputs))


def unmask(case: Case, summed: bytes, inside: Sequence[int], masks: Sequence[Mask]) -> bytes:
    weight = sum(case.weights[i] for i in inside)
    masking = Masking(case.layout, case.grid, weight, tuple(masks))
    return join(unmask_model(masking, Buffer(summed), Buffer(case.base)))


def masks_left(case: Case, inside: Sequence[int]) -> tuple[Mask, ...]:
    outside = set(case.keyed) - set(inside)
    found = Unmasking(
        {i: case.seeds[i] for i in inside}, {i: pair_secret(case.keys[i]) for i in outside}
    )
    return remaining_masks(CONTEXT, case.keyed, found)


def plain(case: Case) -> bytes:
    inputs = [
        WeightedSource(i, weight, Buffer(model))
        for i, (weight, model) in enumerate(zip(case.weights, case.models, strict=True))
    ]
    return join(merge_parameters(Rule("weighted_mean"), case.layout, inputs))


def timed(work: Callable[[], bytes]) -> tuple[float, bytes]:
    """CPU seconds of the fastest of three runs, and the result."""
    took, found = [], b""
    for _ in range(3):
        start = time.process_time()
        found = work()
        took.append(time.process_time() - start)
    return min(took), found


def error_of(case: Case, model: bytes, inside: Sequence[int]) -> float:
    """The largest difference to the exact mean beyond the rounding to float32, in clips."""
    worst, step, total = 0.0, 1 << 20, sum(case.weights[i] for i in inside)
    for at in range(0, len(model), step):
        rows = [values(case.models[i], at, step) * case.weights[i] for i in inside]
        mean = np.sum(rows, axis=0) / total
        room = np.spacing(np.abs(mean).astype(np.float32)).astype(np.float64) / 2
        worst = max(worst, float((np.abs(values(model, at, step) - mean) - room).max()))
    return worst / float(CLIP)


def values(data: bytes, at: int, step: int) -> np.ndarray:
    return np.frombuffer(data[at : at + step], "<f4").astype(np.float64)


def measure(members: int, mb: int, seed: int) -> bool:
    """Print one row; return whether it is exact."""
    case = make_case(members, mb, seed)
    everybody = list(range(members))
    remain = everybody[(members - 1) // 3 :]
    masking_s, first = timed(lambda: mask(case, 0))
    blobs = {0: first, **{i: mask(case, i) for i in everybody[1:]}}
    sum_s, summed = timed(lambda: add(case, blobs))
    unmask_s, model = timed(lambda: unmask(case, summed, everybody, masks_left(case, everybody)))
    partial = add(case, {i: blobs[i] for i in remain})
    drop_s, dropped = timed(lambda: unmask(case, partial, remain, masks_left(case, remain)))
    plain_s, _ = timed(lambda: plain(case))
    bare = add(case, {i: mask(case, i, ()) for i in remain})
    is_equal = hashlib.sha256(unmask(case, bare, remain, ())).digest() == (
        hashlib.sha256(dropped).digest()
    )
    error = max(error_of(case, model, everybody), error_of(case, dropped, remain))
    print(
        f"{members:3} {masking_s:8.3f} {sum_s:8.3f} {unmask_s:8.3f} {drop_s:8.3f} {plain_s:8.3f} "
        f"{error:9.1e} {'equal' if is_equal else 'DIFFERS'}"
    )
    return is_equal and error <= LIMIT


def main() -> int:
    """Measure each number of members."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=25, help="size of a model in megabytes")
    parser.add_argument("--members", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.mb} MB of float32; CPU seconds, the fastest of 3; error in clips")
    print(f"{'N':>3} {'mask':>8} {'sum':>8} {'unmask':>8} {'dropped':>8} {'plain':>8} {'error':>9}")
    results = [measure(members, options.mb, options.seed) for members in options.members]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
