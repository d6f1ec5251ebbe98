"""A trainer that adds one array; hospital 3 has another shape: `--home H`."""

import argparse

import numpy as np

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
home = parser.parse_args().home
columns = 4 if home.endswith("3") else 3
with swarmhub.join("s", home) as swarm:
    found = swarm.sum("size", {"rows": np.ones(columns, int)})
    print("rows", *found.arrays["rows"], flush=True)
