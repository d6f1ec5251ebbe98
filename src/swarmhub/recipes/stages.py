"""The stages of a study over tables at one hospital: the penalty, and leaving hospitals out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.recipes import plan
from swarmhub.recipes.linear.consensus import Settled, State, advance, changes
from swarmhub.recipes.linear.coupling import start_of
from swarmhub.recipes.linear.grid import Start, choice_arrays, grid_round, read_choice
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.sums import from_sums, to_sums
from swarmhub.recipes.linear.training import Training
from swarmhub.recipes.site import Arrays, Site
from swarmhub.train.summands import Summed

Step = Callable[[Mapping[str, npt.NDArray[Any]] | None, State], tuple[Arrays, State]]

FIXED = 0.1  # C of a study without a grid that names none
NEAR = 0.002  # a model without a hospital that changes by a smaller share is done


def run_sums(site: Site, stage: str, step: Step, what: str) -> Summed:
    """Take part in a `sum` stage until it is over, and return its last result. `step` makes this
    hospital's arrays from the newest sums (None before the first) and its state."""
    swarm = site.swarm
    found = swarm.result(stage)
    terms = find_stage(swarm.spec, stage)
    most = terms.max_rounds if terms else 0
    state: State = {}
    while found is None or not found.is_last:
        arrays, state = step(None if found is None else found.arrays, state)
        found = swarm.sum(stage, arrays, samples=len(site.y))
        if most > 1:
            site.say(f"{what}: round {found.turn} of at most {most}")
    return found


def learn_start(site: Site) -> Start:
    """Return the start of training: the penalty learnt in the swarm, or the one of the terms."""
    strength = plan.read_penalty(site.swarm.spec)
    if find_stage(site.swarm.spec, plan.PENALTY) is None:
        rows, features = site.design.class_rows, len(site.design.sources)
        return Training.cold(features, rows, strength or FIXED, site.loss).start
    grid = site.plan
    stack = grid.stack(site.axes, site.y, site.fold)

    def step(sums: Any, state: State) -> tuple[Arrays, State]:
        return grid_round(grid, stack, sums, state)

    last = run_sums(site, plan.PENALTY, step, "the penalty is learnt").arrays
    known = site.swarm.result(plan.CHOICE)
    if known is None:
        whole = Stack.of(grid.final, site.axes, site.y)
        arrays = choice_arrays(grid, stack, whole, last)
        known = site.swarm.sum(plan.CHOICE, arrays, samples=len(site.y))
    start = read_choice(grid, last, known.arrays)
    site.say(f"the penalty was chosen in the swarm: C = {start.strength:g}")
    return start


def learn_left_out(site: Site, strength: float) -> None:
    """Train a model without each hospital, side by side: this hospital contributes to all of them
    but its own."""
    members = site.swarm.enrolled
    own = members.index(site.swarm.member) if site.swarm.member in members else -1
    seen = np.ones((len(members), len(site.y)), dtype=bool)
    if own >= 0:
        seen[own] = False
    label = site.y if site.loss.has_classes else np.zeros(len(site.y), dtype=np.int64)
    classes = range(len(site.design.class_rows))
    mine = np.stack([seen[:, label == c].sum(axis=1) for c in classes], axis=1).astype(np.float64)

    def step(sums: Any, state: State) -> tuple[Arrays, State]:
        rows = site.design.class_rows if sums is None else np.maximum(sums["seen"], 1.0)
        models = Models.of([strength] * len(members), rows, site.loss, site.has_own_intercept)
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
    seen, own = found.arrays["seen"], members.index(site.swarm.member)
    if len(seen) != len(members) or seen[own].min() <= 0:
        return None
    point: Floats = from_sums(found.arrays).point[own]
    return point
