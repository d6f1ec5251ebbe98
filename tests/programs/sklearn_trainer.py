"""A trainer of a linear classifier: `--home H`. Each hospital has data of its own."""

import argparse

import numpy as np
from sklearn.linear_model import SGDClassifier

import swarmhub

p = argparse.ArgumentParser()
p.add_argument("--home")
home = p.parse_args().home
rng = np.random.default_rng(int(home[-1]))
x = rng.normal(size=(200, 4))
y = (x[:, 0] - x[:, 2] > 0).astype(int)
model = SGDClassifier(loss="log_loss", random_state=0).fit(x, y)
with swarmhub.join("s", home) as swarm:
    for turn in swarm.rounds(model, evaluate=lambda: {"accuracy": model.score(x, y)}):
        model.partial_fit(x, y)
        turn.report(samples=len(x))
np.savez(home + "/final.npz", coef=model.coef_)
