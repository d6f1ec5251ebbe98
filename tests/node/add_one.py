"""A trainer that adds one in every round, and keeps a private array: `--home H --study S`."""

import argparse

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
parser.add_argument("--study")
given = parser.parse_args()
model = {"w": np.full(4, len(given.study), float)}  # another model in each study
with swarmhub.join(given.study, given.home) as swarm:
    for turn in swarm.rounds(model):
        model["w"] += 1
        turn.local["seen"] = np.append(turn.local.get("seen", np.zeros(0)), turn.number)
        turn.report(samples=10)
print("over", swarm.final, flush=True)
