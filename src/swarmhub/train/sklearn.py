"""scikit-learn linear models (extra `[sklearn]`): `coef_` and `intercept_`.

Use an estimator that goes on from where it is: `SGDClassifier` with `partial_fit`, or
`LogisticRegression(warm_start=True)`. It must have been fitted once, or be given `classes_` and
zero coefficients, so that its shapes are known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from swarmhub.errors import TrainerError
from swarmhub.params.buffer import Array

NAMES = ("coef_", "intercept_")


class SklearnAdapter:
    """A fitted linear estimator."""

    bf16: Collection[str] = ()

    def __init__(self, model: Any) -> None:
        missing = [n for n in NAMES if not hasattr(model, n)]
        if missing:
            raise TrainerError(
                f"Expected a fitted linear model, but {type(model).__name__} has no "
                f"{' and '.join(missing)}; fit it once, or set them to zeros, before joining."
            )
        self._model = model

    def arrays(self) -> Mapping[str, Array]:
        return {n: np.ascontiguousarray(getattr(self._model, n)) for n in NAMES}

    def load(self, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            setattr(self._model, name, array.copy())
