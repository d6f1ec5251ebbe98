"""A small neural network over sites: one hidden layer beside a linear path.

    score(x) = w.x + v.tanh(W'x / sqrt(p) + c) + b          W (p, h), c (h,), v (h,), h = 16

The linear path carries what a logistic regression would find; the hidden units add curves and
interactions. Tables of a few hundred patients need no more, and the linear path keeps wide tables
(thousands of genes) from being worse than a logistic regression.

Plain averaging of locally trained networks drifts where hospitals differ. So each round trains the
two layers apart, both from the merged model:

- the output layer (w, v, b) given the merged hidden units is a logistic regression on p + h inputs
  and takes one step of consensus ADMM (`objective`), with the penalty of the study;
- the hidden units (W, c) take a few plain gradient steps on the site's loss, given the merged
  output layer. The weighted mean of one such step is exactly the pooled step.

The merge is a plain weighted mean of all arrays; the ADMM state is the only local state. The
hidden units start from the study's seed, with pre-activations of variance about 1 whatever p is.
A unit that learns nothing stays a random feature, which the penalty on v keeps in check; what W
may learn is limited by few short steps (early stopping), so prefer 10 to 30 rounds to 100.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.objective import Objective, Parameters
from swarmhub.recipes.solver import Array, Loss, sigmoid

HIDDEN = 16
STEPS = 2  # gradient steps of the hidden units in a round; with more, sites that differ drift apart
RATE = 10.0  # their length; long because v is small and the gradient has a factor v / sqrt(p)


@dataclass(frozen=True)
class Mlp:
    """Class-balanced network. Parameters: `hidden.weight` (p, h), `hidden.bias` (h,),
    `weight` (p,), `mix` (h,), `bias` (1,)."""

    features: int
    objective: Objective
    seed: int

    def initial(self) -> Parameters:
        """Return seeded hidden units and a zero output layer."""
        rng = np.random.default_rng(self.seed)
        return {
            "bias": np.zeros(1),
            "hidden.bias": rng.standard_normal(HIDDEN),
            "hidden.weight": rng.standard_normal((self.features, HIDDEN)),
            "mix": np.zeros(HIDDEN),
            "weight": np.zeros(self.features),
        }

    def fit(
        self, parameters: Parameters, x: Array, y: npt.ArrayLike, local: Parameters
    ) -> tuple[Parameters, Parameters]:
        """Train one round at one site. x (n, p), y (n,) in {0, 1} -> (contribution, local
        state)."""
        inputs = np.concatenate([x, self._hidden(parameters, x)], axis=1)  # (n, p + h)
        loss = self.objective.loss(inputs, y)
        z = np.concatenate([parameters["weight"], parameters["mix"], parameters["bias"]])
        found, local = self.objective.step(loss, z, local)
        hidden = self._train_hidden(parameters, x, loss)
        p = self.features
        return hidden | {"bias": found[-1:], "mix": found[p:-1], "weight": found[:p]}, local

    def predict(self, parameters: Parameters, x: Array) -> Array:
        """Return the probability of label 1: x (n, p) -> (n,)."""
        linear = x @ parameters["weight"] + parameters["bias"]
        return sigmoid(linear + self._hidden(parameters, x) @ parameters["mix"])

    def _hidden(self, parameters: Parameters, x: Array) -> Array:
        scaled = x @ parameters["hidden.weight"] / np.sqrt(self.features)
        units: Array = np.tanh(scaled + parameters["hidden.bias"])  # (n, h)
        return units

    def _train_hidden(self, parameters: Parameters, x: Array, loss: Loss) -> Parameters:
        mix = parameters["mix"]
        linear = x @ parameters["weight"] + parameters["bias"]  # (n,)
        now = {name: parameters[name] for name in ("hidden.bias", "hidden.weight")}
        if not np.any(mix):
            return now  # the output layer ignores the hidden units: no gradient
        for _ in range(STEPS):
            units = self._hidden(now, x)
            slope = loss.slope(linear + units @ mix)  # (n,)
            back = np.outer(slope, mix) * (1.0 - units**2)  # (n, h)
            now = {
                "hidden.bias": now["hidden.bias"] - RATE * back.sum(axis=0),
                "hidden.weight": now["hidden.weight"]
                - RATE * (x.T @ back) / np.sqrt(self.features),
            }
        return now
