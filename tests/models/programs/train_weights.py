"""A trainer that adds one to the weights in every round: --home HOME, and a FILE with a label."""

import argparse
from pathlib import Path

import numpy as np

import swarmhub
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema, declare_label
from swarmhub.data.summaries import statistics_of

parser = argparse.ArgumentParser()
parser.add_argument("file", type=Path)
parser.add_argument("--home")
given = parser.parse_args()
schema = Schema.of(declare_label("label"))
rows = read_dataset(Files((given.file,)), schema, Findings())
model: dict[str, np.ndarray] = {}
with swarmhub.join("park", given.home, statistics_of(rows)) as swarm:

    def make() -> dict[str, np.ndarray]:
        design = Design.from_statistics(swarm.merged_statistics or b"")
        model.update(weight=np.zeros(len(design.names)), bias=np.zeros(1), coupling=np.ones(1))
        return model

    def look() -> dict[str, float]:
        return {"auc": 0.5 + float(model["weight"][0]) / 8}

    for turn in swarm.rounds(make, look):
        model["weight"] += 1.0
        turn.report(samples=rows.rows)
print("over", swarm.final, flush=True)
