"""The recipe `cox`: Cox regression of times to an event, by Newton's method over sums.

    times       sum      counts of patients by time: the grid of times
    fit         sum      Newton's method, until it moves no more
    baseline    sum      the baseline hazard of all hospitals, the curve of censoring, risk groups
    left-out    sum      a model without each hospital, fitted side by side
    initial, training    the model that these sums make, the same at every hospital

The model's arrays, all float64: `weight` (p,) of standardised features, and on the T times of the
grid `times`, the cumulative baseline hazard `hazard`, `censoring` and `survival`, the curves of all
training patients; `cuts` (G - 1,) part test patients by their predicted risk at the horizon. In a
masked study all sums are in fixed point, and no hospital is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from swarmhub.contract.records import Spec, Stage
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.contract.round.kinds import SUM
from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.evaluation.sums import group_bins
from swarmhub.recipes import plan
from swarmhub.recipes.fixed import find_fixed, range_of
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.stages import FIXED, run_sums
from swarmhub.recipes.survival.agreed import find_place, read_agreed
from swarmhub.recipes.survival.cox import (
    AGREED,
    MAX_BYTES,
    MAX_ROUNDS,
    MOST,
    PARTS,
    STEP,
    Cox,
    make_bounds,
)
from swarmhub.recipes.survival.kaplan_meier import draw_censoring, draw_curve
from swarmhub.recipes.survival.likelihood import FARTHEST, Rows, read_baseline, sum_baseline
from swarmhub.recipes.survival.times import (
    MOST_TIMES,
    TimeGrid,
    count_times,
    derive_grid,
    observe,
    tally,
)
from swarmhub.recipes.training import Measured, load, warn_of_start
from swarmhub.recipes.words import MADE, WITHOUT, StageWords
from swarmhub.train.training import SwarmRound

TIMES, FIT, BASELINE = "times", "fit", "baseline"
BASELINES = ("own", "shared")  # of each hospital, or one for all; the default first
KINDS: tuple[OutcomeKind, ...] = ("time_to_event",)
OPTIONS: dict[str, tuple[str, ...]] = {
    "penalty": (), "left_out": plan.LEFT_OUTS, "baseline": BASELINES,
    "standardise": plan.STANDARDISE,
}  # fmt: skip
SCORED = ("swarm",)
CAN_BE_MASKED = True
SUMS = (
    "sums over the training patients here: of the likelihood, of its slope (one number for each "
    "input) and of its curvature (one for each pair of inputs); with a shared baseline at each "
    "time, where they may be of a single patient"
)
WORDS = {
    TIMES: StageWords(
        "the times are chosen at which patients are counted", "counts of training patients by time"
    ),
    FIT: StageWords("the model is fitted", SUMS),
    BASELINE: StageWords(
        "the risk over time of a patient with mean values is computed",
        "exact counts of training patients with and without the event by time, down to single "
        "patients, sums of their risks by time, and counts by predicted risk",
    ),
    plan.LEFT_OUT: StageWords(WITHOUT, SUMS),
    plan.TRAINING: MADE,
}
GROUPS = 5  # of predicted risk
MARGINS = 800  # bins of log hazards from -FARTHEST to FARTHEST
RISKS = tuple(range_of(name, MOST) for name in ("risk0", "tied0"))


def check(spec: Spec) -> None:
    """Raise BadInput for options whose values cannot be."""
    plan.read_penalty(spec)


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    left_out = plan.make_sums(plan.LEFT_OUT, MAX_ROUNDS, AGREED)
    masked = spec.privacy.masked
    bounds = make_bounds(is_stratified(spec)) if masked else ()
    return (
        Stage(TIMES, SUM),
        plan.make_sums(FIT, MAX_ROUNDS, AGREED, bounds),
        Stage(BASELINE, SUM, bounds=RISKS if masked else ()),
        *([left_out] if plan.wants_left_out(spec) else []),
        *plan.make_training(replace(spec, rounds=1)),
    )


def run(site: Site) -> None:
    """Go through the stages of a study of times to an event."""
    site.need_dense()
    grid = learn_grid(site)
    rows = Rows(site.dense_x, observe(grid, _times(site), site.y))
    cox = make_cox(site, grid)

    def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
        return cox.arrays(rows, sums), {}

    fixed = find_fixed(site.swarm.spec, FIT, PARTS, site.rows_of_all)
    fit = cox.read(run_sums(site, FIT, step, "the model is fitted", fixed).arrays)
    if not fit.is_converged:
        site.say("The model has not come to rest in the rounds of the terms; it is the last point.")
    model = CoxTraining(site, rows, cox, make_parameters(site, rows, fit.beta))
    model.learn_left_out()
    for turn in site.swarm.rounds(model.parameters, model.measure):
        model.fit(turn)
        site.say(f"round {turn.number} of {turn.rounds}: the model of {len(site.y)} rows")


def make_cox(site: Site, grid: TimeGrid) -> Cox:
    """Return the regression that all hospitals run alike. Raises BadInput if there are too many
    features for it."""
    spec = site.swarm.spec
    strength = plan.read_penalty(spec) or FIXED
    slack = STEP * site.rows_of_all if spec.privacy.masked else 0.0
    return Cox(len(site.design.sources), len(grid), 1.0 / strength, is_stratified(spec), slack)


def is_stratified(spec: Spec) -> bool:
    """Return whether each hospital has a baseline of its own."""
    return spec.options.get("baseline", BASELINES[0]) == "own"


def learn_grid(site: Site) -> TimeGrid:
    """Return the grid of times, of summed counts of all hospitals."""

    def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
        counts = count_times(_times(site), site.prepared.schema.declaration.min_count)
        return {"times": counts}, {}

    counts = run_sums(site, TIMES, step, "the grid of times").arrays["times"]
    horizon = float(site.prepared.schema.outcome.horizon or 0.0)
    grid = derive_grid(counts, MOST_TIMES - 1).including(horizon)
    if horizon > grid.ends[-1]:
        site.say(
            f"The horizon {horizon:g} is beyond the last time at which patients are followed: it "
            f"is {grid.ends[-1]:g}."
        )
    return grid


def make_parameters(site: Site, rows: Rows, beta: Floats) -> Arrays:
    """Return the model's arrays: the fitted weights, and the sums that go with them."""
    grid = rows.observed.grid

    def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
        margin = np.clip(rows.x @ beta, -FARTHEST, FARTHEST)
        place = ((margin + FARTHEST) * (MARGINS / (2 * FARTHEST))).astype(np.int64)
        least = site.prepared.schema.declaration.min_count
        margins = group_bins(np.clip(place, 0, MARGINS - 1), MARGINS, least)
        counts = {name: found[0] for name, found in tally(rows.observed).items()}
        return {**sum_baseline(rows, beta), **counts, "margins": margins}, {}

    fixed = find_fixed(site.swarm.spec, BASELINE, PARTS, site.rows_of_all)
    sums = run_sums(site, BASELINE, step, "the baseline", fixed).arrays
    hazard = read_baseline(sums, is_efron=True)
    events, censored = np.asarray(sums["events"]), np.asarray(sums["censored"])
    survival = draw_curve(grid, events, censored).survival
    censoring = draw_censoring(grid, events, censored)
    horizon = find_place(grid, survival, censoring, site.prepared.schema.outcome.horizon)
    return {
        "weight": beta,
        "times": grid.ends,
        "hazard": hazard,
        "censoring": censoring,
        "survival": survival,
        "cuts": find_cuts(np.asarray(sums["margins"]), float(hazard[horizon])),
    }


