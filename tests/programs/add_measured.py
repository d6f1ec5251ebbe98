"""A trainer that adds a number of its own, and measures its own model, too: `--home H --study S
--add X --pause SECONDS`. The metric is a hundredth of the parameter."""

import argparse
import time

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
parser.add_argument("--study", default="s")
parser.add_argument("--add", type=float, default=1.0)
parser.add_argument("--pause", type=float, default=0.0)  # in every round
given = parser.parse_args()
model = {"w": np.zeros(4)}


def measure():
    return {"auc": float(model["w"][0]) / 100}


with swarmhub.join(given.study, given.home) as swarm:
    for turn in swarm.rounds(model, evaluate=measure):
        time.sleep(given.pause)
        model["w"] += given.add
        turn.report(samples=10, **measure())
