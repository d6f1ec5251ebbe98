"""The stage `train`: one model over all training rows, merged by a mean weighted by rows.

The parameters are the model (`weight`, `bias`) and a few small arrays on which all hospitals have
to agree: they are merged like the model, by the mean (`turn` and `moving`, whole numbers, by the
lower median).

    multiplier (d,)    its mean; 0 unless a hospital is away
    coupling (1,)      rho
    gram (m, m), secant (2,), fresh (1,), tag (1,)     see `consensus`
    turn (1,) int64    rounds so far
    moving (1,) int64  by how much the merged model changed in the round before the last, in
                       millionths of its norm; a stage may end once it is small

The mixing needs a mean: under another merge rule set mixing=False, and each round is plain ADMM. At
rest the robust centre of the hospitals' gradients is zero then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from swarmhub.data.matrix import Rows, multiply
from swarmhub.recipes.linear.axes import Array, Axes, SparseAxes
from swarmhub.recipes.linear.consensus import Settled, State, advance, changes
from swarmhub.recipes.linear.coupling import start_of
from swarmhub.recipes.linear.grid import Start
from swarmhub.recipes.linear.losses import LOGISTIC, Loss, predict_rows
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.sums import Arrays

MILLION = 1_000_000
# arrays beside the model itself, which only training needs
TRAINING_ONLY = frozenset(
    ["coupling", "fresh", "gram", "moving", "multiplier", "secant", "tag", "turn"]
)


@dataclass(frozen=True, eq=False)
class Training:
    """An L2-regularised, class-balanced linear model over p features, from a start that all
    hospitals share."""

    features: int
    class_rows: tuple[int, ...]
    start: Start
    mixing: bool = True
    loss: Loss = LOGISTIC
    own: bool = False

    @classmethod
    def cold(
        cls, features: int, class_rows: tuple[int, ...], strength: float, loss: Loss = LOGISTIC
    ) -> Training:
        """Return training at a C that is given, from nothing."""
        coupling = start_of(Models.of([strength], class_rows).penalty)
        point = np.zeros(loss.outputs * (features + 1))
        start = Start(strength, point, None, float(coupling[0]))
        return cls(features, class_rows, start, loss=loss)

    def initial(self) -> Arrays:
        """Return the parameters before the first round; the same at all hospitals."""
        start = Settled.start(self.start.point[None], np.array([self.start.coupling]))
        return self._pack(start, MILLION)

    def stack(self, x: Rows, y: npt.ArrayLike) -> Stack:
        """Return a hospital's rows x (n, p), y (n,), ready for all rounds."""
        return self.stack_of(Axes.of(x), y)

    def stack_of(self, axes: Axes | SparseAxes, y: npt.ArrayLike) -> Stack:
        """Return the same, of rows with known axes and outcomes y (n,)."""
        models = Models.of([self.start.strength], self.class_rows, self.loss, self.own)
        return Stack.of(models, axes, y)

    def fit(self, parameters: Arrays, stack: Stack, local: State) -> tuple[Arrays, State]:
        """Train one round at one hospital: merged parameters, its rows, its state ({} at first or
        after a loss) -> (contribution, new state)."""
        settled = self._unpack(parameters)
        if self.own:
            settled = replace(settled, point=np.where(stack.is_free, 0.0, settled.point))
        gradient = self.start.gradient if settled.turn == 0 else None
        known = None if gradient is None else gradient[None]
        contribution, new = advance(stack, settled, local, known, self.mixing)
        made = self._pack(contribution, int(MILLION * changes(new)[0]))
        if self.own:  # their mean is for hospitals that have none
            made["bias"] = stack.intercepts_of(parameters["weight"])
        return made, new

    def predict(self, parameters: Arrays, x: Rows) -> Array:
        """Return predictions, x (n, p) -> (n,): the probability of label 1, or a standardised
        value; (n, e) probabilities of e classes."""
        return predict(self.loss, parameters["weight"], parameters["bias"], x)

    def _pack(self, settled: Settled, moving: int) -> Arrays:
        p, e = self.features, self.loss.outputs
        point = settled.point[0].reshape(e, p + 1)
        one = point[0] if e == 1 else None
        return {
            "bias": point[:, p] if one is None else one[p:],
            "coupling": settled.coupling,
            "fresh": settled.fresh,
            "gram": settled.gram[0],
            "moving": np.array([moving], dtype=np.int64),
            "multiplier": settled.multiplier[0],
            "secant": settled.secant[0],
            "tag": np.array([settled.tag]),
            "turn": np.array([settled.turn], dtype=np.int64),
            "weight": point[:, :p] if one is None else one[:p],
        }

    def _unpack(self, parameters: Arrays) -> Settled:
        e = self.loss.outputs
        weight, bias = parameters["weight"].reshape(e, -1), parameters["bias"].reshape(e, 1)
        point = np.concatenate([weight, bias], axis=1).reshape(-1)
        return Settled(
            point=point[None],
            multiplier=parameters["multiplier"][None],
            coupling=parameters["coupling"],
            gram=parameters["gram"][None],
            secant=parameters["secant"][None],
            fresh=parameters["fresh"],
            tag=float(parameters["tag"][0]),
            turn=int(parameters["turn"][0]),
        )


def predict(loss: Loss, weight: Array, bias: Array, x: Rows) -> Array:
    """Return predictions of rows x (n, p): (n,) of one output, (n, e) of more; weight (p,) or
    (e, p), bias (1,) or (e,)."""
    return predict_rows(loss, multiply(np.atleast_2d(weight), x) + bias[:, None])
