"""Models of some of the hospitals, beside the one of all: the stage `left-out` at one hospital."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.recipes import plan
from swarmhub.recipes.contribution import coalitions_of
from swarmhub.recipes.linear.consensus import Settled, State, advance, changes
from swarmhub.recipes.linear.coupling import start_of
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.sums import from_sums, to_sums
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.stages import run_sums

NEAR = 0.002  # a model that changes by a smaller share is done


def learn_left_out(site: Site, strength: float) -> None:
    """Train the models of coalitions, side by side: one without each hospital, or all if
    contributions are asked for. This hospital adds to those that it is in."""
    members, coalitions = site.swarm.enrolled, coalitions_of(site)
    here = np.ones(len(coalitions), dtype=bool)
    if site.swarm.member in members:
        here = coalitions[:, members.index(site.swarm.member)]
    seen = np.repeat(here[:, None], len(site.y), axis=1)
    label = site.y if site.loss.has_classes else np.zeros(len(site.y), dtype=np.int64)
    classes = range(len(site.design.class_rows))
    mine = np.stack([seen[:, label == c].sum(axis=1) for c in classes], axis=1).astype(np.float64)

    def step(sums: Any, state: State) -> tuple[Arrays, State]:
        rows = site.design.class_rows if sums is None else np.maximum(sums["seen"], 1.0)
        models = Models.of([strength] * len(coalitions), rows, site.loss, site.has_own_intercept)
        stack = Stack.of(models, site.axes, site.y, seen)
        start = Settled.start(np.zeros(stack.shape), start_of(models.penalty))
        settled = start if sums is None or not sums["turn"][0] else from_sums(sums)
        new: State = {}
        contribution, is_moving = start, True
        if sums is not None:  # else the classes are counted first: they decide the weights
            contribution, new = advance(stack, settled, state)
            is_moving = bool((changes(new) > NEAR).any())
        arrays = to_sums(contribution, stack.rows)
        arrays |= {"seen": mine, "moving": np.array([is_moving], dtype=np.int64)}
        return arrays, new

    run_sums(site, plan.LEFT_OUT, step, "models without each hospital")


def read_left_out(site: Site) -> Floats | None:
    """Return the model without this hospital, (e (p + 1),), once there is one; None if it cannot
    be: the others have one class only, or this hospital was not there when they were counted."""
    if find_stage(site.swarm.spec, plan.LEFT_OUT) is None:
        return None
    found = site.swarm.result(plan.LEFT_OUT)
    members = site.swarm.enrolled
    if found is None or site.swarm.member not in members:
        return None
    seen, coalitions = found.arrays["seen"], coalitions_of(site)
    others = np.arange(len(members)) != members.index(site.swarm.member)
    place = int(np.flatnonzero((coalitions == others).all(axis=1))[0])
    if len(seen) != len(coalitions) or seen[place].min() <= 0:
        return None
    point: Floats = from_sums(found.arrays).point[place]
    return point
