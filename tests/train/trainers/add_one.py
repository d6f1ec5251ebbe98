"""Adds one to each weight in every round."""

import argparse

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
model = {"w": np.zeros(3)}
with swarmhub.join("s", parser.parse_args().home) as swarm:
    for turn in swarm.rounds(model):
        model["w"] += 1
        turn.report(samples=10)
