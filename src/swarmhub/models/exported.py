"""A model as a value: arrays, the design and the declaration that turn data into its inputs, and
its origin."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from swarmhub import codec
from swarmhub.contract.records import Declaration
from swarmhub.data.cells import MAX_NAME
from swarmhub.data.design import BLOCK, CATEGORY, MAX_FEATURES, MISSING, NUMBER, Design
from swarmhub.data.schema import POSITIVE, Schema
from swarmhub.errors import BadInput, plain
from swarmhub.models.architecture import DTYPES, Array, check_arrays
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
    parameters, `round` counts merges, `spec` is the digest of the study's terms."""

    study: str
    title: str = ""
    chain: str = ""
    round: int = 0
    spec: Digest = ""
    digest: Digest = ""
    contributors: tuple[Contributor, ...] = ()


@dataclass(frozen=True)
class Measure:
    """A figure for the model card: `value` as text, on so many `samples`, `protocol` in words."""

    name: str
    value: str
    samples: int
    protocol: str


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
        declaration, and the design's features with their means and standard deviations."""
        return codec.digest(
            b"swarmhub/model architecture/1", self.recipe.encode(), codec.encode(self.tensors),
            codec.pack(self.declaration), codec.encode([[s.kind, s.column, s.category]
                                                        for s in self.design.sources]),
            self.design.mean.astype("<f8").tobytes(), self.design.sd.astype("<f8").tobytes(),
        )  # fmt: skip

    @property
    def positive(self) -> str:
        """The word of the outcome that the probability is of."""
        words = self.declaration.outcome.positive
        return POSITIVE[0] if words == POSITIVE else " or ".join(words)

    @property
    def negative(self) -> str:
        """The word for all others: the declared one, if there is one, else a negation."""
        outcome = self.declaration.outcome
        if outcome.positive == POSITIVE or len(outcome.negative) == 1:
            return outcome.negative[0] if outcome.negative else f"not {self.positive}"
        return f"not {self.positive}" if len(outcome.positive) == 1 else f"not ({self.positive})"

    def check(self) -> None:
        """Raise BadInput if the parts do not make a model."""
        outcome = self.schema.outcome
        if outcome.kind != "binary":
            raise BadInput(f"Expected a model of a binary outcome, got one of {outcome.kind}.")
        check_design(self.design, self.schema)
        check_arrays(self.recipe, len(self.design.sources), self.arrays)


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
    if not sound or not (design.sd > 0).all() or min(design.class_rows) < 1:
        raise BadInput("The model's means, standard deviations or class counts are not usable.")
