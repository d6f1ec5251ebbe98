"""Leave one hospital out: 1 and 2 train, 3 measures; then 2 and 3, and 1: `--home H`."""

import argparse

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
home = parser.parse_args().home
site = int(home[-1])
model = {"w": np.zeros(2)}
with swarmhub.join("s", home) as swarm:
    for turn in swarm.rounds(model, evaluate=lambda: {"auc": float(model["w"][0]) / 100}):
        model["w"] += site
        turn.report(samples=10)
