"""A trainer of a masked study: each hospital moves the model by numbers of its own; it prints them.

python masked_trainer.py --home HOME [--samples N] [--integers] [--data DIGEST]
"""

import argparse

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home", required=True)
parser.add_argument("--samples", type=int, default=0)
parser.add_argument("--integers", action="store_true", help="one array of whole numbers more")
parser.add_argument("--data", default="", help="digest of the data")
given = parser.parse_args()

with swarmhub.join("s", home=given.home) as swarm:
    swarm.name_data(given.data)
    me = swarm.member
    model = {"w": np.zeros((7, 5), np.float32), "b": np.zeros(3, np.float32)}
    if given.integers:
        model["n"] = np.zeros(2, np.int64)
    for round in swarm.rounds(model):
        rng = np.random.default_rng([me, round.number])
        for array in model.values():
            array += rng.normal(size=array.shape).astype(np.float32)
        round.report(samples=given.samples or 10 * me)
    for name, array in sorted(model.items()):
        print(name, array.astype("<f4").tobytes().hex(), flush=True)
