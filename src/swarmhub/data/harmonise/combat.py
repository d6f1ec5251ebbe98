"""ComBat over hospitals: each batch's shift and spread are removed, covariates' effects are kept.

Johnson, Li and Rabinovic, Biostatistics 2007;8:118. The batches are the hospitals, or the plates,
scanners and runs that a hospital names; they are told apart by these names, not by their place in a
list. Two rounds settle, for each column, the pooled standardisation (`Combat`): grand mean,
coefficients of the covariates beside the batches' intercepts, and residual variance (divided by
the number of rows). The rest is done at each hospital with its own rows (`adjust`, `shrink`): the
priors of a batch are of this batch alone. So a hospital that comes later adjusts its rows by the
settled parameters, and nothing changes for the others.

A missing value is left out of its column's sums, and stays missing. A column is left as it is if
its residuals are all zero (it is constant everywhere, or at each hospital), or if its known rows
cannot tell a covariate from the batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from swarmhub.data.dataset import Dataset
from swarmhub.data.harmonise.iterate import ROUNDING, Array, Mask, Sums, check_rows, matrix_of
from swarmhub.data.harmonise.least_squares import (
    AGREED,
    FitStep,
    check_covariates,
    read_fit,
    rows_by_batch,
)
from swarmhub.data.harmonise.shrink import STOP, Residuals, shrink
from swarmhub.errors import BadInput

__all__ = ["AGREED", "Combat", "adjust", "adjust_dataset", "combat_step", "read_combat"]


@dataclass(frozen=True, eq=False)
class Combat:
    """The pooled standardisation of p columns with q covariates: `grand` mean (p,), `coefficients`
    (p, q), `variance` (p,), and which columns are `adjustable` (p,)."""

    grand: Array
    coefficients: Array
    variance: Array
    adjustable: Mask


def combat_step(
    x: npt.ArrayLike, covariates: npt.ArrayLike | None = None, batch: Sequence[str] | None = None
) -> FitStep:
    """Return a hospital's side: rows x (n, p), covariates (n, q), the same at all hospitals, batch
    of each row (none: the hospital is one). Raises BadInput if they do not fit together."""
    rows = check_rows(x)
    return FitStep(rows, _covariates(rows, covariates), batch)


def _covariates(rows: Array, given: npt.ArrayLike | None) -> Array:
    return np.zeros((len(rows), 0)) if given is None else check_rows(given, "covariates")


def read_combat(sums: Sums, p: int, covariates: int = 0) -> Combat:
    """Return the standardisation of p columns from the last sums of `combat_step`. Raises BadInput
    if a covariate cannot be told from the batches in any column: its effect would be removed."""
    fit = read_fit(sums, p, covariates)
    varying = (fit.count > 0) & ~fit.flat
    told = fit.estimable[varying].any(axis=0)
    if varying.any() and not told.all():
        raise BadInput(
            f"Expected covariates that vary within hospitals, but covariate "
            f"{int(np.argmin(told)) + 1} cannot be told from the batches and the covariates before "
            "it; leave it out, or leave out the hospitals that have one value of it."
        )
    with np.errstate(invalid="ignore"):
        variance = fit.squares / np.maximum(fit.count, 1)
    adjustable = varying & fit.estimable.all(axis=1)
    return Combat(fit.grand, fit.coefficients, variance, adjustable)


def adjust(
    combat: Combat,
    x: npt.ArrayLike,
    covariates: npt.ArrayLike | None = None,
    batch: Sequence[str] | None = None,
    stop: float = STOP,
) -> Array:
    """Return a hospital's adjusted rows (n, p): its own, with all rows of each of its batches.
    Raises BadInput if they do not fit together, or have other columns than the standardisation."""
    rows = check_rows(x)
    z = _covariates(rows, covariates)
    check_covariates(rows, z, batch)
    if (rows.shape[1], z.shape[1]) != combat.coefficients.shape:
        p, q = combat.coefficients.shape
        raise BadInput(
            f"Expected {p} columns and {q} covariates, got {rows.shape[1]} and {z.shape[1]}; give "
            "the columns that the sums are of."
        )
    found = rows.copy()
    for part in rows_by_batch(batch, len(rows)).values():
        found[part] = _adjust_batch(combat, rows[part], z[part], stop)
    return found


def _adjust_batch(combat: Combat, x: Array, z: Array, stop: float) -> Array:
    expected = combat.grand + z @ combat.coefficients.T  # (n, p)
    sd = np.sqrt(np.where(combat.adjustable, combat.variance, 1.0))
    known = ~np.isnan(x) & combat.adjustable
    s = np.where(known, (x - expected) / sd, 0.0)
    n = known.sum(axis=0).astype(np.float64)
    mean = s.sum(axis=0) / np.maximum(n, 1)
    squares = np.where(known, np.square(s - mean), 0.0).sum(axis=0)
    level = np.where(known, np.square(x) + np.square(expected), 0.0).sum(axis=0) / sd**2
    shift, spread = shrink(Residuals(n, mean, squares, squares > ROUNDING * level), stop)
    return np.where(known, (s - shift) / np.sqrt(spread) * sd + expected, x)


def batches_of(dataset: Dataset) -> list[str] | None:
    """Return the batch of each row, None if the dataset has none. Raises BadInput if some rows have
    no batch."""
    if dataset.batch is None:
        return None
    names = dataset.batch.texts()
    missing = sum(name is None for name in names)
    if missing:
        raise BadInput(
            f"Expected a batch for each row, got none for {missing} of {len(names)} in "
            f"{dataset.source or 'the data'}; name the batch of all rows, or declare no batch."
        )
    return [str(name) for name in names]


def adjust_dataset(
    combat: Combat,
    dataset: Dataset,
    features: Sequence[str],
    covariates: npt.ArrayLike | None = None,
) -> Dataset:
    """Return the dataset with its values of the study's features (the standardisation's columns)
    adjusted; other columns stay. A sparse x becomes dense. Raises BadInput as `adjust`."""
    found = adjust(combat, matrix_of(dataset, features), covariates, batches_of(dataset))
    x = matrix_of(dataset, dataset.features)
    place = {name: k for k, name in enumerate(dataset.features)}
    here = [k for k, name in enumerate(features) if name in place]
    x[:, [place[features[k]] for k in here]] = found[:, here]
    return replace(dataset, x=x)
