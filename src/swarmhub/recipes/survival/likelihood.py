"""Cox's partial likelihood out of sums over the rows of each grid time.

With r_i = exp(x_i . b), the sums over rows i that leave at a grid time t (by an event or censored)

    S0 = sum r_i,   S1 = sum r_i x_i (p,),   S2 = sum r_i x_i x_i' (p, p)

summed from t on are those over the risk set of t; D0, D1, D2 are the same over the d_t events of t.
Tied events are taken after Efron (JASA 1977;72:557): the l-th of them, l = 0 .. d_t - 1, meets the
risk set less the share l / d_t of the tied events,

    log L = sum over events of x . b - sum over t, l of log(S0 - l/d D0)

and gradient and Hessian follow. All of it is linear in the sums of hospitals up to the logarithm,
so the pooled likelihood is exact. Breslow's cumulative baseline hazard (Biometrics 1974;30:89) is
H_t = sum over u <= t of d_u / S0_u; risk at x is 1 - exp(-H_t exp(x . b)).

S2 is symmetric: the q = p (p + 1) / 2 elements of its upper triangle are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array
from swarmhub.recipes.survival.times import Observed

Arrays = dict[str, npt.NDArray[Any]]
Sums = Mapping[str, npt.NDArray[Any]]

FARTHEST = 20.0  # of x . b of standardised columns; only without a maximum a row gets there
MAX_EVENTS = 10_000_000  # of all hospitals; tied events cost a few bytes each


@dataclass(frozen=True, eq=False)
class Rows:
    """A hospital's patients: x (n, p) in the features of the study, and their times."""

    x: Array
    observed: Observed

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or len(self.x) != len(self.observed):
            raise BadInput(
                f"Expected a row of columns for each of {len(self.observed)} patients, got an "
                f"array of {self.x.shape}."
            )
        bad = np.flatnonzero(~np.isfinite(self.x).all(axis=1))
        if len(bad):
            raise BadInput(
                f"Expected finite values, got others in row {bad[0] + 1}; fill them in first."
            )


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Log partial likelihood at a point, its gradient (p,) and its curvature (p, p): the Hessian
    with the sign turned, which is positive."""

    value: float
    gradient: Array
    curvature: Array


def sum_rows(rows: Rows, at: Array) -> Arrays:
    """Return a hospital's sums at a point (p,): `risk0` (T,), `risk1` (T, p), `risk2` (T, q) over
    the rows that leave at each grid time, `tied0`, `tied1`, `tied2` over its events, `events` (T,)
    and `beyond` (1,), rows whose x . b is too far from 0, int64, and `total` (p,), the sum of x
    over events."""
    size, p = len(rows.observed.grid), rows.x.shape[1]
    margin, event = rows.x @ at, rows.observed.event
    risk = np.exp(np.clip(margin, -FARTHEST, FARTHEST))
    upper = np.triu_indices(p)
    found: Arrays = {
        f"{kind}{k}": np.zeros((size, *shape))
        for kind in ("risk", "tied")
        for k, shape in enumerate(((), (p,), (len(upper[0]),)))
    }
    for t in np.unique(rows.observed.place):
        here = rows.observed.place == t
        for kind, which in (("risk", here), ("tied", here & event)):
            x, r = rows.x[which], risk[which]
            weighed = x * r[:, None]
            found[f"{kind}0"][t] = r.sum()
            found[f"{kind}1"][t] = weighed.sum(axis=0)
            found[f"{kind}2"][t] = (x.T @ weighed)[upper]
    found["events"] = np.bincount(rows.observed.place[event], minlength=size).astype(np.int64)
    found["beyond"] = np.array([(np.abs(margin) > FARTHEST).sum()], dtype=np.int64)
    found["total"] = rows.x[event].sum(axis=0)
    return found


def measure(sums: Sums, at: Array) -> Likelihood:
    """Return the likelihood of sums (see `sum_rows`) at the point (p,) at which they were taken.
    Raises BadInput if they hold more than MAX_EVENTS events."""
    events = np.asarray(sums["events"], dtype=np.int64)
    if not (events.min() >= 0 and float(events.astype(np.float64).sum()) <= MAX_EVENTS):
        raise BadInput(f"Expected 0 to {MAX_EVENTS} events in all, got others.")
    s0, s1 = (_from_here_on(np.asarray(sums[f"risk{k}"])) for k in (0, 1))  # (T,), (T, p)
    d0, d1 = np.asarray(sums["tied0"]), np.asarray(sums["tied1"])
    log, first, second = _tie(events, s0, d0)
    total = np.asarray(sums["total"])
    gradient = total - first[0] @ s1 + first[1] @ d1
    # the sum over t of weight * S2 is one over the rows that leave, weighed by all t before
    packed = np.cumsum(first[0]) @ sums["risk2"] - first[1] @ sums["tied2"]  # (q,)
    cross = s1.T @ (second[1][:, None] * d1)
    outer = s1.T @ (second[0][:, None] * s1) - cross - cross.T + d1.T @ (second[2][:, None] * d1)
    return Likelihood(float(total @ at - log), gradient, _unpack(packed, len(at)) - outer)


def _tie(events: npt.NDArray[np.int64], s0: Array, d0: Array) -> tuple[float, Array, Array]:
    """Return the sum of log(rest) over all events, rest = S0 - l/d D0, and by grid time the sums of
    (1, l/d) / rest, (2, T), and of (1, l/d, (l/d)^2) / rest^2, (3, T)."""
    first, second = np.zeros((2, len(events))), np.zeros((3, len(events)))
    log = 0.0
    for t in np.flatnonzero(events):
        share = np.arange(events[t]) / events[t]
        rest = s0[t] - share * d0[t]
        log += float(np.log(rest).sum())
        for k in range(3):
            if k < 2:
                first[k, t] = (share**k / rest).sum()
            second[k, t] = (share**k / rest**2).sum()
    return log, first, second


def _from_here_on(values: Array) -> Array:
    """Return sums from each grid time on; (T, ...) -> (T, ...)."""
    found: Array = np.cumsum(values[::-1], axis=0)[::-1]
    return found


def _unpack(packed: Array, p: int) -> Array:
    """Return a symmetric matrix of its upper triangle; (q,) -> (p, p)."""
    found = np.zeros((p, p))
    found[np.triu_indices(p)] = packed
    whole: Array = found + np.triu(found, 1).T
    return whole


def sum_baseline(rows: Rows, at: Array) -> Arrays:
    """Return what leaves a hospital for the baseline hazard alone: `risk0`, `tied0` and `events`
    (T,)."""
    risk = np.exp(np.clip(rows.x @ at, -FARTHEST, FARTHEST))
    place, event, size = rows.observed.place, rows.observed.event, len(rows.observed.grid)
    events = np.bincount(place[event], minlength=size)
    return {
        "risk0": np.bincount(place, weights=risk, minlength=size),
        "tied0": np.bincount(place[event], weights=risk[event], minlength=size),
        "events": events.astype(np.int64),
    }


def read_baseline(sums: Sums, is_efron: bool = False) -> Array:
    """Return Breslow's cumulative baseline hazard after each grid time, (T,), of sums of
    `sum_rows` or `sum_baseline`; it stays as it is once nobody is at risk. With many tied events
    it is too low; Efron's meets the risk set less a part of the tied events, as the likelihood."""
    s0 = _from_here_on(np.asarray(sums["risk0"], dtype=np.float64))
    if is_efron:
        whole = np.asarray(sums["events"], dtype=np.int64)
        _, first, _ = _tie(whole, s0, np.asarray(sums["tied0"], dtype=np.float64))
        return np.cumsum(first[0])
    events = np.asarray(sums["events"], dtype=np.float64)
    found: Array = np.cumsum(np.divide(events, s0, out=np.zeros_like(s0), where=s0 > 0))
    return found


def predict_survival(at: Array, hazard: Array, x: Array) -> Array:
    """Return survival after each grid time; point (p,), hazard (T,), x (n, p) -> (n, T)."""
    risk = np.exp(np.clip(x @ at, -FARTHEST, FARTHEST))
    found: Array = np.exp(-risk[:, None] * hazard)
    return found
