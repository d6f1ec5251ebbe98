"""A trainer that trains nothing, so that only the swarm's work counts.

It changes one number in every 400 kB, differently at each site and in each round, so that every
chunk of every contribution differs, also of its change (equal blobs would never travel: they are
content-addressed).
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np

import swarmhub


def main() -> None:
    """Join the study `bench` with a model of so many megabytes (float32, ten arrays)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--mb", type=float, required=True)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds of training")
    options = parser.parse_args()
    count = max(1, int(options.mb * 1_000_000 / 4 / 10))
    model = {f"layer{i}": np.full(count, 0.5, np.float32) for i in range(10)}
    with swarmhub.join("bench", options.home) as swarm:
        mine = random.Random(swarm.member).random()
        for turn in swarm.rounds(model):
            for array in model.values():
                array[::100_000] += mine / turn.number
            time.sleep(options.pause)
            turn.report(samples=100)


if __name__ == "__main__":
    main()
