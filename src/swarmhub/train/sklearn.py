"""scikit-learn linear models (extra `[sklearn]`): `coef_` and `intercept_`, and their labels.

Only an estimator that continues from its present state can be trained in rounds: one with
`partial_fit`, or with `warm_start=True`. All others start anew in each `fit`, which would discard
the merged parameters silently. It must have been fitted once, so that its shapes are known.

`classes_` and `feature_names_in_` are part of the layout: row 1 of `coef_` must stand for the same
class at every site, and column 1 for the same measurement.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from swarmhub.errors import TrainerError
from swarmhub.params.buffer import Array

NAMES = ("coef_", "intercept_")
MEANINGS = ("classes_", "feature_names_in_")


class SklearnAdapter:
    """A fitted linear estimator that continues from its present state."""

    bf16: Collection[str] = ()

    def __init__(self, model: Any) -> None:
        refusal = why_not(model)
        if refusal:
            raise TrainerError(refusal)
        self._model = model

    def arrays(self) -> Mapping[str, Array]:
        return {n: np.asarray(getattr(self._model, n), order="C") for n in NAMES}

    def load(self, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            setattr(self._model, name, array.copy())

    @property
    def meanings(self) -> Mapping[str, Sequence[str]]:
        """Return `classes_` and `feature_names_in_`, as far as the estimator has them."""
        lists = {n: getattr(self._model, n, None) for n in MEANINGS}
        return {n: [_label(x) for x in found] for n, found in lists.items() if found is not None}

    @contextlib.contextmanager
    def watch_training(self) -> Iterator[None]:
        """Return a context for a round's training, in which `fit` is refused if it would start
        anew."""
        if not hasattr(self._model, "partial_fit"):
            yield  # it continues in `fit`
            return
        self._model.fit = _Forgetful(self._model)
        try:
            yield
        finally:
            vars(self._model).pop("fit", None)


class _Forgetful:
    """A replacement for the `fit` of an estimator with `partial_fit` while a round is trained. A
    copy of the estimator (pickle, deepcopy) has its own `fit` again."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not getattr(self._model, "warm_start", False):
            raise TrainerError(
                f"{_name(self._model)}.fit begins anew and forgets the merged model; call "
                "partial_fit in the rounds, or make it with warm_start=True."
            )
        return type(self._model).fit(self._model, *args, **kwargs)

    def __reduce__(self) -> Any:
        return getattr, (self._model, "fit")


def why_not(model: Any) -> str:
    """Return why an estimator cannot take part, and what to use instead; "" if it can."""
    name = _name(model)
    if hasattr(model, "steps"):
        return (
            f"A {name} cannot take part as a whole: its steps learn from this site alone; give its "
            "last step, a linear model, and prepare the inputs in the same way at every site."
        )
    if {"estimator", "estimators"} & model.get_params(deep=False).keys():
        return (
            f"A {name} is made of other models and has no arrays of its own to merge; give the "
            "model inside it, a linear one (after a search: its best_estimator_)."
        )
    if hasattr(model, "coefs_"):
        return (
            f"A {name} keeps its weights as lists of arrays (coefs_), and the state of its "
            "optimiser beside them; use a torch module, or a dict of NumPy arrays."
        )
    missing = [n for n in NAMES if not hasattr(model, n)]
    if missing:
        return _say_missing(model, " and ".join(missing))
    if not all(_is_settable(model, n) for n in NAMES):
        return (
            f"The coef_ of a {name} is computed from its support vectors and cannot be set; use "
            "SGDClassifier(loss='hinge') with partial_fit, a linear SVM that takes merged ones."
        )
    return _say_forgetful(model)


def _say_missing(model: Any, missing: str) -> str:
    name = _name(model)
    if any(key.endswith("_") and not key.startswith("_") for key in vars(model)):
        return (
            f"Expected a linear model, with coef_ and intercept_, but a fitted {name} has no "
            f"{missing}; use SGDClassifier or SGDRegressor, a torch module, or a dict of arrays."
        )
    return (
        f"Expected a fitted linear model, but this {name} has no {missing}; if it is a linear "
        "model, fit it once before joining, so that its shapes are known."
    )


def _say_forgetful(model: Any) -> str:
    """Return why an estimator starts anew regardless of its coef_: seen with scikit-learn 1.9."""
    name, settings = _name(model), model.get_params(deep=False)
    if settings.get("average"):
        return (
            f"{name}(average={settings['average']!r}) goes on from a hidden copy of its weights "
            "and forgets merged ones; make it with average=False."
        )
    if settings.get("solver") == "liblinear":
        return (
            f"{name}(solver='liblinear') forgets the merged model in every fit; use another solver "
            "(lbfgs, say) with warm_start=True, or SGDClassifier with partial_fit."
        )
    if hasattr(model, "partial_fit") or settings.get("warm_start"):
        return ""
    if "warm_start" in settings:
        use = f"make it with warm_start=True, or use {_like(model)} with partial_fit"
    else:
        use = f"use {_like(model)} with partial_fit"
    return f"{name} forgets the merged model in every fit; {use}."


def _like(model: Any) -> str:
    return "SGDClassifier" if hasattr(model, "classes_") else "SGDRegressor"


def _name(model: Any) -> str:
    return type(model).__name__


def _is_settable(model: Any, name: str) -> bool:
    found = getattr(type(model), name, None)
    return not isinstance(found, property) or found.fset is not None


def _label(value: Any) -> str:
    """Return a label for a class or a column. Equal values have equal labels regardless of their
    type (1, 1.0, True), and a number never looks like a string."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return repr(value)
