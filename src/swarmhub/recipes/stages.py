"""The stages of a study over tables at one hospital: the penalty, and leaving hospitals out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from swarmhub.contract.stages import find_stage
from swarmhub.recipes import plan
from swarmhub.recipes.fixed import Fixed, find_fixed
from swarmhub.recipes.linear.consensus import State
from swarmhub.recipes.linear.grid import Start, choice_arrays, grid_round, read_choice
from swarmhub.recipes.linear.masked import PARTS
from swarmhub.recipes.linear.stack import Stack
from swarmhub.recipes.linear.training import Training
from swarmhub.recipes.site import Arrays, Site
from swarmhub.train.summands import Summed

Step = Callable[[Mapping[str, npt.NDArray[Any]] | None, State], tuple[Arrays, State]]

FIXED = 0.1  # C of a study without a grid that names none
FIXED_BY_DEFAULT = ("cox", "fedavg")  # recipes that learn none


def run_sums(site: Site, stage: str, step: Step, what: str, fixed: Fixed | None = None) -> Summed:
    """Take part in a `sum` stage until it is over, and return its last result. `step` makes this
    hospital's arrays from the newest sums (None before the first) and its state; `fixed` is the
    fixed point in which they are added, in a masked study."""
    swarm = site.swarm
    found = swarm.result(stage)
    terms = find_stage(swarm.spec, stage)
    most = terms.max_rounds if terms else 0
    state: State = {}
    while found is None or not found.is_last:
        arrays, state = step(None if found is None else _read(fixed, found).arrays, state)
        sent = arrays if fixed is None else fixed.write(arrays)
        found = swarm.sum(stage, sent, samples=len(site.y))
        if most > 1:
            site.say(f"{what}: round {found.turn} of at most {most}")
    return _read(fixed, found)


def _read(fixed: Fixed | None, found: Summed) -> Summed:
    """Return a stage's result in the unit of its step."""
    return found if fixed is None else replace(found, arrays=fixed.read(found.arrays))


def learn_start(site: Site) -> Start:
    """Return the start of training: the penalty learnt in the swarm, or the one of the terms."""
    strength = plan.read_penalty(site.swarm.spec)
    if find_stage(site.swarm.spec, plan.PENALTY) is None:
        rows, features = site.design.class_rows, len(site.design.sources)
        return Training.cold(features, rows, strength or FIXED, site.loss).start
    grid = site.grid_plan
    stack = grid.stack(*site.take_sample())
    if site.sample is not None:
        share = f"{len(site.sample)} of {len(site.y)} training rows"
        site.say(
            f"the penalty is learnt on {share}, evenly over classes and patients; options.penalty "
            "in the terms fixes it, which saves these rounds"
        )

    def step(sums: Any, state: State) -> tuple[Arrays, State]:
        return grid_round(grid, stack, sums, state)

    fixed = find_fixed(site.swarm.spec, plan.PENALTY, PARTS, site.rows_of_all)
    last = run_sums(site, plan.PENALTY, step, "the penalty is learnt", fixed).arrays

    def choose(sums: Any, state: State) -> tuple[Arrays, State]:
        every = Stack.of(site.plan.final, site.axes, site.y)
        return choice_arrays(grid, stack, every, last), state

    fixed = find_fixed(site.swarm.spec, plan.CHOICE, PARTS, site.rows_of_all)
    known = run_sums(site, plan.CHOICE, choose, "the penalty is chosen", fixed)
    start = read_choice(site.plan, last, known.arrays)
    site.say(f"the penalty was chosen in the swarm: C = {start.strength:g}")
    return start
