"""Logistic regression over hospitals, with a penalty that the swarm learns.

    axes        a hospital's rows in few, nearly diagonal coordinates
    newton      its local problems, many models side by side
    stack       K models over its rows: folds x penalties, or one per hospital that is left out
    anderson    mixing of past rounds
    coupling    how hard hospitals are pulled together
    consensus   one round of all models: the algorithm
    sums        a round as the arrays of a sum stage
    folds       cross-validation and the choice of the penalty
    grid        the stages that learn the penalty
    training    the stage that trains the model
    alone       the same recipe in one place
    offline     all hospitals in one process

Pure functions over numpy arrays. A study runs `grid`, `choice` and `train`:

    plan = Plan(class_rows)
    stack = plan.stack(Axes.of(x), y, fold)
    arrays, state = grid_round(plan, stack, sums, state)          until nothing moves
    arrays = choice_arrays(plan, stack, whole, sums)              once
    training = Training(p, class_rows, read_choice(plan, sums, choice))
    parameters, state = training.fit(parameters, rows, state)     until nothing moves
"""

from swarmhub.recipes.linear.alone import fit_alone, fit_at
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.folds import FOLDS, STRENGTHS, Plan, choose
from swarmhub.recipes.linear.grid import Start, choice_arrays, grid_round, mean_curve, read_choice
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.sums import AGREED
from swarmhub.recipes.linear.training import Training

__all__ = [
    "AGREED",
    "FOLDS",
    "STRENGTHS",
    "Axes",
    "Models",
    "Plan",
    "Stack",
    "Start",
    "Training",
    "choice_arrays",
    "choose",
    "fit_alone",
    "fit_at",
    "grid_round",
    "mean_curve",
    "read_choice",
]
