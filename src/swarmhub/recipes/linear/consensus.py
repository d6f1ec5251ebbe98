"""Consensus ADMM with Anderson mixing: K models, one round at one hospital.

Splitting. Hospital i has n_i of the N rows, the objective f_i (mean loss and penalty), a model w_i
and a multiplier u_i; z is the merged model. In the scaled form of Boyd, Parikh, Chu, Peleato and
Eckstein ("Distributed optimization and statistical learning via ADMM", 2011, section 7.1), written
with c_i = z + u_i, a round is

    w_i <- argmin f_i(w) + rho/2 |w - (2 z - c_i)|^2       (solved to precision, at home)
    z   <- sum n_i w_i / N                                 (merged)
    c_i <- c_i + (w_i - z)                                 (z of the beginning of the round)

At rest w_i = z and grad f_i(z) = -rho u_i. The u_i add up to zero by rows, and so do the gradients:
z is the pooled optimum. As an iteration of c_i it has the residual g_i = w_i - z. The norm is that
of `Stack.metric`, which binds the intercept less strongly than the features if there are many.

Mixing. Instead of the last c_i, all hospitals take the combination of their last ones that
`anderson` finds from the added inner products of g. z is the mean of c_i, which is linear: the next
z is the same combination of past merges, which everybody holds. Nothing else has to be sent. On the
open data sets (bench/penalty.py) ten rounds so come as near as twenty to twenty-five plain ones,
twenty several times nearer than thirty, and a coupling that is three times too small or too large
matters little.

Absence. Hospitals contribute w_i and u_i, and the mean of u_i is zero if all are there. A hospital
that is away takes its u_i along. Merging w_i + u_i, as is usual, would move z at once by what is
missing, which can be many times z. The mean of w_i hardly moves, and the others' u_i stay right
until it is back: they hold its gradient in their sum, as it was. A hospital that returns, or
has lost its state, guesses its u_i (the last known, or 0) and says that it is `fresh`; the settled
mean of u_i shows what is missing from zero, the fresh ones take it, and one lost state is restored
exactly. If the same hospitals took part PATIENCE times and something is still missing, one has
left, and all take a share: z goes to the optimum of the rest.

The mixing is right only if the same hospitals, with unbroken states, took part in all rounds that
it combines. So a state has a tag, a number drawn from its first contribution. Tags are merged like
everything else; if the merged tag is not that of the round before, the mixing starts anew.

Warm start. If grad f(z) is known to all, u_i = -(grad f_i(z) - grad f(z)) / rho adds up to zero,
and the first round is that of DANE (Shamir, Srebro and Zhang, ICML 2014). Without it u_i = 0. The
value at rest, -grad f_i(z) / rho, would make the swarm take a gradient step of length 1 / rho,
which overshoots along steep directions: a warm start worse than a cold one.

Elastic net would add one line: z <- soft threshold of the mean, after the combination.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.anderson import has_grown, mix
from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.coupling import adapt
from swarmhub.recipes.linear.stack import Stack

State = dict[str, npt.NDArray[Any]]  # a hospital's memory between rounds; it stays there

WINDOW = 6  # rounds that are mixed; 8 are hardly better, 4 a little worse
PATIENCE = 4  # rounds with the same hospitals until an imbalance is spread; absences are shorter
SLIGHT = 1e-6  # of the squared residual: a smaller imbalance is rounding


@dataclass(frozen=True, eq=False)
class Settled:
    """The means by rows of the hospitals' contributions to a round; a contribution has the same
    fields.

    `point` (K, d) has the models w, `multiplier` (K, d) the u, `coupling` (K,) rho of the round,
    `gram` (K, m, m) inner products of residuals, oldest first, `secant` (K, 2) squared changes of
    gradient and model, `fresh` (K,) the share of rows at hospitals without a past, `tag` a mean or
    sum of the tags, `turn` the number of the round; 0 is the start.
    """

    point: Array
    multiplier: Array
    coupling: Array
    gram: Array
    secant: Array
    fresh: Array
    tag: float
    turn: int

    @classmethod
    def start(cls, point: Array, coupling: Array) -> Settled:
        """Return what everybody has before the first round: points (K, d), coupling (K,)."""
        k = len(point)
        gram, secant = np.zeros((k, WINDOW, WINDOW)), np.zeros((k, 2))
        return cls(point, np.zeros_like(point), coupling, gram, secant, np.zeros(k), 0.0, 0)


@dataclass(frozen=True, eq=False)
class _Place:
    """A hospital's place at the beginning of a round: merged z and its own c, both (K, d), the
    coupling (K,), how many rounds may be mixed with this one (K,), how many times in a row the same
    hospitals took part, and the past (empty if it has none)."""

    z: Array
    c: Array
    coupling: Array
    depth: npt.NDArray[np.int64]
    run: int
    past: State


def advance(
    stack: Stack,
    settled: Settled,
    state: State,
    pooled_gradient: Array | None = None,
    mixing: bool = True,
) -> tuple[Settled, State]:
    """Train one round at one hospital -> (contribution, new state).

    The state is {} at first and after a loss. `pooled_gradient` (K, d) is that of all hospitals at
    settled.point, if everybody knows it. Without `mixing`, each round is plain ADMM.
    """
    if is_unbroken(settled, state):
        place = _continue(settled, state, mixing)
    else:
        place = _enter(stack, settled, state, pooled_gradient)
    w = stack.proximal(place.coupling, 2.0 * place.z - place.c)
    multiplier, turn, past = place.c - place.z, settled.turn + 1, place.past
    strength = place.coupling[:, None] * stack.metric  # (K, d)
    slope = strength * (place.z - w - multiplier)  # the gradient of f at w
    residuals = _append(past.get("residuals"), np.sqrt(stack.metric) * (w - place.z))
    new: State = {
        "coupling": place.coupling,
        "depth": np.minimum(place.depth + 1, WINDOW),
        "fresh": np.zeros(len(w)) if past else np.ones(len(w)),
        "multiplier": multiplier,
        "points": _append(past.get("points"), w + multiplier),
        "residuals": residuals,
        "run": np.array([place.run]),
        "slope": slope,
        "swarm_tag": np.array([settled.tag]),
        "tag": past.get("tag", np.array([_draw(w)])),
        "turn": np.array([turn]),
        "w": w,
    }
    if past:
        new["merged"] = past["merged"]
    tag, gram, secant = float(new["tag"][0]), _gram(residuals), _secant(stack, past, new)
    made = Settled(w, multiplier, place.coupling, gram, secant, new["fresh"], tag, turn)
    return made, new


def is_unbroken(settled: Settled, state: State) -> bool:
    """Return whether a state's last contribution was to the round that settled last."""
    if not state or state["w"].shape != settled.point.shape:
        return False
    left_out = bool(state["fresh"].any()) and not settled.fresh.any()  # sent, but not merged
    return int(state["turn"][0]) == settled.turn and not left_out


