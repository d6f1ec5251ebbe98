"""A model as a value: arrays, the design and the declaration that turn data into its inputs, and
its origin."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from swarmhub import codec
from swarmhub.contract.records import Declaration
from swarmhub.data.cells import MAX_NAME
from swarmhub.data.design import BLOCK, CATEGORY, MAX_FEATURES, MISSING, NUMBER, Design
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput, plain
from swarmhub.evaluation.survival import Agreed
from swarmhub.models.architecture import DTYPES, Array, check_arrays, name_method, need_architecture
from swarmhub.models.response import Response, negative_of, positive_of
from swarmhub.models.survival import Baseline, agree
from swarmhub.params.buffer import MAX_F64
from swarmhub.params.layout import Tensor
from swarmhub.types import Digest, MemberId

KINDS = (NUMBER, CATEGORY, MISSING, BLOCK)  # of features, in their order


@dataclass(frozen=True)
class Contributor:
    """A hospital's part in the model: its name, and its weight in the last merge (training
    rows)."""

    member: MemberId
    name: str
    weight: int


@dataclass(frozen=True)
class Origin:
    """The place of a model in its consortium's ledger. `digest` is the blob digest of the settled
    parameters, `round` counts merges, `spec` is the digest of the study's terms. `intercept` names
    the hospital that the model's own intercept is of; "" if hospitals have none of their own, or
    the mean of theirs is used. If the study `standardise`s numbers with each hospital's own mean
    and standard deviation, `scale` names the hospital that they are of; "" if they are those of
    all hospitals."""

    study: str
    title: str = ""
    chain: str = ""
    round: int = 0
    spec: Digest = ""
    digest: Digest = ""
    contributors: tuple[Contributor, ...] = ()
    intercept: str = ""
    standardise: Literal["pooled", "own"] = "pooled"
    scale: str = ""


@dataclass(frozen=True)
class Measure:
    """A figure for the model card: `value` as text, on so many `samples`, `protocol` in words; the
    interval of 95%, "" if there is none."""

    name: str
    value: str
    samples: int
    protocol: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model that needs no node. `arrays` are those of `architecture` for the recipe; `design`
    and `declaration` say how a patient's values become its inputs."""

    recipe: str
    declaration: Declaration
    design: Design
    arrays: Mapping[str, Array]
    origin: Origin
    measures: tuple[Measure, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def schema(self) -> Schema:
        """The checked declaration."""
        return Schema.of(self.declaration)

    @functools.cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Name, type and shape of each array, by name."""
        return tuple(
            Tensor(name, DTYPES[array.dtype.name], array.shape)
            for name, array in sorted(self.arrays.items())
        )

    @functools.cached_property
    def architecture(self) -> Digest:
        """Digest of all that a model is but for its numbers: recipe, arrays' types and shapes,
        declaration, and the design's features and outcome with their means and standard
        deviations."""
        return codec.digest(
            b"swarmhub/model architecture/1", self.recipe.encode(), codec.encode(self.tensors),
            codec.pack(self.declaration), codec.encode([[s.kind, s.column, s.category]
                                                        for s in self.design.sources]),
            self.design.mean.astype("<f8").tobytes(), self.design.sd.astype("<f8").tobytes(),
            np.array(self.design.outcome, "<f8").tobytes(),
        )  # fmt: skip

    @functools.cached_property
    def response(self) -> Response:
        """The meaning of the model's margins. Raises BadInput if the arrays or the outcome cannot
        be those of a model."""
        found = self._declared
        if found.kind != "time_to_event":
            return found
        return replace(found, baseline=Baseline.of(self.agreed, self.arrays["hazard"]))

    @property
    def _declared(self) -> Response:
        """The response as far as the arrays do not matter for it."""
        return Response.of(self.schema.outcome, self.schema.threshold, self.design.outcome)

    @functools.cached_property
    def agreed(self) -> Agreed:
        """The terms on which a model of times to an event is evaluated: its grid, horizon, curves
        and cuts of risk. Raises BadInput if they contradict each other."""
        return agree(self.arrays, self.schema.outcome.horizon)

    @property
    def gives(self) -> str:
        """The prediction in the words of the study."""
        response, column = self.response, plain(self.declaration.outcome.column, 60)
        word = plain(self.positive, 60)
        unit = f" in {plain(response.unit, 40)}" if response.unit else ""
        return {
            "binary": f"the probability that '{column}' is '{word}'",
            "classes": f"the probability of each of {len(response.classes)} classes of '{column}'",
            "continuous": f"the value of '{column}'{unit}",
            "time_to_event": f"the risk that '{column}' is '{word}' by {response.horizon}",
        }[response.kind]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for all that score patients with the model."""
        origin = self.origin
        if origin.standardise == "pooled":
            return ()
        if not origin.scale:
            return (
                "The model was trained on numbers that each hospital standardised with its own "
                "mean, and this copy has the mean of all hospitals: its scores may be worse than "
                "the study's figures, also at a hospital that trained it.",
            )
        name = plain(origin.scale, 60)
        return (
            f"Numbers are standardised with mean and standard deviation of {name}: patients of "
            "another hospital need the copy that it has exported itself, or else their scores are "
            "not those that the study has evaluated.",
        )

    @property
    def has_declared_scales(self) -> bool:
        """Whether the features follow from the terms alone: differential privacy."""
        return bool(self.declaration.scales or self.declaration.levels)

    @property
    def positive(self) -> str:
        """The word of a binary outcome that the probability is of, or that of an event; "" for
        another kind."""
        return positive_of(self.declaration.outcome)

    @property
    def negative(self) -> str:
        """The word for all others; "" for another kind."""
        return negative_of(self.declaration.outcome)

    @property
    def method(self) -> str:
        """The statistical name of the recipe."""
        return name_method(self.recipe, self.response.kind, self.response.outputs)

    def check(self) -> None:
        """Raise BadInput if the parts do not make a model."""
        response, kinds = self._declared, need_architecture(self.recipe).kinds
        if response.kind not in kinds:
            raise BadInput(
                f"Expected a model of a {' or '.join(kinds)} outcome of the recipe "
                f"'{self.recipe}', got one of {response.kind}; export the model again."
            )
        check_outcome(self.design, response)
        check_design(self.design, self.schema)
        check_arrays(self.recipe, self.design, self.arrays, response.outputs)
        _ = self.response  # its baseline is checked


def check_outcome(design: Design, response: Response) -> None:
    """Raise BadInput if a design knows another outcome than the declared one."""
    rows, (mean, sd) = design.class_rows, design.outcome
    if len(rows) != response.counts:
        numbers = "a number" if response.counts == 1 else f"{response.counts} numbers"
        raise BadInput(
            f"Expected {numbers} of training rows for an outcome that is {response.kind}, got "
            f"{len(rows)}; export the model again."
        )
    sound = abs(mean) <= MAX_F64 and 0 < sd <= MAX_F64
    if not sound or (response.kind != "continuous" and design.outcome != (0.0, 1.0)):
        raise BadInput(
            "Expected a usable mean and standard deviation of an outcome that is "
            f"{response.kind}, got {mean!r} and {sd!r}; export the model again."
        )


def _has_rows(design: Design, schema: Schema) -> bool:
    """Return whether there are training rows of each class; of times, with the event."""
    if schema.outcome.kind == "time_to_event":
        return min(design.class_rows) >= 0 and design.class_rows[1] > 0
    return min(design.class_rows) > 0


def check_design(design: Design, schema: Schema) -> None:
    """Raise BadInput if a design is none that training could have made for this declaration."""
    sources, blocks = design.sources, {inputs.name for inputs in schema.inputs}
    if not 0 < len(sources) <= MAX_FEATURES or len(set(sources)) < len(sources):
        raise BadInput(f"Expected 1 to {MAX_FEATURES} features, each once; export the model again.")
    kinds = [KINDS.index(source.kind) for source in sources]
    if kinds != sorted(kinds):
        raise BadInput("Expected numbers, then categories, then flags among the features.")
    for source in sources:
        names_sound = 0 < len(source.column) <= MAX_NAME and len(source.category) <= MAX_NAME
        if not names_sound or (source.kind == BLOCK and source.column not in blocks):
            raise BadInput(f"The feature '{plain(source.name, 60)}' has no column; export again.")
        if bool(source.category) != (source.kind == CATEGORY):
            raise BadInput(f"The feature '{plain(source.name, 60)}' has a wrong category.")
    sound = np.isfinite(design.mean).all() and np.isfinite(design.sd).all()
    if not sound or not (design.sd > 0).all() or not _has_rows(design, schema):
        raise BadInput("The model's means, standard deviations or class counts are not usable.")
