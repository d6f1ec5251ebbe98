"""Models for tables: the kinds that a spec may name, and the interface that sites call each round.

A round at one site: start at the merged parameters, train on the site's rows, contribute. The
contributions' mean, weighted by training rows, is the next round's start. A model is a plain value
without state; a site's memory between rounds is the dict of arrays that `fit` returns. It never
leaves the site, and losing it costs a little accuracy for a few rounds, no more.
"""

from __future__ import annotations

import difflib
from typing import Literal, Protocol

import numpy.typing as npt

from swarmhub.data.summaries import Design
from swarmhub.errors import BadInput
from swarmhub.recipes.logistic import Logistic, Objective, Parameters
from swarmhub.recipes.mlp import Mlp
from swarmhub.recipes.solver import Array

Kind = Literal["logistic", "mlp"]
KINDS: tuple[Kind, ...] = ("logistic", "mlp")


class TabularModel(Protocol):
    """One model over a design's features. All arrays are float64 and finite."""

    def initial(self) -> Parameters:
        """Return the parameters before the first round; the same at every site."""

    def fit(
        self, parameters: Parameters, x: Array, y: npt.ArrayLike, local: Parameters
    ) -> tuple[Parameters, Parameters]:
        """Train one round: merged parameters, x (n, p), y (n,) in {0, 1}, the site's state ({} at
        first or after a loss) -> (contribution, new state)."""

    def predict(self, parameters: Parameters, x: Array) -> Array:
        """Return the probability of label 1: x (n, p) -> (n,)."""


def make_model(kind: Kind, design: Design, seed: int) -> TabularModel:
    """Return the model of this kind over the design. Raises BadInput for an unknown kind."""
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(KINDS)}."
        raise BadInput(f"The model '{str(kind)[:60]}' is not known; {hint}")
    features = len(design.names)
    objective = Objective.of(features, design.class_rows)
    if kind == "logistic":
        return Logistic(features, objective)
    return Mlp(features, objective, seed)