def _continue(settled: Settled, state: State, mixing: bool) -> _Place:
    """Return the place after a round in which this hospital took part."""
    same = settled.tag == float(state["swarm_tag"][0])
    run = int(state["run"][0]) + 1 if same else 1
    some = settled.fresh > 0.0
    own = np.where(some, state["fresh"] / np.where(some, settled.fresh, 1.0), run >= PATIENCE)
    points = state["points"].copy()  # (m, K, d)
    points[-1] -= own[:, None] * settled.multiplier
    merged = _append(state.get("merged"), settled.point)  # (m, K, d), as many as points
    missing = (settled.multiplier**2).max(axis=1) > SLIGHT * settled.gram[:, -1, -1]
    anew = (not mixing) | (run == 1) | (missing & (run == PATIENCE))
    depth = np.where(anew, 1, state["depth"])
    depth = np.where(has_grown(settled.gram, depth), 1, depth)
    alpha = mix(settled.gram, depth)  # (K, WINDOW)
    z, c = _combine(alpha, merged), _combine(alpha, points)
    coupling = adapt(settled.coupling, settled.secant, settled.turn)
    changed = coupling != settled.coupling
    c = np.where(changed[:, None], z + (settled.coupling / coupling)[:, None] * (c - z), c)
    past = {**state, "merged": merged, "points": points}
    return _Place(z, c, coupling, np.where(changed, 0, depth), run, past)


def _enter(stack: Stack, settled: Settled, state: State, pooled_gradient: Array | None) -> _Place:
    """Return the place of a hospital without a past, or with one that it missed the end of."""
    z = settled.point
    coupling = adapt(settled.coupling, settled.secant, settled.turn)
    c = z
    if pooled_gradient is not None:
        strength = coupling[:, None] * stack.metric
        c = z - (stack.gradient(z) - pooled_gradient) / strength
    elif state and state["multiplier"].shape == z.shape:
        c = z + (state["coupling"] / coupling)[:, None] * state["multiplier"]
    return _Place(z, c, coupling, np.zeros(len(z), dtype=np.int64), 0, {})


def _secant(stack: Stack, past: State, now: State) -> Array:
    """Return the squared changes of gradient and model since the last round, in the metric; 0 if
    there is none. -> (K, 2)."""
    if not past:
        return np.zeros((stack.shape[0], 2))
    gradient = ((now["slope"] - past["slope"]) ** 2 / stack.metric).sum(axis=1)
    model = ((now["w"] - past["w"]) ** 2 * stack.metric).sum(axis=1)
    return np.stack([gradient, model], axis=1)


def _append(past: Array | None, newest: Array) -> Array:
    """Return the last WINDOW of the past and the newest, (m, K, d)."""
    if past is None:
        return newest[None]
    found: Array = np.concatenate([past, newest[None]])[-WINDOW:]
    return found


def _combine(alpha: Array, rounds: Array) -> Array:
    """Return sum_j alpha_j rounds_j; alpha (K, WINDOW), rounds (m, K, d) -> (K, d)."""
    m = len(rounds)
    found = np.zeros(rounds.shape[1:])
    for j in range(m):
        found += alpha[:, WINDOW - m + j, None] * rounds[j]
    return found


def _gram(residuals: Array) -> Array:
    """Return inner products of the last rounds' residuals (m, K, d) -> (K, WINDOW, WINDOW), oldest
    first, 0 for rounds before the first."""
    m, k, _ = residuals.shape
    found = np.zeros((k, WINDOW, WINDOW))
    for i in range(m):
        for j in range(i, m):
            product = (residuals[i] * residuals[j]).sum(axis=1)
            found[:, WINDOW - m + i, WINDOW - m + j] = product
            found[:, WINDOW - m + j, WINDOW - m + i] = product
    return found


def changes(state: State) -> Array:
    """Return by how much the merged models changed in the last round that a state knows, |now -
    before| / |now|, at most 1; 1 if it does not know. -> (K,)."""
    merged = state.get("merged", state["w"][None])
    if len(merged) < 2:
        return np.ones(merged.shape[1])
    step = np.sqrt(((merged[-1] - merged[-2]) ** 2).sum(axis=1))
    size = np.sqrt((merged[-1] ** 2).sum(axis=1))
    found: Array = np.where(step < size, step / np.where(size > 0.0, size, 1.0), 1.0)
    return found


def _draw(point: Array) -> float:
    """Return a number in [0, 1) that no other state draws."""
    digest = hashlib.sha256(np.ascontiguousarray(point).tobytes()).digest()
    return int.from_bytes(digest[:6], "big") / 2.0**48
