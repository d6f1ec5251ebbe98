"""The output layer's objective of the network, and its step of consensus ADMM.

With N rows in all sites together, standardised features x, labels y in {-1, +1} and class weights
s = N / (2 N_class):

    minimise over w, b:   1/N  sum_j s_j log(1 + exp(-y_j (w.x_j + b)))  +  lambda/2 |w|^2

The intercept is not penalised; lambda = 1 / (C N). With z the merged parameters, f_i the mean loss
of site i plus the penalty, and u_i a correction that never leaves the site, every round is

    u_i <- u_i + w_i - z                                  (w_i, u_i of the site's last round)
    w_i <- argmin f_i(w) + rho/2 |w - z + u_i|^2          (solved to precision)
    contribute w_i + u_i;   z <- mean of contributions, weighted by rows

(Boyd, Parikh, Chu, Peleato, Eckstein, "Distributed optimization and statistical learning via ADMM",
2011, section 7.1, scaled form.) A site without u_i sets it to its value at rest,
-grad f_i(z) / rho. The coupling is fixed here, rho = RHO sqrt(max(1, features / 100)): the hidden
units move on, so the accelerated iteration of `linear`, which the logistic regression has, would
chase them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.solver import Array, Loss

Parameters = dict[str, Array]

RHO = 0.1  # in units of the mean loss per row; features have unit variance
STRENGTH = 0.1  # C, if none is given


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
    def of(
        cls, features: int, class_rows: tuple[int, ...], strength: float = STRENGTH
    ) -> Objective:
        """Return the objective for `features` standardised inputs, this many rows of each class,
        and C = `strength`."""
        rows = sum(class_rows)
        weights = (rows / (2.0 * class_rows[0]), rows / (2.0 * class_rows[1]))
        rho = RHO * math.sqrt(max(1.0, features / 100.0))
        return cls(penalty=1.0 / (strength * rows), rho=rho, class_weights=weights)

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
