"""Attacks on this hospital's own contributions, computed again from its rows as they were sent.

A node deletes a contribution once its round is settled. The first one follows from the rows and the
terms alone, so it is computed again: its base is the zero model, known to all. The first one of the
training of `logistic` follows from these and the settled start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.data.matrix import Rows, SparseRows, multiply
from swarmhub.evaluation.figures import Figure, nothing, share
from swarmhub.leakage.inversion import contrast, invert, recover_gradient
from swarmhub.leakage.scores import correlate, mean_by_patient, measure_attack
from swarmhub.operations.privacy_audit.contents import Attack
from swarmhub.operations.privacy_audit.held import LINEAR, Held
from swarmhub.operations.privacy_audit.words import CONTRIBUTED, UPDATE, describe, give_up
from swarmhub.recipes import elastic_net, plan
from swarmhub.recipes.linear.consensus import Settled, advance
from swarmhub.recipes.linear.coupling import start_of
from swarmhub.recipes.linear.grid import Start, read_choice
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.training import Training
from swarmhub.recipes.site import Site
from swarmhub.recipes.stages import FIXED
from swarmhub.recipes.training import LinearTraining

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Update:
    """A reading of a first update: the gradient of the loss without the penalty, (e, p + 1), of
    the rows `seen` (n,); `stage` is that of the update."""

    gradient: Floats
    seen: Mask
    stage: str


def read_update(site: Site) -> Update:
    """Return what a reader finds out of the first update of the first model that it has."""
    spec = site.swarm.spec
    is_elastic = plan.get_model(spec) == "elastic_net"
    learnt = elastic_net.PATH if is_elastic else plan.PENALTY
    fixed = elastic_net.FIT if is_elastic else plan.TRAINING
    is_learnt = find_stage(spec, learnt) is not None
    seen = site.fold != 0 if is_learnt else np.ones(len(site.y), dtype=bool)
    if is_learnt and not is_elastic:
        if site.sample is not None:
            seen &= np.isin(np.arange(len(seen)), site.sample)
        stack = site.grid_plan.stack(*site.take_sample()).take(slice(0, 1))
    else:
        rows, strength = site.design.class_rows, plan.read_penalty(spec) or FIXED
        models = Models.of([strength], rows, site.loss, site.has_own_intercept)
        stack = Stack.of(models, site.axes, site.y, seen[None])
    gradient = stack.gradient(np.zeros(stack.shape)) if is_elastic else read_gradient(stack)
    return Update(gradient.reshape(site.loss.outputs, -1), seen, learnt if is_learnt else fixed)


def read_gradient(stack: Stack) -> Floats:
    """Return the gradient of the loss without the penalty, (K, d), that a reader finds in a first
    contribution to consensus ADMM from the zero model."""
    start = Settled.start(np.zeros(stack.shape), start_of(stack.models.penalty))
    sent, _ = advance(stack, start, {})
    coupling = sent.coupling[:, None] * stack.metric
    found = recover_gradient(start.point, sent.point, sent.multiplier, coupling)
    return found - stack.ridge(sent.point)


def attack_update(held: Held) -> Attack:
    """Return the inversion of this hospital's first update."""
    if fault := _find_fault(held):
        return give_up(UPDATE, fault)
    site = held.site
    update = read_update(site)
    x, y, g = site.dense_x[update.seen], site.y[update.seen], update.gradient
    truth = contrast(x, y, site.loss.outputs, site.loss.has_classes)
    figures = {"contrast": nothing(g[:, :-1].size), "mean": nothing(g[:, :-1].size)}
    if truth.shape == g[:, :-1].shape:
        figures["contrast"] = correlate(-g[:, :-1], truth)
    inputs = invert(g)
    note = f"Round 1 of the stage '{update.stage}', {len(y)} rows, computed again from the rows."
    if inputs is not None:
        figures["mean"] = correlate(inputs, np.tile(x.mean(axis=0), (len(g), 1)))
    else:
        note += " The intercept has no gradient in it, so that no mean is read."
    figures |= _rank(held, update)
    return describe(UPDATE, figures, note)


