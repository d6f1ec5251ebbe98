"""Losses of a row's margins: logistic, softmax, squared.

K models have margins (K, e, n): e outputs of n rows. A loss is convex in the margins. All that
Newton's method needs of it is its value, its slopes and the product of its Hessian with a
direction, each row by itself.

    logistic   log(1 + exp(-m)) of label 1, log(1 + exp(m)) of label 0       e = 1
    softmax    log(sum_c exp(m_c)) - m_label                                  e = classes
    squared    (m - y)^2 / 2                                                  e = 1

The outcome of the squared loss is standardised, so a guess has a loss of one half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records.declaration import OutcomeKind

Array = npt.NDArray[np.float64]
Product = Callable[[Array], Array]  # of a Hessian with margins (K, e, n) of a direction


class Loss(Protocol):
    """A loss; `outputs` is e, `has_classes` whether an outcome is the number of a class."""

    @property
    def outputs(self) -> int:
        """Margins of a row."""

    @property
    def has_classes(self) -> bool:
        """Whether an outcome y is the number of a class."""

    def each(self, y: Array, margin: Array) -> Array:
        """Return the loss of each row; (n,), (K, e, n) -> (K, n)."""

    def slopes(self, y: Array, margin: Array) -> Array:
        """Return derivatives by the margins; (n,), (K, e, n) -> (K, e, n)."""

    def curvature(self, y: Array, margin: Array) -> tuple[Array, Product]:
        """Return the Hessian's diagonal (K, e, n), and its product with margins."""

    def predict(self, margin: Array) -> Array:
        """Return predictions, (K, e, n) -> (K, e, n): probabilities, or the margins themselves."""


def sigmoid(margin: Array) -> Array:
    """Return 1 / (1 + exp(-margin)) without overflow."""
    result: Array = 0.5 * (1.0 + np.tanh(0.5 * margin))
    return result


def softplus(margin: Array) -> Array:
    """Return log(1 + exp(margin)) without overflow."""
    result: Array = np.maximum(margin, 0.0) + np.log1p(np.exp(-np.abs(margin)))
    return result


@dataclass(frozen=True)
class Logistic:
    """Log loss of two classes."""

    outputs: int = 1
    has_classes: bool = True

    def each(self, y: Array, margin: Array) -> Array:
        """Return the loss of each row."""
        return softplus((1.0 - 2.0 * y) * margin[:, 0])

    def slopes(self, y: Array, margin: Array) -> Array:
        """Return derivatives by the margins."""
        signs = 2.0 * y - 1.0
        found: Array = -signs * sigmoid(-signs * margin)
        return found

    def curvature(self, y: Array, margin: Array) -> tuple[Array, Product]:
        """Return the Hessian's diagonal, and its product with margins."""
        chance = sigmoid(margin)
        diagonal = chance * (1.0 - chance)
        return diagonal, lambda direction: diagonal * direction

    def predict(self, margin: Array) -> Array:
        """Return probabilities of label 1."""
        return sigmoid(margin)


@dataclass(frozen=True)
class Softmax:
    """Log loss of three classes or more."""

    outputs: int
    has_classes: bool = True

    def each(self, y: Array, margin: Array) -> Array:
        """Return the loss of each row."""
        top = margin.max(axis=1)
        total = np.log(np.exp(margin - top[:, None]).sum(axis=1)) + top
        found: Array = total - margin[:, y.astype(np.int64), np.arange(len(y))]
        return found

    def slopes(self, y: Array, margin: Array) -> Array:
        """Return derivatives by the margins."""
        found = self.predict(margin)
        found[:, y.astype(np.int64), np.arange(len(y))] -= 1.0
        return found

    def curvature(self, y: Array, margin: Array) -> tuple[Array, Product]:
        """Return the Hessian's diagonal, and its product with margins."""
        chance = self.predict(margin)

        def product(direction: Array) -> Array:
            weighed = chance * direction
            found: Array = weighed - chance * weighed.sum(axis=1, keepdims=True)
            return found

        return chance * (1.0 - chance), product

    def predict(self, margin: Array) -> Array:
        """Return the probability of each class."""
        found: Array = np.exp(margin - margin.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
        return found


@dataclass(frozen=True)
class Squared:
    """Half of the squared error of a standardised outcome."""

    outputs: int = 1
    has_classes: bool = False

    def each(self, y: Array, margin: Array) -> Array:
        """Return the loss of each row."""
        found: Array = 0.5 * (margin[:, 0] - y) ** 2
        return found

    def slopes(self, y: Array, margin: Array) -> Array:
        """Return derivatives by the margins."""
        found: Array = margin - y
        return found

    def curvature(self, y: Array, margin: Array) -> tuple[Array, Product]:
        """Return the Hessian's diagonal, and its product with margins."""
        return np.ones_like(margin), lambda direction: direction

    def predict(self, margin: Array) -> Array:
        """Return the margins."""
        return margin


LOGISTIC = Logistic()


def predict_rows(loss: Loss, margins: Array) -> Array:
    """Return the predictions of one model's margins (e, n): (n,) of one output, (n, e) of more."""
    found = loss.predict(margins[None])[0]
    return found[0] if loss.outputs == 1 else np.ascontiguousarray(found.T)


def loss_of(kind: OutcomeKind, classes: int = 2) -> Loss:
    """Return the loss of an outcome with this many classes. Raises ValueError for a kind that has
    no linear recipe."""
    if kind == "continuous":
        return Squared()
    if kind == "binary" or (kind == "classes" and classes == 2):
        return LOGISTIC
    if kind == "classes":
        return Softmax(classes)
    raise ValueError(f"No linear recipe for the outcome '{kind}'.")
