"""A trainer with a fault: `--home H --fault not-a-number|infinite|too-many|silent|none`."""

import argparse

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
parser.add_argument("--fault", default="none")
given = parser.parse_args()
model = {"w": np.zeros(4)}
try:
    with swarmhub.join("s", given.home) as swarm:
        for turn in swarm.rounds(model):
            if given.fault == "not-a-number":
                model["w"][2] = float("nan")
            if given.fault == "infinite":
                model["w"][0] = float("inf")
            if given.fault != "silent":
                turn.report(samples=5000 if given.fault == "too-many" else 5)
except swarmhub.SwarmhubError as error:
    print("refused:", error, flush=True)