def _rank(held: Held, update: Update) -> dict[str, Figure]:
    """Return how well patients are told apart by what each would have added to the gradient."""
    if held.find_fault():
        return {}
    site, g, seen = held.site, update.gradient, update.seen
    members = _add_up(site, g, site.dense_x[seen], site.y[seen])
    others = _add_up(site, g, site.dense_test_x, _code_held(site))
    inside, outside = held.patients()
    return measure_attack(mean_by_patient(members, inside[seen]), mean_by_patient(others, outside))


def _add_up(site: Site, gradient: Floats, x: Floats | None, y: Floats) -> Floats:
    """Return the product of the gradient with that of each row at the zero model, (n,)."""
    assert x is not None
    margins = np.zeros((1, site.loss.outputs, len(x)))
    slopes = site.loss.slopes(np.asarray(y, dtype=np.float64), margins)[0]  # (e, n)
    each = multiply(gradient[:, :-1], x) + gradient[:, -1:]  # (e, n)
    found: Floats = (slopes * each).sum(axis=0)
    return found


def attack_contribution(held: Held) -> Attack:
    """Return membership inference by the first contribution to the training."""
    if fault := _find_fault(held) or held.find_fault():
        return give_up(CONTRIBUTED, fault)
    if held.recipe != "logistic":
        return give_up(
            CONTRIBUTED, "A contribution to the training of an elastic net is the merged model."
        )
    site = held.site
    start = find_start(held)
    if start is None:
        return give_up(CONTRIBUTED, "The sums from which the training started are not held here.")
    base, sent = fit_first(site, start)
    x, y = (site.dense_x, site.dense_test_x), (site.y, _code_held(site))
    members, others = held.by_patient(
        *(measure_losses(site, base, a, b) - measure_losses(site, sent, a, b)
          for a, b in zip(x, y, strict=True))
    )  # fmt: skip
    figures = measure_attack(members, others)
    figures["trained"] = share(int((members > 0).sum()), len(members))
    figures["set aside"] = share(int((others > 0).sum()), len(others))
    return describe(CONTRIBUTED, figures, "Computed again from the rows.")


def find_start(held: Held) -> Start | None:
    """Return the start of the training as the swarm settled it; None if it is not held here."""
    site = held.site
    if find_stage(held.spec, plan.PENALTY) is None:
        rows, features = site.design.class_rows, len(site.design.sources)
        strength = plan.read_penalty(held.spec) or FIXED
        return Training.cold(features, rows, strength, site.loss).start
    grid, choice = held.study.result(plan.PENALTY), held.study.result(plan.CHOICE)
    if grid is None or choice is None:
        return None
    return read_choice(site.plan, grid.arrays, choice.arrays)


def fit_first(site: Site, start: Start) -> tuple[Floats, Floats]:
    """Return the start, and this hospital's first contribution to the training, each (e, p + 1)."""
    training = LinearTraining(site, start)
    sent, _ = training.training.fit(training.parameters, training.stack, {})
    both = (training.parameters, sent)
    base, made = (np.column_stack([np.atleast_2d(a["weight"]), a["bias"]]) for a in both)
    return base, made


def measure_losses(site: Site, point: Floats, x: Rows | None, y: npt.ArrayLike) -> Floats:
    """Return the losses of rows x (n, p), y (n,) under a linear model (e, p + 1), (n,)."""
    assert x is not None
    weight, bias = point[:, :-1], point[:, -1]
    if site.has_own_intercept:
        bias = site.find_intercept(weight)
    margins = multiply(weight, x) + bias[:, None]
    found: Floats = site.loss.each(np.asarray(y, dtype=np.float64), margins[None])[0]
    return found


def _code_held(site: Site) -> Floats:
    held = site.prepared.held
    assert held is not None
    return site.code_outcome(held).astype(np.float64)


def _find_fault(held: Held) -> str:
    if held.spec.privacy.masked:
        return "Training rounds are masked: members read a sum, and no update of this hospital."
    if held.spec.privacy.dp is not None:
        return (
            "Updates leave with noise, which nobody has kept: what is computed again from the rows "
            "is not what members read; the study's epsilon bounds what they can tell."
        )
    if held.recipe not in LINEAR:
        return "An update is inverted for linear recipes only."
    site = held.site
    if isinstance(site.x, SparseRows):
        return "The rows are too many to be made dense, which these attacks need."
    return ""
