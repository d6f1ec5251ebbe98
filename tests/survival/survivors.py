"""Simulated patients of hospitals, and a stage of sums without a network."""

import numpy as np

from swarmhub.recipes.survival.cox import AGREED, MAX_ROUNDS
from swarmhub.recipes.survival.likelihood import Rows
from swarmhub.recipes.survival.times import TimeGrid, observe

BETA = np.array([0.8, -0.5, 0.0, 0.3])
GRID = TimeGrid.of([k / 2 for k in range(1, 41)])


class Cohort:
    """Patients with columns x (n, 4), times up to 30 and events, at three hospitals of their own
    hazards; the stream of RandomState never changes, so numbers of other libraries stay valid."""

    def __init__(self, seed=1, rows=300, sites=3):
        rng = np.random.RandomState(seed)
        self.site = rng.randint(0, sites, rows)
        self.x = rng.standard_normal((rows, len(BETA)))
        hazard = np.exp(self.x @ BETA) * (0.08 + 0.04 * self.site)
        time, end = rng.exponential(1 / hazard), rng.uniform(1, 30, rows)
        self.time, self.event = np.minimum(time, end), time <= end
        self.observed = observe(GRID, self.time, self.event)

    def rows(self):
        """The rows of each hospital."""
        return [
            Rows(self.x[self.site == k], self.observed.take(self.site == k))
            for k in np.unique(self.site)
        ]


def add(parts, agreed=()):
    """Sums of the arrays of several hospitals."""
    return {
        name: parts[0][name] if name in agreed else sum(part[name] for part in parts)
        for name in parts[0]
    }


def run(cox, rows, most=MAX_ROUNDS):
    """All sums of the rounds of a Cox regression."""
    found = [None]
    while found[-1] is None or (found[-1]["moving"][0] and len(found) <= most):
        found.append(add([cox.arrays(one, found[-1]) for one in rows], AGREED))
    return found[1:]
