"""The sums of linear models in a masked study: bounds of their arrays, and training by sums.

    penalty, choice     as in plain (`grid`), in fixed point
    fit                 the model of the chosen penalty: the rounds that are `train` in plain

A masked `train` round adds float32 parameters, with steps that depend on the clip. The state of a
training (inner products of residuals, a tag, whether it moves) needs other steps and exact numbers;
so it is a stage of sums, with a test, and the model that it makes goes through one round of
training, in which it does not change.
"""

from __future__ import annotations

import numpy as np

from swarmhub.contract.records import Bound
from swarmhub.recipes.fixed import range_of
from swarmhub.recipes.linear.consensus import Settled, State, advance, changes
from swarmhub.recipes.linear.grid import Start
from swarmhub.recipes.linear.stack import Stack
from swarmhub.recipes.linear.sums import Arrays, Sums, from_sums, to_sums

ROWS = 1 << 40
POINTS = 1 << 12  # of standardised features; steps of 2^-40
PRODUCTS = 1 << 14  # of residuals; steps of 2^-38
MILLION = 1_000_000

PARTS = frozenset(
    ["fresh", "gradient", "gram", "held", "held_weight", "multiplier", "point", "secant"]
)
MODELS = (
    range_of("point", POINTS),
    range_of("multiplier", POINTS),
    range_of("gram", PRODUCTS),
    range_of("secant", PRODUCTS, 0),
    range_of("fresh", 1, 0),
    range_of("coupling", POINTS, 0),
    Bound("tag", 0, 1, 48),  # exact: a tag has 48 bits
    Bound("rows", 0, ROWS),
    Bound("turn", 0, ROWS),
    Bound("moving", 0, 1),
)
HELD = (range_of("held", POINTS, 0), range_of("held_weight", POINTS, 0))
GRID = (*MODELS, *HELD)
CHOICE = (*HELD, range_of("gradient", POINTS), Bound("rows", 0, ROWS))


def fit_round(
    stack: Stack, start: Start, sums: Sums | None, state: State, still: int
) -> tuple[Arrays, State]:
    """Train one round at one hospital: the newest sums (None before the first: the start), its
    state ({} at first or after a loss) -> (arrays to be added, new state). It moves until the
    merged model changes by less than `still` millionths of its norm."""
    if sums is None:
        settled = Settled.start(start.point[None], np.array([start.coupling]))
    else:
        settled = from_sums(sums)
    is_known = settled.turn == 0 and start.gradient is not None
    known = start.gradient[None] if is_known and start.gradient is not None else None
    contribution, new = advance(stack, settled, state, known)
    moving = int(MILLION * changes(new)[0]) > still
    return to_sums(contribution, stack.rows) | {"moving": np.array([moving], dtype=np.int64)}, new
