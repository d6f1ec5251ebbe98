"""Measurements of a model, by the kind of the outcome.

kind      the seam: figures of a round, counts, figures that are published
binary    two classes: AUROC and the like
classes   several classes: accuracy, macro-F1
numbers   a measured outcome: mean absolute error, R2
times     a time to an event: C-index, integrated Brier score
"""

from swarmhub.recipes.kinds.kind import Kind, kind_of

__all__ = ["Kind", "kind_of"]
