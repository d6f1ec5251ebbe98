"""All hospitals in one process: a rehearsal without nodes, for comparisons and tests.

Sums and means are those of the stages; the order of hospitals is that of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.alone import count_rows
from swarmhub.recipes.linear.axes import Array, Axes
from swarmhub.recipes.linear.consensus import State
from swarmhub.recipes.linear.folds import FOLDS, STRENGTHS, Plan
from swarmhub.recipes.linear.grid import Start, choice_arrays, grid_round, read_choice
from swarmhub.recipes.linear.losses import LOGISTIC, Loss
from swarmhub.recipes.linear.stack import Stack
from swarmhub.recipes.linear.sums import AGREED, Arrays
from swarmhub.recipes.linear.training import Training

Meets = Callable[[int, int], bool]  # (round, hospital); rounds count from 1


@dataclass(frozen=True, eq=False)
class Hospital:
    """Training rows of a hospital: x (n, p), outcomes y (n,), fold (n,) of the rows' patients."""

    x: Array
    y: npt.NDArray[Any]
    fold: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rehearsal:
    """Rounds and grid of a rehearsal; `absent` and `lost` say at which hospitals a round is missed,
    or begins without the state. Training ends early once `moving` is at most `still` millionths."""

    strengths: tuple[float, ...] = STRENGTHS
    folds: int = FOLDS
    loss: Loss = LOGISTIC
    own: bool = False
    grid_rounds: int = 8
    rounds: int = 20
    still: int = 0
    absent: Meets = field(default=lambda turn, hospital: False)
    lost: Meets = field(default=lambda turn, hospital: False)


@dataclass(frozen=True, eq=False)
class Rehearsed:
    """A rehearsal's end: what training started from, the merged parameters, rounds that it took."""

    start: Start
    parameters: Arrays
    grid_rounds: int
    rounds: int


def add(arrays: Sequence[Arrays], agreed: Sequence[str] = AGREED) -> Arrays:
    """Return the sums of the hospitals' arrays, and what is agreed as the first has it."""
    first = arrays[0]
    found = {name: np.sum([a[name] for a in arrays], axis=0) for name in first}
    return found | {name: first[name] for name in agreed if name in first}


def average(arrays: Sequence[Arrays], rows: Sequence[float]) -> Arrays:
    """Return means by rows; whole numbers by their lower median."""
    share = np.array(rows) / sum(rows)
    found: Arrays = {}
    for name, first in arrays[0].items():
        values = [a[name] for a in arrays]
        if first.dtype == np.int64:
            found[name] = np.sort(np.array(values), axis=0)[(len(values) - 1) // 2]
        else:
            found[name] = np.sum([s * v for s, v in zip(share, values, strict=True)], axis=0)
    return found


def class_rows(hospitals: Sequence[Hospital], loss: Loss = LOGISTIC) -> tuple[int, ...]:
    """Return the rows of each class of all hospitals."""
    return count_rows(np.concatenate([h.y for h in hospitals]), loss)


def rehearse(hospitals: Sequence[Hospital], how: Rehearsal) -> Rehearsed:
    """Run the stages `grid`, `choice` and `train`."""
    plan = Plan(class_rows(hospitals, how.loss), how.strengths, how.folds, how.loss, how.own)
    axes = [Axes.of(h.x) for h in hospitals]
    stacks = [plan.stack(a, h.y, h.fold) for a, h in zip(axes, hospitals, strict=True)]
    sums, turns = run_grid(plan, stacks, how)
    whole = [Stack.of(plan.final, a, h.y) for a, h in zip(axes, hospitals, strict=True)]
    choices = [choice_arrays(plan, s, w, sums) for s, w in zip(stacks, whole, strict=True)]
    start = read_choice(plan, sums, add(choices))
    training = Training(hospitals[0].x.shape[1], plan.class_rows, start, loss=how.loss, own=how.own)
    parameters, rounds = run_training(training, hospitals, how)
    return Rehearsed(start, parameters, turns, rounds)


def run_grid(plan: Plan, stacks: Sequence[Stack], how: Rehearsal) -> tuple[Arrays, int]:
    """Run the stage `grid` -> (last sums, rounds)."""
    states: list[State] = [{} for _ in stacks]
    sums: Arrays | None = None
    for turn in range(1, how.grid_rounds + 1):
        sent = []
        for i, stack in enumerate(stacks):
            if how.absent(turn, i):
                continue
            state = {} if how.lost(turn, i) else states[i]
            arrays, states[i] = grid_round(plan, stack, sums, state)
            sent.append(arrays)
        sums = add(sent)
        if sums["moving"][0] == 0:
            break
    assert sums is not None
    return sums, turn


def run_training(
    training: Training, hospitals: Sequence[Hospital], how: Rehearsal
) -> tuple[Arrays, int]:
    """Run the stage `train` -> (merged parameters, rounds)."""
    stacks = [training.stack(h.x, h.y) for h in hospitals]
    states: list[State] = [{} for _ in stacks]
    merged = training.initial()
    for turn in range(1, how.rounds + 1):
        sent, rows = [], []
        for i, stack in enumerate(stacks):
            if how.absent(turn, i):
                continue
            state = {} if how.lost(turn, i) else states[i]
            made, states[i] = training.fit(merged, stack, state)
            sent.append(made)
            rows.append(len(hospitals[i].y))
        merged = average(sent, rows)
        if int(merged["moving"][0]) <= how.still:
            break
    return merged, turn
