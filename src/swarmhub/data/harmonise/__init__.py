"""Statistics of omics data over hospitals that are equal to those of the pooled rows.

    iterate        the protocol of a round, and rows as a matrix
    moments        counts, means, variances, quantiles of each column
    correlations   covariances and correlations of pairs of columns
    least_squares  fits with an intercept for each batch
    expression     differential expression: Welch's t, Student's t, moderated t
    combat         ComBat: batches' shift and spread removed
    shrink         ... its empirical Bayes, at one hospital
    components     principal components
    small          small algebra with the same bits everywhere
    special        digamma, trigamma, Student's t, the false discovery rate

A `Step` (one hospital's side) makes the arrays of the next round from the newest sums; a function
`read_...` makes the result from the last ones. Nothing here knows a network: a study runs the step
in a `sum` stage (`docs/guides/stages.md`) with the `AGREED` arrays of the method.

Definitions
    missing             NaN; left out of a column's own sums. In components it counts as the mean
    variance, sd        divided by n - 1; ComBat's pooled variance by n
    quantile            the smallest value that at least a share q of the values do not exceed
    covariance          divided by n - 1, over the rows in which both are known, about their means
    constant            a spread below 16 units in the last place of the values: taken for 0
    estimable           a covariate that keeps at least 1e-10 of its squares beside those before it
    p                   two-sided; q is adjusted by Benjamini and Hochberg
    sign of components  the loading that is largest in size is positive
    rounding            nothing is rounded: float64 throughout
"""

from swarmhub.data.harmonise.combat import (
    Combat,
    adjust,
    adjust_dataset,
    combat_step,
    read_combat,
)
from swarmhub.data.harmonise.components import Components, ComponentsStep, read_components
from swarmhub.data.harmonise.correlations import (
    Correlations,
    CorrelationsStep,
    read_correlations,
)
from swarmhub.data.harmonise.expression import (
    Expression,
    Significance,
    expression_step,
    read_expression,
    welch,
    welch_step,
)
from swarmhub.data.harmonise.iterate import Step, matrix_of, turn_of
from swarmhub.data.harmonise.moments import Moments, MomentsStep, read_moments

__all__ = [
    "Combat",
    "Components",
    "ComponentsStep",
    "Correlations",
    "CorrelationsStep",
    "Expression",
    "Moments",
    "MomentsStep",
    "Significance",
    "Step",
    "adjust",
    "adjust_dataset",
    "combat_step",
    "expression_step",
    "matrix_of",
    "read_combat",
    "read_components",
    "read_correlations",
    "read_expression",
    "read_moments",
    "turn_of",
    "welch",
    "welch_step",
]