def find_cuts(margins: Floats, hazard: float) -> Floats:
    """Return risks that part the patients into groups of nearly equal numbers, ascending and
    distinct: of counts by margin (MARGINS,), at a cumulative baseline hazard."""
    reached = np.cumsum(margins, dtype=np.float64)
    wanted = reached[-1] * np.arange(1, GROUPS) / GROUPS
    ends = (np.searchsorted(reached, wanted) + 1) * (2 * FARTHEST / MARGINS) - FARTHEST
    risk = 1.0 - np.exp(-hazard * np.exp(ends))
    return np.unique(np.round(risk, 9))


class CoxTraining(Measured):
    """The model that the sums have made; `parameters` are the merged ones, in place."""

    def __init__(self, site: Site, rows: Rows, cox: Cox, made: Arrays) -> None:
        self.site, self.rows, self.cox, self.made = site, rows, cox, made
        self.parameters: Arrays = {name: array.copy() for name, array in made.items()}

    def fit(self, turn: SwarmRound) -> None:
        """Send the model that the sums have made."""
        warn_of_start(self.site, self.parameters, self.made)
        load(self.parameters, self.made)
        turn.report(samples=len(self.site.y))

    def predict(self) -> Floats | None:
        """Return the logarithm of each test patient's hazard over the baseline, (n,)."""
        site = self.site
        site.agreed = read_agreed(self.parameters, site.prepared.schema.outcome.horizon)
        site.hazard = np.maximum.accumulate(self.parameters["hazard"])
        x = self.site.dense_test_x
        return None if x is None else x @ self.parameters["weight"]

    def predict_others(self) -> dict[str, Floats | None]:
        """Return the same of the model without this hospital and of its own."""
        x = self.site.dense_test_x
        points = {"left-out": self.read_left_out(), "local": self.fit_local()}
        return {n: None if p is None or x is None else x @ p for n, p in points.items()}

    def fit_local(self) -> Floats | None:
        """Return the weights of this hospital alone, (p,); None if it has no events."""
        if not self.rows.observed.event.any():
            return None
        sums = self.cox.arrays(self.rows, None)
        while sums["moving"][0] and sums["turn"][0] < MAX_ROUNDS:
            sums = self.cox.arrays(self.rows, sums)
        return self.cox.read(sums).beta

    # models without each hospital: K models, of which this hospital adds to all but its own

    def learn_left_out(self) -> None:
        """Fit a model without each hospital, side by side."""
        site, count = self.site, len(self.site.swarm.enrolled)
        if find_stage(site.swarm.spec, plan.LEFT_OUT) is None:
            return
        if self._is_large():
            site.say("The features are too many for models without each hospital; there are none.")
        nobody = Rows(site.dense_x[:0], self.rows.observed.take(np.zeros(len(site.y), dtype=bool)))
        own = self._place()

        def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
            if self._is_large():
                return self._still(), {}
            made = [
                self.cox.arrays(
                    nobody if k == own else self.rows,
                    None if sums is None else _pick(sums, k),
                )
                for k in range(count)
            ]
            found = {name: np.stack([m[name] for m in made]) for name in made[0]}
            return found | {"moving": found["moving"].max(axis=0)}, {}

        run_sums(site, plan.LEFT_OUT, step, "models without each hospital")

    def read_left_out(self) -> Floats | None:
        """Return the weights without this hospital, (p,), once there are any; None if the others
        have no events."""
        site, own = self.site, self._place()
        found = None
        if find_stage(site.swarm.spec, plan.LEFT_OUT) is not None:
            found = site.swarm.result(plan.LEFT_OUT)
        count = len(site.swarm.enrolled)
        if found is None or own < 0 or found.arrays["at"].shape != (count, self.cox.columns):
            return None
        sums = _pick(found.arrays, own)
        return np.asarray(sums["at"]) if np.asarray(sums["events"]).sum() else None

    def _place(self) -> int:
        members = self.site.swarm.enrolled
        return members.index(self.site.swarm.member) if self.site.swarm.member in members else -1

    def _is_large(self) -> bool:
        p, size = self.cox.columns, self.cox.times
        each = p * p if self.cox.is_stratified else 2 * size * (1 + p + p * (p + 1) // 2)
        return 8 * each * len(self.site.swarm.enrolled) > MAX_BYTES

    def _still(self) -> Arrays:
        """Return arrays that say that there is no model."""
        whole = {"turn": np.int64, "moving": np.int64, "counted": np.int64}
        return {name: np.zeros(1, whole.get(name, np.float64)) for name in (*AGREED, "moving")}


def _pick(sums: Mapping[str, Any], k: int) -> Arrays:
    return {name: array if name == "moving" else array[k] for name, array in sums.items()}


def _times(site: Site) -> Floats:
    time = site.prepared.training.time
    assert time is not None
    return time
