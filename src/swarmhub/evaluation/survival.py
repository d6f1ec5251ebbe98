"""How good a model of survival is at test patients, out of counts and sums of hospitals.

A hospital sends (`make_counts`), whole numbers only; sums are added exactly. `risk` is the
predicted probability of an event up to the horizon, groups are parted by agreed cutpoints of it.

    totals               patients and events; a hospital with fewer than `few` gives only these
    events, censored     patients by risk group and rounded time, (G, T)
    risk                 sum of risk by group, (G,)
    pairs, coarse        pairs of patients of this hospital in right order, wrong order, and tied
                         in the score, (3,); and the same by risk group instead of score
    spread               sums over patients of a^2, a b, b^2 (3,): b pairs of each, a twice the
                         right ones (a tie is half right)
    brier, integrated    weighted squared errors at the horizon and up to it: sum, and sum of
                         squares, (2,); `null` (2,) those of the curve of all training patients

`events` and `censored` are exact, and small cells are not withheld: a Kaplan-Meier curve needs each
of them. They are read by the leader and the auditors; few groups and a coarse grid help.

Definitions, and how exact the figures of sums are:

    c_index_within  Harrell's C over pairs of one hospital: of two patients, the one with the event
                    is earlier, or at the same rounded time as one who is censored. Exact. Interval
                    on the logit scale by the infinitesimal jackknife (sum over patients of
                    (a/2 - C b)^2, over the squared number of pairs)
    c_index         the same over all pairs. Pairs of two hospitals are counted by risk group: exact
                    if they are in two groups. In the same group they are taken to be ordered as
                    pairs of one group within hospitals are (one half if there are none)
    brier, integrated_brier
                    Graf et al. (Stat Med 1999;18:2529): squared error of predicted survival, each
                    patient weighted by 1 / G just before their event, or 1 / G(t) if they live on
                    after t; G is the agreed curve of censoring. Integrated by trapezoids over the
                    grid times up to the horizon, divided by their span. Exact to steps of 2^-30
    skill           1 - integrated_brier / that of the training patients' curve
    observed_expected
                    risk by Kaplan-Meier at the horizon over mean predicted risk; 1 is right
    calibration_error
                    mean distance of the two over risk groups, weighted by patients
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array, Figure, nothing, on_logits
from swarmhub.evaluation.pairs import count_pairs, count_pairs_of_groups
from swarmhub.evaluation.sums import COARSE, Counts, convert, from_steps, mean_of, to_steps
from swarmhub.recipes.survival.kaplan_meier import Curve, draw_curve
from swarmhub.recipes.survival.times import Observed, TimeGrid, tally

FEW, DESCRIPTIVE = 20, 10  # patients; events
MOST_GROUPS = 50
MAX_PATIENTS = 100_000  # of a hospital: with more, sums of squared pairs pass 2^53


@dataclass(frozen=True, eq=False)
class Agreed:
    """What all hospitals agree on before: the grid, the place of the horizon on it, ascending
    cutpoints of risk (G - 1,), and the curves of censoring and of survival of all training
    patients, (T,)."""

    grid: TimeGrid
    horizon: int
    cuts: Array
    censoring: Array
    survival: Array

    def __post_init__(self) -> None:
        size = (len(self.grid),)
        if self.censoring.shape != size or self.survival.shape != size:
            raise BadInput(f"Expected curves at {size[0]} grid times, got others.")
        if not 0 <= self.horizon < size[0] or not self.censoring[self.horizon] > 0:
            raise BadInput(
                "Expected a horizon up to which some training patients are followed, got a later "
                "one; declare an earlier horizon."
            )
        rising = self.cuts.ndim == 1 and bool((np.diff(self.cuts) > 0).all())
        if not rising or len(self.cuts) >= MOST_GROUPS:
            raise BadInput(f"Expected fewer than {MOST_GROUPS} ascending cutpoints, got others.")

    @property
    def groups(self) -> int:
        """Number of risk groups."""
        return len(self.cuts) + 1


@dataclass(frozen=True, eq=False)
class Group:
    """Patients of a risk group: their survival curve, mean predicted risk, and the risk found at
    the horizon."""

    curve: Curve
    predicted: float | None
    found: Figure


@dataclass(frozen=True, eq=False)
class SurvivalEvaluation:
    """Figures over all hospitals: patients and events in all, the horizon in the study's unit, the
    figures by name, and the risk groups from low to high."""

    patients: int
    events: int
    horizon: float
    figures: dict[str, Figure]
    groups: tuple[Group, ...]

    @property
    def is_descriptive(self) -> bool:
        """Whether there are too few events to say something of other patients."""
        return self.events < DESCRIPTIVE


def make_counts(
    agreed: Agreed, observed: Observed, score: npt.ArrayLike, survival: Array, few: int = FEW
) -> Counts:
    """Return what leaves a hospital, int64: score (n,) is higher for patients at higher risk,
    survival (n, T) the predicted one after each grid time. Raises BadInput if they are no finite
    numbers of these shapes, or the patients are too many."""
    n, size, s = len(observed), len(agreed.grid), np.asarray(score, dtype=np.float64)
    if n > MAX_PATIENTS:
        raise BadInput(f"Expected up to {MAX_PATIENTS} test patients, got {n}; take a sample.")
    if s.shape != (n,) or survival.shape != (n, size) or len(observed.grid) != size:
        raise BadInput(
            f"Expected scores and survival of {n} patients at {size} grid times, got "
            f"{s.shape} and {survival.shape}."
        )
    if not (np.isfinite(s).all() and ((survival >= 0) & (survival <= 1)).all()):
        raise BadInput("Expected finite scores and survival from 0 to 1, got others.")
    used = observed if n >= few else observed.take(np.zeros(n, dtype=bool))
    s, survival = (s, survival) if n >= few else (s[:0], survival[:0])
    risk = 1.0 - survival[:, agreed.horizon]
    group = np.searchsorted(agreed.cuts, risk, side="right")
    pairs, spread = count_pairs(used, s)
    found = tally(used, group, agreed.groups)
    error = score_errors(agreed, used, survival)
    null = score_errors(agreed, used, np.broadcast_to(agreed.survival, survival.shape))
    return found | {
        "totals": np.array([n, observed.event.sum()], dtype=np.int64),
        "risk": to_steps(np.bincount(group, weights=risk, minlength=agreed.groups)),
        "pairs": pairs,
        "spread": spread,
        "coarse": count_pairs_of_groups(found["events"], found["censored"]),
        "brier": _sum_errors(error[:, -1]),
        "integrated": _sum_errors(_integrate(agreed, error)),
        "null": _sum_errors(_integrate(agreed, null)),
    }


def score_errors(agreed: Agreed, observed: Observed, survival: Array) -> Array:
    """Return weighted squared errors of predicted survival, (n, T) -> (n, horizon + 1), at each
    grid time up to the horizon."""
    before = np.concatenate([[1.0], agreed.censoring[:-1]])
    found = np.zeros((len(observed), agreed.horizon + 1))
    weight = np.divide(1.0, before, out=np.zeros_like(before), where=before > 0)[observed.place]
    for t in range(agreed.horizon + 1):
        gone, alive = (observed.place <= t) & observed.event, observed.place > t
        s = survival[:, t]
        found[:, t] = gone * weight * s**2 + alive / agreed.censoring[t] * (1.0 - s) ** 2
    return found


def _integrate(agreed: Agreed, errors: Array) -> Array:
    """Return the mean error of each patient over the time up to the horizon; (n, h + 1) -> (n,)."""
    if not agreed.horizon:
        return errors[:, 0]
    ends = agreed.grid.ends[: agreed.horizon + 1]
    found: Array = np.trapezoid(errors, ends, axis=1) / (ends[-1] - ends[0])
    return found


def _sum_errors(values: Array) -> npt.NDArray[np.int64]:
    return np.concatenate([to_steps([values.sum()]), to_steps([(values**2).sum()], COARSE)])


def evaluate_counts(agreed: Agreed, counts: Mapping[str, npt.ArrayLike]) -> SurvivalEvaluation:
    """Return the figures of summed counts. All but the totals are about patients of hospitals with
    enough of them."""
    patients, events = (int(v) for v in np.asarray(counts["totals"]))
    groups = _read_groups(agreed, counts)
    errors = {name: _read_errors(groups, counts[name]) for name in ("brier", "integrated", "null")}
    figures = {
        "c_index": measure_all_pairs(counts),
        "c_index_within": measure_pairs(counts),
        "brier": errors["brier"],
        "integrated_brier": errors["integrated"],
        "skill": _compare(errors["integrated"], errors["null"]),
    }
    figures |= _measure_calibration(agreed, groups, counts)
    ends = float(agreed.grid.ends[agreed.horizon])
    return SurvivalEvaluation(patients, events, ends, figures, groups)


def _read_groups(agreed: Agreed, counts: Mapping[str, npt.ArrayLike]) -> tuple[Group, ...]:
    events, censored = (np.asarray(counts[name]) for name in ("events", "censored"))
    groups = []
    for d, c, risk in zip(events, censored, from_steps(counts["risk"]).tolist(), strict=True):
        curve = draw_curve(agreed.grid, d, c)
        predicted = risk / curve.rows if curve.rows else None
        groups.append(Group(curve, predicted, _find_risk(curve, agreed)))
    return tuple(groups)


def _find_risk(curve: Curve, agreed: Agreed) -> Figure:
    return convert(curve.at(agreed.horizon), lambda alive: 1 - alive)


def _read_errors(groups: tuple[Group, ...], sums: npt.ArrayLike) -> Figure:
    total, squares = np.asarray(sums)
    rows = sum(group.curve.rows for group in groups)
    return mean_of(rows, float(from_steps(total)), float(from_steps(squares, COARSE)))


def _compare(error: Figure, null: Figure) -> Figure:
    if error.value is None or not null.value:
        return nothing(error.support)
    return Figure(1.0 - error.value / null.value, None, None, error.support)


def measure_pairs(counts: Mapping[str, npt.ArrayLike]) -> Figure:
    """Return Harrell's C over the pairs within hospitals; `support` is the number of pairs."""
    right, wrong, tied = (int(v) for v in np.asarray(counts["pairs"]))
    pairs = right + wrong + tied
    if not pairs:
        return nothing(0)
    value = (right + tied / 2) / pairs
    aa, ab, bb = (float(v) for v in np.asarray(counts["spread"]))
    variance = max(aa / 4 - value * ab + value**2 * bb, 0.0) / pairs**2
    inner = min(max(value, 0.5 / pairs), 1 - 0.5 / pairs)
    variance = max(variance, inner * (1 - inner) / pairs)
    return on_logits(value, inner, math.sqrt(variance), pairs)


