"""A hospital's part in the rounds of a network: train from the merged model, measure it.

Each round trains some epochs from the merged parameters; the merge is the weighted mean of all
arrays (McMahan et al., AISTATS 2017). Beside it a network of this hospital alone is trained from
the same start by as many epochs, in the same rounds, so that no hospital keeps the others waiting
at the end. It is in `turn.local`, which survives a restart, and nothing else is.
"""

from __future__ import annotations

import numpy as np

from swarmhub.data.frames import Floats
from swarmhub.recipes.neural.fitting import Rows, choose_loss, fit, margins_of, set_threads
from swarmhub.recipes.neural.networks import Network
from swarmhub.recipes.neural.options import Schedule
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.training import Measured, load
from swarmhub.train.training import SwarmRound

ALONE = "alone:"


class NetworkTraining(Measured):
    """The training of a network at this hospital; `parameters` are the merged ones, in place."""

    def __init__(self, site: Site, network: Network, start: Arrays, schedule: Schedule) -> None:
        self.site, self.network, self.schedule = site, network, schedule
        self.parameters = {name: array.copy() for name, array in start.items()}
        self.start = start
        self.alone: Arrays | None = None  # once it has been trained
        self.loss = choose_loss(site.kind, site.loss.outputs)

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""
        seed = seed_round(self.site.swarm.spec.seed, turn.number)
        x, y = self.site.dense_x, self.site.y.astype(np.float64)
        shared = Rows(x, y, weigh(y, self.site.design.class_rows), self.loss)
        own = self._count_classes()
        if own is not None:
            kept = {n: turn.local[ALONE + n] for n in self.start if ALONE + n in turn.local}
            before = kept if kept.keys() == self.start.keys() else self.start
            rows = Rows(x, y, weigh(y, own), self.loss)
            self.alone = fit(self.network, before, rows, self.schedule, seed)
            turn.local = {ALONE + name: array for name, array in self.alone.items()}
        load(self.parameters, fit(self.network, self.parameters, shared, self.schedule, seed))
        turn.report(samples=len(y))

    def predict(self) -> Floats | None:
        """Return the merged model's predictions of the test patients, (n,) or (n, e)."""
        return self._predict(self.parameters)

    def predict_others(self) -> dict[str, Floats | None]:
        """Return the same of this hospital's own network, if there is one."""
        return {} if self.alone is None else {"local": self._predict(self.alone)}

    def _predict(self, arrays: Arrays) -> Floats | None:
        site = self.site
        x = site.dense_test_x
        if x is None:
            return None
        found = site.loss.predict(margins_of(self.network, arrays, x)[None])[0]
        return site.in_unit(found[0] if len(found) == 1 else np.ascontiguousarray(found.T))

    def _count_classes(self) -> tuple[int, ...] | None:
        """Return this hospital's rows of each class; None if it lacks one."""
        classes = len(self.site.design.class_rows)
        if not self.site.loss.has_classes:
            return (len(self.site.y),)
        own = np.bincount(self.site.y, minlength=classes)
        return tuple(own.tolist()) if own.min() else None


def weigh(y: Floats, class_rows: tuple[int, ...]) -> Floats:
    """Return the weight of each row, (n,): all classes together weigh the same, as in the linear
    recipe; 1 of a measured outcome."""
    if len(class_rows) == 1:
        return np.ones(len(y))
    rows = np.array(class_rows, dtype=np.float64)
    found: Floats = (rows.sum() / (len(rows) * rows))[y.astype(np.int64)]
    return found


def seed_round(seed: int, number: int) -> int:
    """Return the seed of a round of a study."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1)


def run_network(site: Site, network: Network, start: Arrays, schedule: Schedule) -> None:
    """Go through the stages at a hospital, from the start of the network."""
    site.need_dense()
    set_threads()
    model = NetworkTraining(site, network, start, schedule)
    for turn in site.swarm.rounds(model.parameters, model.measure):
        model.fit(turn)
        site.say(f"round {turn.number} of {turn.rounds}: trained on {len(site.y)} rows")
