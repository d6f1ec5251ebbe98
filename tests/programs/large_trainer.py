"""A trainer of a model of several megabytes: each hospital adds whole numbers of its own; it prints
the sha256 of the model that it ends with.

python large_trainer.py --home HOME [--floats N]
"""

import argparse
import hashlib

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home", required=True)
parser.add_argument("--floats", type=int, default=1_100_000)
given = parser.parse_args()

with swarmhub.join("s", home=given.home) as swarm:
    model = {"w": np.arange(given.floats, dtype=np.float32) % 64, "b": np.zeros(3, np.float32)}
    for round in swarm.rounds(model):
        rng = np.random.default_rng([swarm.member, round.number])
        for array in model.values():
            array += 4 * rng.integers(-8, 8, size=array.shape).astype(np.float32)
        round.report(samples=100)
    digest = hashlib.sha256(model["b"].tobytes() + model["w"].tobytes())
    print("model", digest.hexdigest(), flush=True)
