"""The recipe `trees`: gradient-boosted trees of every outcome but times, by sums of histograms.

    cuts        sum      counts of rows on a grid: cut points of each feature; rows by class
    fit         sum      the trees, a level in each round; beside them those without each hospital
    initial, training    the model that these sums make, the same at every hospital

The arithmetic is in `recipes.trees`, the model's arrays are those of `models.trees`. All hospitals
send the same arrays in the training round: their median is exactly these. In a masked study, sums
and trees are the same, but none are grown without a hospital, and the training round is a mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from swarmhub.contract.records import Bound, MergeRule, Spec, Stage
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.contract.round.kinds import SUM
from swarmhub.data.design import MAX_DEVIATIONS
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, plain
from swarmhub.models.trees import MAX_DEPTH, MAX_TREES, add_trees
from swarmhub.recipes import plan
from swarmhub.recipes.fixed import find_fixed, range_of
from swarmhub.recipes.linear.losses import Loss, predict_rows
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.stages import run_sums
from swarmhub.recipes.training import Measured, load, warn_of_start
from swarmhub.recipes.trees.cells import mark_patients
from swarmhub.recipes.trees.cuts import ROUNDS, Cuts, choose_cuts, count_rows, make_grid, refine
from swarmhub.recipes.trees.forest import Forest
from swarmhub.recipes.trees.growing import (
    MAX_BYTES,
    Growth,
    Rows,
    Terms,
    grow_alone,
    make_stage,
)
from swarmhub.recipes.words import MADE, StageWords
from swarmhub.train.training import SwarmRound

CUTS, FIT = "cuts", "fit"
KINDS: tuple[OutcomeKind, ...] = ("binary", "classes", "continuous")
OPTIONS: dict[str, tuple[str, ...]] = {
    "trees": (), "depth": (), "rate": (), "left_out": plan.LEFT_OUTS,
}  # fmt: skip
SCORED = ("swarm", "left-out")
CAN_BE_MASKED = True
WORDS = {
    CUTS: StageWords(
        "the values are chosen at which trees may part the patients",
        "counts of training rows by the value of each input in bins, and by class",
    ),
    FIT: StageWords(
        "the trees grow, a level in each round, and beside them those without each hospital",
        "for each part of the patients that the trees have made, by the value of each input in "
        "bins: the number of rows, and sums of the slope and of the curvature of the error",
    ),
    plan.TRAINING: MADE,
}
TREES, DEPTH, RATE = 40, 3, 0.1  # if the terms name none
MAX_ROUNDS = 1000  # of the stage in which trees grow
MAX_EDGE = 1 << 4  # standard deviations; at most MAX_DEVIATIONS


def check(spec: Spec) -> None:
    """Raise BadInput for options whose values cannot be."""
    trees, depth, _ = read_options(spec)
    if trees * depth > MAX_ROUNDS:
        raise BadInput(
            f"Expected options.trees times options.depth up to {MAX_ROUNDS} rounds, got "
            f"{trees * depth}; choose fewer trees and a higher options.rate."
        )


def read_options(spec: Spec) -> tuple[int, int, float]:
    """Return the number of trees, their depth and the rate. Raises BadInput, with the key, for
    values that cannot be."""
    found = [
        _read(spec, name, str(default), limits)
        for name, default, limits in (
            ("trees", TREES, (1, MAX_TREES)), ("depth", DEPTH, (1, MAX_DEPTH)),
        )
    ]  # fmt: skip
    return int(found[0]), int(found[1]), _read(spec, "rate", str(RATE), (0.001, 1.0))


def _read(spec: Spec, name: str, default: str, limits: tuple[float, float]) -> float:
    text, is_whole = spec.options.get(name, default), isinstance(limits[0], int)
    try:
        value = float(int(text) if is_whole else text)
    except ValueError:
        value = float("nan")
    if not limits[0] <= value <= limits[1]:
        what = "a whole number" if is_whole else "a number"
        raise BadInput(
            f"Expected options.{name} to be {what} from {limits[0]} to {limits[1]}, got "
            f"'{plain(text, 30)}'."
        )
    return value


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    trees, depth, _ = read_options(spec)
    masked = spec.privacy.masked
    counted = (Bound("counts", 0, plan.MAX_COUNT), Bound("seen", 0, plan.MAX_COUNT))
    edges = (range_of("edges", MAX_EDGE),) if masked else ()
    rule = MergeRule() if masked else MergeRule("coordinate_median")
    same = replace(spec, rounds=1, merge=rule)
    return (
        Stage(CUTS, SUM, ROUNDS, bounds=(*counted, *edges), agreed=("edges", "members")),
        make_stage(FIT, trees, depth, masked),
        *plan.make_training(same),
    )


def run(site: Site) -> None:
    """Go through the stages at a hospital."""
    site.need_dense()
    counted = count_stage(site)
    cuts = choose_cuts(counted["edges"], counted["counts"])
    growth = make_growth(site, cuts, counted)

    def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
        return growth.arrays(sums), {}

    fixed = find_fixed(site.swarm.spec, FIT, frozenset(), 1.0)
    grown = growth.advance(run_sums(site, FIT, step, "the trees grow", fixed).arrays)
    model = TreeTraining(site, cuts, growth, grown)
    for turn in site.swarm.rounds(model.parameters, model.measure):
        model.fit(turn)
        site.say(f"round {turn.number} of {turn.rounds}: the trees of {len(site.y)} rows")


def count_stage(site: Site) -> Arrays:
    """Return the settled counts: rows by bin of each feature (`counts`, `edges`), and rows by class
    (`seen`) of all hospitals, then without each of `members`, of which the first is nobody."""
    counted = mark_patients(site.prepared.training.patient_codes()).astype(np.float64)
    least = site.prepared.schema.declaration.min_count
    label = site.y if site.loss.has_classes else np.zeros(len(site.y), dtype=np.int64)
    rows = np.bincount(label, minlength=len(site.design.class_rows))

    def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
        edges = make_grid(len(site.design.sources))
        members = [0]
        if plan.wants_left_out(site.swarm.spec):
            members += site.swarm.enrolled
        if sums is not None:
            edges, members = refine(sums["edges"], sums["counts"]), sums["members"].tolist()
        seen = [rows * (member != site.swarm.member) for member in members]
        return {
            "edges": edges,
            "members": np.array(members, dtype=np.int64),
            "counts": count_rows(site.dense_x, edges, counted, least),
            "seen": np.stack(seen).astype(np.int64),
        }, {}

    return dict(run_sums(site, CUTS, step, "cut points of features").arrays)


def make_growth(site: Site, cuts: Cuts, counted: Arrays) -> Growth:
    """Return the trees as they grow at this hospital, without the models that leave hospitals out
    if these are too large. Raises BadInput if there are too many features for any."""
    terms = make_terms(site.swarm.spec, site.loss, cuts, len(site.design.sources))
    terms = replace(terms, least=site.prepared.schema.declaration.min_count)
    members, seen = counted["members"].tolist(), counted["seen"]
    if len(members) > 1 and terms.count_bytes(len(members)) > MAX_BYTES:
        site.say("The features are too many for models without each hospital; there are none.")
        members, seen = members[:1], seen[:1]
    own = members.index(site.swarm.member) if site.swarm.member in members[1:] else 0
    patients = mark_patients(site.prepared.training.patient_codes()).astype(np.float64)
    y = site.y.astype(np.float64)
    return Growth(terms, seen, Rows(cuts.place(site.dense_x), y, patients), own)


def make_terms(spec: Spec, loss: Loss, cuts: Cuts, features: int) -> Terms:
    """Return what grows, with cells of any size."""
    trees, depth, rate = read_options(spec)
    return Terms(trees, depth, rate, features, cuts.bins, loss)


def make_parameters(forest: Forest, cuts: Cuts, model: int = 0) -> Arrays:
    """Return a grown model's arrays (`models.trees`), float64. A node that is not split has the
    largest value of a feature as threshold."""
    feature, cut = forest.feature[model], forest.cut[model]
    ends = np.column_stack([cuts.points, np.full(len(cuts.points), np.inf)])
    return {
        "feature": feature.astype(np.float64),
        "threshold": np.minimum(ends[feature, cut], MAX_DEVIATIONS),
        "leaf": forest.leaf[model].copy(),
    }


def fit_alone(
    spec: Spec, x: Floats, y: Floats, fold: Any, loss: Loss
) -> Callable[[Floats], Floats]:
    """Grow the trees of one place's rows; return their margins of rows, (n, p) -> (e, n). Raises
    ValueError if a class is absent."""
    count = max(2, loss.outputs) if loss.has_classes else 1
    label = y.astype(np.int64) if loss.has_classes else np.zeros(len(y), dtype=np.int64)
    class_rows = np.bincount(label, minlength=count)
    if not class_rows.min():
        raise ValueError(f"Expected rows of {count} classes, got {class_rows.tolist()}.")
    ones, edges = np.ones(len(y)), make_grid(x.shape[1])
    edges = refine(edges, count_rows(x, edges, ones, 1))
    cuts = choose_cuts(edges, count_rows(x, edges, ones, 1))
    arrays = _fit_on(spec, cuts, Rows(cuts.place(x), y.astype(np.float64), ones), loss, class_rows)
    return lambda tested: add_trees(arrays, tested)


def _fit_on(spec: Spec, cuts: Cuts, rows: Rows, loss: Loss, class_rows: Any) -> Arrays:
    terms = make_terms(spec, loss, cuts, len(cuts.points))
    return make_parameters(grow_alone(Growth(terms, class_rows[None], rows)), cuts)


class TreeTraining(Measured):
    """The model that the sums have made; `parameters` are the merged ones, in place."""

    def __init__(self, site: Site, cuts: Cuts, growth: Growth, grown: Forest) -> None:
        self.site, self.cuts, self.growth, self.grown = site, cuts, growth, grown
        self.made = make_parameters(grown, cuts)
        self.parameters: Arrays = {name: array.copy() for name, array in self.made.items()}

    def fit(self, turn: SwarmRound) -> None:
        """Send the model that the sums have made."""
        warn_of_start(self.site, self.parameters, self.made)
        load(self.parameters, self.made)
        turn.report(samples=len(self.site.y))

    def predict(self) -> Floats | None:
        """Return the merged model's predictions of the test patients, (n,) or (n, e)."""
        return self._apply(self.parameters)

    def predict_others(self) -> dict[str, Floats | None]:
        """Return the same of the model without this hospital and of its own."""
        own, seen = self.growth.own, self.growth.class_rows
        is_there = own > 0 and bool(seen[own].min() > 0)
        left_out = make_parameters(self.grown, self.cuts, own) if is_there else None
        return {"left-out": self._apply(left_out), "local": self._apply(self._fit_local())}

    def _fit_local(self) -> Arrays | None:
        """Return the trees of this hospital's rows alone; None if it lacks a class."""
        site, rows = self.site, self.growth.rows
        label = site.y if site.loss.has_classes else np.zeros(len(site.y), dtype=np.int64)
        class_rows = np.bincount(label, minlength=len(site.design.class_rows))
        if not class_rows.min():
            return None
        return _fit_on(site.swarm.spec, self.cuts, rows, site.loss, class_rows)

    def _apply(self, arrays: Arrays | None) -> Floats | None:
        site = self.site
        x = site.dense_test_x
        if arrays is None or x is None:
            return None
        return site.in_unit(predict_rows(site.loss, add_trees(arrays, x)))
