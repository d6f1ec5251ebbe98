"""What few bytes cost: AUC of averaging with models as float32, and with changes as bf16 and int8.

    python bench/wire.py DATA [--splits 10] [--rounds 20] [--only heart alzheimer]

DATA holds the open data sets of `bench/penalty.py`. Without nodes, but with swarmhub's own
encoding, merge and model of a settled change: hospitals take five steps a round (recipe `fedavg`)
and are averaged, both ways in few bytes. `moved` is the largest difference of the AUC from that of
float32 in any split, `points` the distance of the model from that of float32, in parts of its
length.

A last table has seconds of one thread and bytes for a model of `--mb` megabytes.

Exits with 1 if the mean AUC of a data set moves by more than .002.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from penalty import SETS, Split, split

from swarmhub.merge import (
    Rule,
    WeightedSource,
    Zeros,
    apply_change,
    encode_model,
    is_coded_format,
    merge_parameters,
    wire_layout,
)
from swarmhub.merge.vectors import Buffer
from swarmhub.params import Layout, Tensor, buffer_of
from swarmhub.recipes.linear import Axes, Models, Stack
from swarmhub.recipes.linear.averaging import Walk, walk_down
from swarmhub.recipes.linear.losses import LOGISTIC
from swarmhub.recipes.stages import FIXED

FORMATS = ("float32", "bf16", "int8")
MOST = 0.002
MEAN = Rule("weighted_mean")
Floats = npt.NDArray[np.float64]


def average(form: str, layout: Layout, base: bytes, models: list[tuple[int, bytes]]) -> bytes:
    """Return the next model of hospitals' models and weights, as nodes compute it."""
    if form == "float32":
        sources = [WeightedSource(i, w, Buffer(m)) for i, (w, m) in enumerate(models, 1)]
        return b"".join(map(bytes, merge_parameters(MEAN, layout, sources)))
    wire, before = wire_layout(layout, form), Buffer(base)
    sent = []
    for i, (weight, model) in enumerate(models, 1):
        change = b"".join(encode_model(layout, form, i, Buffer(model), before))
        sent.append(WeightedSource(i, weight, Buffer(change)))
    merged = merge_parameters(MEAN, wire, sent, Zeros(), is_coded_format(form))
    change = b"".join(map(bytes, merged))
    return b"".join(map(bytes, apply_change(layout, form, Buffer(change), before)))


def train(data: Split, form: str, rounds: int) -> Floats:
    """Return the point (p + 1,) after rounds of averaging."""
    sizes = [len(h.y) for h in data.hospitals]
    ill = sum(int(h.y.sum()) for h in data.hospitals)
    models = Models.of([FIXED], (sum(sizes) - ill, ill), LOGISTIC)
    stacks = [Stack.of(models, Axes.of(h.x), h.y.astype(np.float64)) for h in data.hospitals]
    count = data.x.shape[1] + 1
    layout, model = buffer_of({"w": np.zeros(count, np.float32)})
    for _ in range(rounds):
        point = np.frombuffer(model, "<f4", count).astype(np.float64)
        own = [walk_down(stack, point, Walk()).astype(np.float32) for stack in stacks]
        stored = [bytes(buffer_of({"w": w})[1]) for w in own]
        model = average(form, layout, bytes(model), list(zip(sizes, stored, strict=True)))
    return np.frombuffer(model, "<f4", count).astype(np.float64)


def compare(name: str, options: argparse.Namespace) -> list[str]:
    """Print the rows of a data set; return what is beyond the limit."""
    sites, above = SETS[name](options.data), []
    data = [split(sites, seed, False) for seed in range(options.splits)]
    plain = [train(d, "float32", options.rounds) for d in data]
    before = [d.auc(p) for d, p in zip(data, plain, strict=True)]
    for form in FORMATS:
        points = plain if form == "float32" else [train(d, form, options.rounds) for d in data]
        found = [d.auc(p) for d, p in zip(data, points, strict=True)]
        moved = max(abs(a - b) for a, b in zip(found, before, strict=True))
        off = max(
            float(np.linalg.norm(a - b) / np.linalg.norm(b))
            for a, b in zip(points, plain, strict=True)
        )
        print(f"| {name} | {form} | {np.mean(found):.4f} | {moved:.4f} | {off:.1e} |", flush=True)
        if abs(np.mean(found) - np.mean(before)) > MOST:
            above.append(f"{name}, {form}: the mean AUC moves by more than {MOST}")
    return above


def clock(mb: float, members: int) -> None:
    """Print bytes, and seconds of each step for a large model."""
    rng, count = np.random.default_rng(0), int(mb * 250_000)
    layout = Layout.of([Tensor("w", "F32", (count,))])
    base = rng.normal(size=count).astype(np.float32)
    own = [(base + 0.01 * rng.normal(size=count)).astype(np.float32) for _ in range(members)]
    print(f"\n{mb:g} MB, {members} members, one thread")
    print("| wire | MB | encode s | merge s | model s |")
    print("|---|---|---|---|---|")
    for form in FORMATS[1:]:
        wire, before = wire_layout(layout, form), Buffer(base.tobytes())
        times = [time.process_time()]
        sent = [
            b"".join(encode_model(layout, form, i, Buffer(w.tobytes()), before))
            for i, w in enumerate(own, 1)
        ]
        times.append(time.process_time())
        sources = [WeightedSource(i, 1, Buffer(change)) for i, change in enumerate(sent, 1)]
        merged = merge_parameters(MEAN, wire, sources, Zeros(), is_coded_format(form))
        change = b"".join(map(bytes, merged))
        times.append(time.process_time())
        for _ in apply_change(layout, form, Buffer(change), before):
            pass
        times.append(time.process_time())
        encoding, merging, moving = np.diff(times)
        print(f"| {form} | {wire.nbytes / 1e6:.2f} | {encoding / members:.3f} | {merging:.3f} "
              f"| {moving:.3f} |")  # fmt: skip


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mb", type=float, default=25.0)
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=["heart", "alzheimer"])
    options = parser.parse_args()
    print("| data | wire | AUC | moved | points |")
    print("|---|---|---|---|---|")
    above = [said for name in options.only for said in compare(name, options)]
    clock(options.mb, members=4)
    for said in above:
        print(said, file=sys.stderr)
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
