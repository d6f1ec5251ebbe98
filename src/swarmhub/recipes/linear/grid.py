"""The stages `grid` and `choice`: the penalty is learnt on training patients only.

`grid`, a sum stage of several rounds, trains all models of a `Plan`. Its arrays are those of `sums`
and

    held, held_weight (K,)   loss and class weights of the held-out rows, by the last merge
    moving (1,) int64        1 while this hospital sees the held-out losses change

The stage ends early once `moving` is 0 at all hospitals: losses decide the choice, and they come to
rest long before the last digits of weakly penalised models do.

`choice`, one round, adds the losses of the last models and, at the mean of the fold models of each
strength, the gradient (G, d) over all training rows. Everybody draws the same `Start` from it: C,
the point, the gradient there, and the coupling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.consensus import Settled, State
from swarmhub.recipes.linear.coupling import start_of, warm
from swarmhub.recipes.linear.folds import Plan, choose, curves, held_out, mean_of
from swarmhub.recipes.linear.stack import Stack
from swarmhub.recipes.linear.sums import Arrays, Sums, from_sums, sum_round

STILL = 0.002  # nats, of a guess's 0.693; neighbours on the grid differ by more or do not matter
NEAR = 0.05  # nats above the lowest mean loss; strengths beyond are not chosen


@dataclass(frozen=True, eq=False)
class Start:
    """The start of training, the same at all hospitals: C, the point (d,), the gradient (d,) of
    the swarm there (None if it is not known) and the coupling."""

    strength: float
    point: Array
    gradient: Array | None
    coupling: float


def grid_round(plan: Plan, stack: Stack, sums: Sums | None, state: State) -> tuple[Arrays, State]:
    """Return this hospital's arrays for the next round of `grid` and its new state; `sums` are the
    newest settled ones, None before the first."""
    start = Settled.start(np.zeros(stack.shape), start_of(stack.models.penalty))
    arrays, new = sum_round(stack, sums, state, start)
    points = start.point if sums is None else from_sums(sums).point
    loss, weight = held_out(stack, points)
    now = None if sums is None else mean_curve(plan, sums)
    before = state.get("curve")
    moving = now is None or before is None or moves(before, now)
    if now is not None:
        new["curve"] = now
    arrays |= {"held": loss, "held_weight": weight, "moving": np.array([moving], dtype=np.int64)}
    return arrays, new


def mean_curve(plan: Plan, sums: Sums) -> Array:
    """Return the mean held-out loss by strength, (G,), of the sums of `grid` or `choice`."""
    return mean_of(curves(plan, np.asarray(sums["held"]), np.asarray(sums["held_weight"])))


def moves(before: Array, now: Array) -> bool:
    """Return whether the losses of the better strengths changed; (G,), (G,)."""
    near = now <= now.min() + NEAR
    return bool((np.abs(now - before)[near] > STILL).any())


def choice_arrays(plan: Plan, stack: Stack, whole: Stack, sums: Sums) -> Arrays:
    """Return this hospital's arrays for `choice`: `stack` is that of the grid, `whole` has the
    models plan.final over all training rows, `sums` are the last of the grid."""
    settled = from_sums(sums)
    loss, weight = held_out(stack, settled.point)
    points = plan.mean_of_folds(settled.point)  # (G, d)
    return {
        "held": loss,
        "held_weight": weight,
        "gradient": whole.rows[:, None] * whole.gradient(points),
        "rows": whole.rows,
    }


def read_choice(plan: Plan, grid: Sums, choice: Sums) -> Start:
    """Return the start of training out of the last sums of both stages."""
    loss, weight = np.asarray(choice["held"]), np.asarray(choice["held_weight"])
    chosen = choose(curves(plan, loss, weight))
    settled = from_sums(grid)
    gradient = np.asarray(choice["gradient"])[chosen] / max(float(choice["rows"][chosen]), 1.0)
    return Start(
        strength=plan.strengths[chosen],
        point=plan.mean_of_folds(settled.point)[chosen],
        gradient=gradient,
        coupling=warm(plan.by_fold(settled.coupling)[:, chosen], plan.final.penalty[chosen]),
    )
