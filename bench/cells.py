"""One site with a million cells: seconds and memory of what a study of cell types does there.

Sparse counts are made (seeded), and a process of its own checks them, makes the statistics and the
features, and trains one round of a softmax regression of eight types. `peak_mb` is the largest
resident memory of that process (VmHWM), the data included, after each step. It is at most 4,096 MB
at full size, or the script says so and ends with 1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from swarmhub.contract.records import Declaration, Outcome
from swarmhub.data import logarithms
from swarmhub.data.check.merged import check_merged
from swarmhub.data.check.own import check_own
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design, Options
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Words
from swarmhub.data.schema import Schema
from swarmhub.data.split import divide_patients
from swarmhub.data.summaries import statistics_of
from swarmhub.merge.documents import merge_statistics
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.losses import Softmax
from swarmhub.recipes.linear.training import Training

TYPES = 8
PATIENTS = 200
LIMIT_MB = 4096
AT_ONCE = 2_000  # cells that are made together


def make_cells(cells: int, genes: int, seed: int, density: float = 0.08) -> Dataset:
    """Return log(1 + counts per 10,000) of cells of `TYPES` types, each with genes of its own, as
    sparse rows."""
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    y = rng.choice(TYPES, size=cells, p=np.arange(1, TYPES + 1) / (TYPES * (TYPES + 1) / 2))
    share = rng.gamma(0.5, 2.0, size=genes)  # of cells with a count: a few genes are everywhere
    share = np.minimum(share * density / share.mean(), 0.9)
    marked = rng.integers(0, TYPES, size=genes)
    room = int(cells * share.sum() * 1.3) + 1000
    data, indices = np.empty(room), np.empty(room, dtype=np.int32)
    indptr = np.zeros(cells + 1, dtype=np.int64)
    for start in range(0, cells, AT_ONCE):
        own = y[start : start + AT_ONCE]
        chance = share * np.where(marked == own[:, None], 2.0, 0.85)
        rows, columns = np.nonzero(rng.random((len(own), genes), dtype=np.float32) < chance)
        at = indptr[start]
        counts = rng.geometric(0.6, size=len(rows)).astype(np.float64)
        of_cell = np.bincount(rows, minlength=len(own))
        total = np.bincount(rows, counts, minlength=len(own))
        data[at : at + len(rows)] = logarithms.log1p(counts * (1e4 / total[rows]))
        indices[at : at + len(rows)] = columns
        indptr[start + 1 : start + 1 + len(own)] = at + np.cumsum(of_cell)
    stored = int(indptr[-1])
    data.resize(stored, refcheck=False)
    indices.resize(stored, refcheck=False)
    x = sp.csr_matrix((data, indices, indptr.astype(np.int32)), shape=(cells, genes))
    patient = rng.integers(0, PATIENTS, size=cells)
    names = Words(patient.astype(np.int32), tuple(f"P{k:03d}" for k in range(PATIENTS)))
    features = tuple(f"ENSG{k:011d}" for k in range(genes))
    return Dataset(x, features, y=y.astype(np.float64), kind="classes", patient=names)


def peak_mb() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Steps:
    """Seconds, CPU seconds and peak memory of each step."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.found[name] = {
            "seconds": round(time.perf_counter() - wall, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "peak_mb": round(peak_mb()),
        }
        print(f"{name}: {self.found[name]}", file=sys.stderr, flush=True)


def measure(cells: int, genes: int, seed: int, hold_out: float) -> dict[str, Any]:
    """Return the figures of one site with so many cells."""
    types = tuple(f"type {k}" for k in range(TYPES))
    schema = Schema.of(Declaration(Outcome("type", "classes", classes=types), patient="patient"))
    steps, found = Steps(), Findings(strict=False)
    with steps.step("data"):
        dataset: Dataset = make_cells(cells, genes, seed)
        stored = int(dataset.x.nnz)
    with steps.step("check"):
        check_own((), dataset, schema, found)
    if hold_out:
        with steps.step("split"):
            dataset, held = divide_patients(dataset, seed, hold_out)
    with steps.step("statistics"):
        own = statistics_of(dataset)
    with steps.step("features"):
        merged = merge_statistics({1: own})
        design = Design.from_statistics(merged, Options(kind="classes", classes=TYPES))
        check_merged(dataset, design, schema, (merged, own), found)
        x = design.rows(dataset)
        y = dataset.y
        assert y is not None
    with steps.step("axes"):
        axes = Axes.of(x)
    training = Training.cold(len(design.sources), design.class_rows, 0.1, Softmax(TYPES))
    with steps.step("one round"):
        stack = training.stack_of(axes, y)
        parameters, _ = training.fit(training.initial(), stack, {})
    tested, truth = x, y
    if hold_out:
        assert held.y is not None
        tested, truth = design.rows(held), held.y
    with steps.step("predictions"):
        best = training.predict(parameters, tested).argmax(axis=1)
    return {
        "cells": cells, "genes": genes, "stored": stored, "features": len(design.sources),
        "steps": steps.found, "accuracy": round(float((best == truth).mean()), 4),
        "peak_mb": round(peak_mb()), "limit_mb": LIMIT_MB,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="One site with a million sparse cells.")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hold-out", type=float, default=0.0, help="share of test patients")
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    if not given.here:  # a process of its own
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--here"], check=False)
        return done.returncode
    found = measure(given.cells, given.genes, given.seed, given.hold_out)
    print(json.dumps(found, indent=1))
    return int(found["peak_mb"] > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
