"""Logistic regression over sites by consensus ADMM.

Problem. With N rows in all sites together, standardised features x, labels y in {-1, +1} and class
weights s = N / (2 N_class), so that both classes weigh the same:

    minimise over w, b:   1/N  sum_j s_j log(1 + exp(-y_j (w.x_j + b)))  +  lambda/2 |w|^2

which is scikit-learn's LogisticRegression(C, class_weight="balanced") with lambda = 1 / (C N). The
intercept b is not penalised. N and N_class are the whole swarm's, out of the merged statistics, so
the solution is the same as if one site held all rows.

Method. Averaging independently trained models does not give that solution: if sites differ, each
runs to its own. Consensus ADMM (Boyd, Parikh, Chu, Peleato, Eckstein, "Distributed optimization and
statistical learning via ADMM", 2011, section 7.1, scaled form) does. With z the merged parameters,
f_i the mean loss of site i plus the penalty, and u_i a correction that never leaves the site, every
round is

    u_i <- u_i + w_i - z                                  (w_i, u_i of the site's last round)
    w_i <- argmin f_i(w) + rho/2 |w - z + u_i|^2          (solved to precision, below)
    contribute w_i + u_i;   z <- mean of contributions, weighted by rows

so the merge is a plain weighted mean. At rest w_i = z and u_i = -grad f_i(z) / rho: the gradients
sum to zero, which is the pooled optimum. Under a robust merge it is the point at which the robust
centre of the sites' gradients is zero.

A site that missed rounds or lost u_i cannot break this: right after any merge the u_i of the sites
that took part sum to zero again. A site without u_i sets it to its value at rest,
-grad f_i(z) / rho, which costs nothing at the solution.

rho decides the speed. The curvature of the loss grows with the number of correlated features, and
ADMM is fastest with rho between the smallest and the largest curvature, hence
rho = RHO sqrt(max(1, features / 100)), found on the data sets of docs/guides/tabular.md; results
change little between a third and three times that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.solver import Array, Loss, sigmoid

Parameters = dict[str, Array]

RHO = 0.1  # in units of the mean loss per row; features have unit variance
STRENGTH = 0.1  # C: lambda = 1 / (C N)


@dataclass(frozen=True)
class Objective:
    """The objective on which all sites agree before training. `rows` (N) and `class_rows` are the
    whole swarm's.

    `penalty` is lambda; `rho` ADMM's coupling; `class_weights` that of a row with label 0 and 1.
    """

    penalty: float
    rho: float
    class_weights: tuple[float, float]

    @classmethod
    def of(cls, features: int, class_rows: tuple[int, int]) -> Objective:
        """Return the objective for `features` standardised inputs and this many rows of each
        class."""
        rows = sum(class_rows)
        weights = (rows / (2.0 * class_rows[0]), rows / (2.0 * class_rows[1]))
        rho = RHO * math.sqrt(max(1.0, features / 100.0))
        return cls(penalty=1.0 / (STRENGTH * rows), rho=rho, class_weights=weights)

    def loss(self, x: Array, y: npt.ArrayLike) -> Loss:
        """Return the site's loss: x (n, p), y (n,) in {0, 1}."""
        signs = 2.0 * np.asarray(y, dtype=np.float64) - 1.0  # (n,)
        return Loss(x, signs, np.where(signs > 0, self.class_weights[1], self.class_weights[0]))

    def step(self, loss: Loss, z: Array, local: Parameters) -> tuple[Array, Parameters]:
        """Compute one round of ADMM at one site: merged z (p + 1,), the bias last, and the site's
        state -> (contribution (p + 1,), new state)."""
        ridge = np.append(np.full(len(z) - 1, self.penalty), 0.0)  # (p + 1,)
        if {"u", "w"} <= local.keys() and local["u"].shape == local["w"].shape == z.shape:
            u = local["u"] + local["w"] - z
        elif np.any(z):
            u = -(loss.gradient(z) + ridge * z) / self.rho
        else:
            u = np.zeros_like(z)  # the first round: nothing is known yet
        strength = self.rho + ridge
        w = loss.proximal(strength, self.rho * (z - u) / strength)
        return w + u, {"u": u, "w": w}


@dataclass(frozen=True)
class Logistic:
    """L2-regularised, class-balanced logistic regression: `weight` (p,), `bias` (1,)."""

    features: int
    objective: Objective

    def initial(self) -> Parameters:
        """Return zeros: the model that knows nothing."""
        return {"bias": np.zeros(1), "weight": np.zeros(self.features)}

    def fit(
        self, parameters: Parameters, x: Array, y: npt.ArrayLike, local: Parameters
    ) -> tuple[Parameters, Parameters]:
        """Train one round at one site. x (n, p), y (n,) in {0, 1} -> (contribution, local
        state)."""
        z = np.append(parameters["weight"], parameters["bias"])  # (p + 1,)
        found, local = self.objective.step(self.objective.loss(x, y), z, local)
        return {"bias": found[-1:], "weight": found[:-1]}, local

    def predict(self, parameters: Parameters, x: Array) -> Array:
        """Return the probability of label 1: x (n, p) -> (n,)."""
        return sigmoid(x @ parameters["weight"] + parameters["bias"])
