"""Attacks on membership through settled models."""

from __future__ import annotations

import numpy as np

from swarmhub.data.frames import Floats
from swarmhub.data.matrix import multiply
from swarmhub.leakage.membership import Mask, score_loss, score_shadows, score_trajectory
from swarmhub.leakage.scores import measure_attack
from swarmhub.operations.privacy_audit.contents import Attack
from swarmhub.operations.privacy_audit.held import LINEAR, Held
from swarmhub.operations.privacy_audit.updates import find_start
from swarmhub.operations.privacy_audit.words import LOSS, SHADOWS, TRAJECTORY, describe, give_up
from swarmhub.recipes import elastic_net, plan
from swarmhub.recipes.linear.alone import fit_at
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.elastic import read_strength
from swarmhub.recipes.stages import FIXED

SHADOW_PAIRS = 8
MOST_VALUES = 4_000_000  # rows times features: some ten seconds of shadow models


def attack_loss(held: Held) -> Attack:
    """Return membership inference by the loss under the last model."""
    if fault := held.find_fault():
        return give_up(LOSS, fault)
    scored = held.by_patient(*map(score_loss, held.losses(held.models[-1])))
    return describe(LOSS, measure_attack(*scored))


def attack_trajectory(held: Held) -> Attack:
    """Return the same by the losses under all held models of the training."""
    if fault := held.find_fault():
        return give_up(TRAJECTORY, fault)
    if len(held.models) < 2:
        return give_up(
            TRAJECTORY, "This node holds one settled model of the training only; earlier ones are "
            "deleted once they are neither the newest, the best nor released.",
        )  # fmt: skip
    every = [held.losses(model) for model in held.models]
    members, others = (score_trajectory(np.stack(part)) for part in zip(*every, strict=True))
    note = f"{len(every)} models of the training."
    return describe(TRAJECTORY, measure_attack(*held.by_patient(members, others)), note)


def attack_shadows(held: Held, seed: int) -> Attack:
    """Return the same by shadow models on halves of this hospital's patients."""
    if fault := held.find_fault() or _find_fault(held):
        return give_up(SHADOWS, fault)
    site, loss = held.site, held.site.loss
    x = np.concatenate([site.dense_x, site.dense_test_x])
    assert site.prepared.held is not None
    y = np.concatenate([site.y, site.code_outcome(site.prepared.held)])
    strength = find_strength(held)

    def fit(seen: Mask) -> Floats | None:
        if loss.has_classes and len(np.unique(y[seen])) < len(site.design.class_rows):
            return None
        point = fit_at(Axes.of(x[seen]), y[seen], strength, loss).reshape(loss.outputs, -1)
        margins = multiply(point[:, :-1], x) + point[:, -1:]
        found: Floats = loss.each(y.astype(np.float64), margins[None])[0]
        return found

    losses = np.concatenate(held.losses(held.models[-1]))
    score = score_shadows(losses, np.concatenate(held.patients()), fit, SHADOW_PAIRS, seed)
    if score is None:
        return give_up(SHADOWS, "A class has too few patients here for models of halves of them.")
    n = len(site.y)
    note = f"{2 * SHADOW_PAIRS} ridge-penalised linear models, C = {strength:g}, seed {seed}."
    return describe(SHADOWS, measure_attack(*held.by_patient(score[:n], score[n:])), note)


def _find_fault(held: Held) -> str:
    if held.recipe not in LINEAR:
        return "Shadow models are fitted for linear recipes only: others take too long."
    rows = sum(part.rows for part in held.parts if part is not None)
    features = len(held.models[-1].design.sources)
    if rows * features > MOST_VALUES:
        return (
            f"Expected at most {MOST_VALUES} values for shadow models, got {rows} rows of "
            f"{features} features."
        )
    return ""


def find_strength(held: Held) -> float:
    """Return the strength of the penalty, C: of the terms, or as the swarm has chosen it."""
    fixed, study = plan.read_penalty(held.spec), held.study
    path = study.result(elastic_net.PATH) if held.recipe == "elastic_net" else None
    if path is not None:
        return read_strength(path.arrays)
    if held.recipe == "logistic":
        start = find_start(held)
        if start is not None:
            return start.strength
    return fixed or FIXED