def measure_all_pairs(counts: Mapping[str, npt.ArrayLike]) -> Figure:
    """Return Harrell's C over all pairs of patients, of which those of two hospitals are known by
    risk group only; without an interval."""
    right, wrong, tied = (int(v) for v in np.asarray(counts["pairs"]))
    events, censored = (np.asarray(counts[name]) for name in ("events", "censored"))
    own = np.asarray(counts["coarse"])
    across = count_pairs_of_groups(events, censored) - own
    pairs = right + wrong + tied + int(across.sum())
    if not pairs:
        return nothing(0)
    share = (right + tied / 2 - float(own[0])) / float(own[2]) if own[2] else 0.5
    good = right + tied / 2 + float(across[0]) + min(max(share, 0.0), 1.0) * float(across[2])
    return Figure(good / pairs, None, None, pairs)


def _measure_calibration(
    agreed: Agreed, groups: tuple[Group, ...], counts: Mapping[str, npt.ArrayLike]
) -> dict[str, Figure]:
    events, censored = (np.asarray(counts[n]).sum(axis=0) for n in ("events", "censored"))
    curve = draw_curve(agreed.grid, events, censored)
    rows, found = curve.rows, _find_risk(curve, agreed)
    expected = float(from_steps(counts["risk"]).sum()) / max(rows, 1)
    ratio = nothing(rows)
    if found.value is not None and expected > 0:
        ratio = convert(found, lambda v: v / expected)
    used = [g for g in groups if g.found.value is not None and g.predicted is not None]
    apart = sum(g.curve.rows * abs((g.found.value or 0) - (g.predicted or 0)) for g in used)
    whole = sum(g.curve.rows for g in used)
    error = Figure(apart / whole, None, None, whole) if whole else nothing(0)
    return {"observed_expected": ratio, "calibration_error": error}
