"""All hospitals call the two classes by the same names."""

import argparse

import numpy as np
from sklearn.linear_model import SGDClassifier

import swarmhub

parser = argparse.ArgumentParser()
parser.add_argument("--home")
home = parser.parse_args().home
x = np.random.default_rng(int(home[-1])).normal(size=(200, 3))
y = np.array(["benign", "tumour"])[(x @ [2.0, -1.0, 0.5] > 0).astype(int)]
model = SGDClassifier(loss="log_loss", random_state=0)
model.partial_fit(x, y, classes=np.unique(y))
with swarmhub.join("s", home) as swarm:
    for turn in swarm.rounds(model):
        model.partial_fit(x, y)
        turn.report(samples=200)
