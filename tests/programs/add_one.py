"""A trainer that adds one in every round: `--home H --study S --size N --pause SECONDS`."""

import argparse
import time

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
parser.add_argument("--study", default="s")
parser.add_argument("--size", type=int, default=4)
parser.add_argument("--pause", type=float, default=0.0)  # in every round
given = parser.parse_args()
model = {"w": np.zeros(given.size), "count": np.zeros(2, np.int64)}
with swarmhub.join(given.study, given.home) as swarm:
    for turn in swarm.rounds(model, evaluate=lambda: {"auc": float(model["w"][0]) / 100}):
        time.sleep(given.pause)
        model["w"] += 1
        model["count"] += turn.number
        turn.local["seen"] = np.append(turn.local.get("seen", np.zeros(0)), turn.number)
        turn.report(samples=10)
        print("round", turn.number, flush=True)
print("over", swarm.final, flush=True)
