"""A study of four markers on tables that are drawn, for tests of a whole run."""

import numpy as np

TERMS = """
name = "markers"
title = "Do four markers tell who is ill?"
min_peers = 2
quorum_grace_ms = 2000
leader_timeout_ms = 5000
rounds = 10
[data.outcome]
column = "ill"
positive = ["1"]
"""


def write_table(path, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 4))
    ill = (x @ [1.2, -0.8, 0.5, 0.0] + rng.logistic(size=80) > 0).astype(int)
    rows = [",".join(["ill", *(f"marker{k}" for k in range(4))])]
    rows += [",".join(map(str, (y, *row))) for y, row in zip(ill, x.tolist(), strict=True)]
    path.write_text("\n".join(rows) + "\n")
