"""The coupling rho: how hard a hospital's models are pulled to the merged ones.

Theory. On a quadratic with curvatures between h_min and h_max, ADMM is fastest with
rho = sqrt(h_min h_max); a tenth or ten times that is several times slower (Ghadimi, Teixeira,
Shames and Johansson, IEEE Trans Autom Control 2015;60:644).

Start: the smallest curvature is that of the penalty, and standardised features put the curvature of
the loss about 1, so rho is about sqrt(penalty). On the data sets of bench/penalty.py this was
within a factor three of the best for penalties over five decades, which no fixed rho was.

Then: after the second round the curvature itself is known. If a hospital's model has moved by dw
and the gradient of its objective there by dg, then |dg| / |dw| is the curvature along the way it
went. Over all hospitals,

    rho = sqrt( sum rows |dg|^2 / sum rows |dw|^2 )

which is the geometric mean of the two Barzilai-Borwein step sizes, on which adaptive consensus ADMM
rests (Xu, Taylor, Li, Figueiredo, Yuan and Goldstein, ICML 2017). The gradient costs nothing:
the local solution has it as its multiplier. rho is changed at stated turns only and only if it is
off by more than a factor: each change restarts the mixing (`anderson`), which brings more than an
exact rho does. Balancing the primal and the dual residual (Boyd et al. 2011, 3.4.1) was worse: rho
ran up to hundreds of times the best if the penalty was strong, and kept restarting the mixing.

A warm start knows its multipliers to first order only. rho is WARM times as large there: with less,
the first rounds overshot along steep directions (Alzheimer: worse than a cold start after ten
rounds), and with ten times as much they crept.
"""

from __future__ import annotations

import numpy as np

from swarmhub.recipes.linear.axes import Array

START = 1.5  # times sqrt(penalty): from 1 to 3 about the same
WARM = 3.0  # times the coupling of the folds
TURNS = (2,)  # after which rho is changed
DEAD = 1.3  # a smaller factor is not worth a restart
LARGEST = 10.0  # factor of one change


def start_of(penalty: Array) -> Array:
    """Return the coupling of the first round; (K,) -> (K,)."""
    return START * np.sqrt(penalty)


def warm(of_folds: Array, penalty: float) -> float:
    """Return the coupling of training that starts at the mean of fold models with these couplings
    (F,)."""
    ordered = np.sort(of_folds)
    usual = max(float(ordered[len(ordered) // 2]), float(start_of(np.array([penalty]))[0]))
    return WARM * usual


def adapt(coupling: Array, secant: Array, turn: int) -> Array:
    """Return the coupling of the next round; coupling (K,), secant (K, 2) with |dg|^2 and |dw|^2 of
    the round `turn`, as means over hospitals -> (K,)."""
    if turn not in TURNS:
        return coupling
    known = (secant[:, 0] > 0.0) & (secant[:, 1] > 0.0)
    found = np.sqrt(np.where(known, secant[:, 0], 1.0) / np.where(known, secant[:, 1], 1.0))
    low, high = coupling / LARGEST, coupling * LARGEST
    found = np.minimum(np.maximum(found, low), high)
    changed = known & ((found > DEAD * coupling) | (found * DEAD < coupling))
    new: Array = np.where(changed, found, coupling)
    return new
