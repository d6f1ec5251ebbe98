"""A trainer that adds the last digit of its home: `--home H --study S --wait-for FILE`."""

import argparse
import time
from pathlib import Path

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
parser.add_argument("--study", default="s")
parser.add_argument("--wait-for", type=Path, default=Path("/"))  # before it reports
given = parser.parse_args()
model = {"w": np.zeros(200_000)}
with swarmhub.join(given.study, given.home) as swarm:
    for turn in swarm.rounds(model):
        model["w"] += int(given.home[-1])
        while not given.wait_for.exists():
            time.sleep(0.05)
        turn.report(samples=10)
