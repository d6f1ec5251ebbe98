"""The response of a model: predictions out of margins, by the kind of the study's outcome.

    binary       probability of the positive word, 1 / (1 + exp(-m))                  (n,)
    classes      probability of each of K words, exp(m_k) / sum of all exp(m)         (n, K)
    continuous   value in the outcome's unit, mean + sd m                             (n,)
    time_to_event
                 logarithm of the hazard over the baseline's, m                       (n,)

A row has K margins if there are K >= 3 words, else one; two words have the margins 0 and m. Mean
and standard deviation are those of all training rows. All of it is made by `arithmetic`. Risks of
an event follow from its hazard and the `survival.Baseline`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Outcome
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.schema import POSITIVE
from swarmhub.errors import BadInput
from swarmhub.evaluation.classes import MOST_CLASSES
from swarmhub.models.arithmetic import Floats, sigmoid, softmax
from swarmhub.models.survival import Baseline, say_time

# part of the scores that has the predictions, by the kind of the outcome
PARTS = {
    "binary": "probability", "classes": "probabilities", "continuous": "values",
    "time_to_event": "risk",
}  # fmt: skip


@dataclass(frozen=True)
class Response:
    """The response. `classes` are the words in the order of their numbers, those of a binary
    outcome the negative and the positive one, those of a time to an event without and with it;
    none if the outcome is continuous. `mean` and `sd` are in its `unit`, the times of `baseline`
    are in that of the times; None if the outcome is another one, or the arrays are not known."""

    kind: OutcomeKind
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    unit: str = ""
    mean: float = 0.0
    sd: float = 1.0
    baseline: Baseline | None = None

    @classmethod
    def of(
        cls, outcome: Outcome, threshold: float, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Response:
        """Return the response of a declared outcome; `scale` is its mean and standard deviation.
        Raises BadInput if there are too many classes."""
        if len(outcome.classes) > MOST_CLASSES:
            raise BadInput(
                f"Expected at most {MOST_CLASSES} classes, got {len(outcome.classes)}; declare "
                "fewer."
            )
        words = (negative_of(outcome), positive_of(outcome))
        classes = words if outcome.positive else outcome.classes
        return cls(outcome.kind, classes, threshold, outcome.unit, *scale)

    @property
    def outputs(self) -> int:
        """Margins of a row."""
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def counts(self) -> int:
        """Numbers of training rows that are known: one for each class, one if there are none."""
        return max(1, len(self.classes))

    @property
    def horizon(self) -> str:
        """The time up to which a risk is predicted, with its unit; "" for another kind."""
        return say_time(self.baseline.horizon, self.unit) if self.baseline else ""

    def predict(self, margins: Floats) -> Floats:
        """Return predictions, (outputs, n) -> (n,), or (n, K) of classes."""
        if self.kind == "binary":
            return sigmoid(margins[0])
        if self.kind == "time_to_event":
            return margins.reshape(-1)
        if self.kind == "continuous":
            scaled: Floats = margins[0] * self.sd
            return scaled + self.mean
        if len(self.classes) == 2:
            margins = np.stack([np.zeros_like(margins[0]), margins[0]])
        return np.ascontiguousarray(softmax(margins).T)

    def choose(self, predicted: Floats) -> npt.NDArray[np.int64]:
        """Return the number of each row's class, (n,): the positive one from the threshold on, or
        the most probable one (the first of equals)."""
        is_one = predicted.ndim == 1
        found: npt.NDArray[np.int64] = np.asarray(
            predicted >= self.threshold if is_one else predicted.argmax(axis=1), dtype=np.int64
        )
        return found


def positive_of(outcome: Outcome) -> str:
    """Return the word of a binary outcome that the probability is of, or that of an event; "" for
    another kind."""
    words = outcome.positive
    return POSITIVE[0] if words == POSITIVE else " or ".join(words)


def negative_of(outcome: Outcome) -> str:
    """Return the word for all others: the declared one, if there is one, else a negation; "" for
    an outcome with classes or a continuous one."""
    positive = positive_of(outcome)
    if not positive:
        return ""
    if outcome.positive == POSITIVE or len(outcome.negative) == 1:
        return outcome.negative[0] if outcome.negative else f"not {positive}"
    return f"not {positive}" if len(outcome.positive) == 1 else f"not ({positive})"
