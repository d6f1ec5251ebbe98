"""Fitted on tables: hospital 2 has the columns in another order, as `feature_names_in_` says."""

import argparse

import numpy as np
from sklearn.linear_model import SGDClassifier

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
home = parser.parse_args().home
columns = {"age": 2.0, "bmi": -1.0, "crp": 0.5}
order = ["crp", "age", "bmi"] if home[-1] == "2" else list(columns)
x = np.random.default_rng(int(home[-1])).normal(size=(200, 3))
y = (x @ [columns[name] for name in order] > 0).astype(int)
model = SGDClassifier(loss="log_loss", random_state=0)
model.partial_fit(x, y, classes=[0, 1])
model.feature_names_in_ = np.array(order, dtype=object)  # as a fit on a data frame leaves it
with swarmhub.join("s", home) as swarm:
    for turn in swarm.rounds(model):
        model.partial_fit(x, y)
        turn.report(samples=200)
