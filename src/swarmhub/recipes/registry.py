"""The recipes by name: those of this package, and those that other packages bring.

A recipe is a module (or any object) with the attributes of `Recipe`. Another package offers one as
an entry point of the group "swarmhub.recipes"; its name there is what `options.model` of a study
says. It must be installed at every hospital, since it writes the stages of the terms and runs
them. A name of this package cannot be taken by another.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Spec, Stage
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, plain
from swarmhub.recipes.linear.alone import fit_linear
from swarmhub.recipes.linear.losses import Loss

if TYPE_CHECKING:
    from swarmhub.recipes.site import Site

Whole = npt.NDArray[np.int64]

GROUP = "swarmhub.recipes"
BUILT_IN = {
    "logistic": "swarmhub.recipes.logistic",
    "mlp": "swarmhub.recipes.small_network",
    "elastic_net": "swarmhub.recipes.elastic_net",
    "cox": "swarmhub.recipes.cox",
    "trees": "swarmhub.recipes.boosting",
    "fedavg": "swarmhub.recipes.fedavg",
    "deep": "swarmhub.recipes.neural.deep",
    "cnn": "swarmhub.recipes.neural.cnn",
}  # the first one for a kind of outcome is its default


class FitAlone(Protocol):
    """A recipe's training in one place, for comparison."""

    def __call__(
        self, spec: Spec, x: Floats, y: Floats, fold: Whole, loss: Loss
    ) -> Callable[[Floats], Floats]:
        """Train on rows x (n, p) with outcomes y (n,), numbers of classes or standardised values,
        and folds (n,); return the margins of other rows, (n, p) -> (outputs, n). Raises ValueError
        if a class is absent."""


class Recipe(Protocol):
    """A ready-made way to train a model of tables.

    `OPTIONS` maps each option of the terms that it knows to the words that are allowed, the default
    first; none if `check` reads its value. `SCORED` names the models with test patients
    counted over all hospitals: 'swarm', and 'left-out' if there is a model without each hospital. A
    recipe of another package has `ARCHITECTURE`, too (`models.architecture.Architecture`), if its
    models can be exported. `fit_alone` (`FitAlone`) and `WORDS`, stages in words (`words`), may be
    there, too, and `CAN_BE_MASKED`, true if training stages contribute float32 parameters alone,
    under a weighted mean and without a test. `CAN_BE_DP` is true if, in a study with privacy.dp, a
    patient changes weight x (contribution - merged) by at most the clip of the terms.
    """

    KINDS: tuple[OutcomeKind, ...]
    OPTIONS: Mapping[str, tuple[str, ...]]
    SCORED: tuple[str, ...]

    def check(self, spec: Spec) -> None:
        """Raise BadInput, with the key, for options with values that cannot be."""

    def make_stages(self, spec: Spec) -> tuple[Stage, ...]:
        """Return the stages between the statistics and the evaluation."""

    def run(self, site: Site) -> None:
        """Go through the stages at a hospital, until the study is over."""


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name. Raises BadInput if there is none, or if its package cannot be
    loaded."""
    if name in BUILT_IN:
        found: Any = importlib.import_module(BUILT_IN[name])
        recipe: Recipe = found
        return recipe
    return _load(name)


@functools.cache
def _load(name: str) -> Recipe:
    entry = find_entry(name)
    if entry is None:
        raise BadInput(
            f"Expected a model out of {', '.join(list_recipes())}, got '{plain(name, 40)}'; the "
            "package that brings a recipe must be installed at every hospital."
        )
    lacking: list[str] = []
    try:
        recipe: Recipe = entry.load()
        lacking = [n for n in (*Recipe.__annotations__, "make_stages", "run", "check")
                   if not hasattr(recipe, n)]  # fmt: skip
    except Exception as error:
        raise BadInput(
            f"The recipe '{plain(name, 40)}' of {_package(entry)} cannot be loaded: "
            f"{type(error).__name__}: {plain(error, 200)}"
        ) from error
    if lacking:
        raise BadInput(
            f"The recipe '{plain(name, 40)}' of {_package(entry)} lacks {', '.join(lacking)}."
        )
    return recipe


def find_alone(name: str) -> FitAlone:
    """Return the training in one place of the recipe of this name, that of a linear model if it has
    none of its own."""
    found: FitAlone = getattr(find_recipe(name), "fit_alone", fit_linear)
    return found


def need_packages(recipe: Recipe) -> None:
    """Raise BadInput, with the command that mends it, if a package that the recipe trains with is
    not installed: those that need one have a function `need_packages`."""
    need: Any = getattr(recipe, "need_packages", None)
    if need is not None:
        need()


def find_entry(name: str) -> EntryPoint | None:
    """Return the entry point of another package's recipe, None if there is none."""
    return next(iter(entry_points(group=GROUP, name=name)), None)


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist else "another package"


def list_recipes() -> tuple[str, ...]:
    """Return the names of all recipes: of this package, then of others."""
    others = {entry.name for entry in entry_points(group=GROUP)} - BUILT_IN.keys()
    return (*BUILT_IN, *sorted(others))


def find_default(kind: OutcomeKind, masked: bool = False) -> str:
    """Return the name of the recipe for an outcome if the terms name none: in a masked study the
    first one that can be masked, if there is one."""
    first = next(name for name in BUILT_IN if kind in find_recipe(name).KINDS)
    return next(iter(list_maskable(kind)), first) if masked else first


def can_be_masked(name: str) -> bool:
    """Return whether the training rounds of the recipe of this name can be masked."""
    return bool(getattr(find_recipe(name), "CAN_BE_MASKED", False))


def can_be_dp(name: str) -> bool:
    """Return whether the recipe of this name bounds what a patient changes."""
    return bool(getattr(find_recipe(name), "CAN_BE_DP", False))


def list_dp(kind: OutcomeKind) -> list[str]:
    """Return the names of the recipes for an outcome that can have differential privacy."""
    return [name for name in list_for(kind) if can_be_dp(name)]


def list_maskable(kind: OutcomeKind) -> list[str]:
    """Return the names of the recipes for an outcome that can be masked in training rounds."""
    return [name for name in list_for(kind) if can_be_masked(name)]


def list_for(kind: OutcomeKind) -> list[str]:
    """Return the names of the recipes for an outcome; those that cannot be loaded are left out."""
    found = []
    for name in list_recipes():
        try:
            kinds = find_recipe(name).KINDS
        except BadInput:
            continue
        found += [name] if kind in kinds else []
    return found
