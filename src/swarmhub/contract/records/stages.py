"""The stages of a study: what its rounds compute, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from swarmhub.types import MemberId

StageKind = Literal["describe", "sum", "initial", "train", "evaluate"]


@dataclass(frozen=True)
class MergeRule:
    """A rule that merges contributions into one model (package `merge` has the arithmetic)."""

    name: Literal[
        "weighted_mean", "coordinate_median", "trimmed_mean", "geometric_median", "clipped_mean",
        "nnm_trimmed_mean",
    ] = "weighted_mean"  # fmt: skip
    trim_permille: int = 100
    max_share_permille: int = 1000  # of the total weight that one member may have; 1000: any

    @property
    def is_chunk_local(self) -> bool:
        """Whether a merged chunk depends only on the same chunk of each contribution."""
        return self.name in ("weighted_mean", "coordinate_median", "trimmed_mean")

    @property
    def needs_base(self) -> bool:
        """Whether a merge depends on the model from which the contributions started."""
        return self.name == "clipped_mean"

    @property
    def has_weights(self) -> bool:
        """Whether a contribution counts by its weight."""
        return self.name in ("weighted_mean", "geometric_median", "clipped_mean")


@dataclass(frozen=True)
class Bound:
    """Range and resolution of an array of a sum: each member's values are `low` to `high`, stored
    as whole numbers of 2^-bits."""

    array: str
    low: int
    high: int
    bits: int = 0


@dataclass(frozen=True)
class Until:
    """A test on a settled sum or model that ends its stage: no element of the array (int64, in
    stored units) is larger than `most`, in either direction."""

    array: str
    most: int


@dataclass(frozen=True)
class Stage:
    """A stage: rounds of one kind (see `round.kinds`), one after the other."""

    name: str
    kind: StageKind
    max_rounds: int = 1
    rule: MergeRule = field(default_factory=MergeRule)  # of a `train` stage
    members: tuple[MemberId, ...] = ()  # that take part, ascending; (): all that are enrolled
    until: Until | None = None  # ends a `sum` or `train` stage before max_rounds
    bounds: tuple[Bound, ...] = ()  # of arrays of a `sum` or `evaluate` stage
    agreed: tuple[str, ...] = ()  # arrays of a `sum` stage that are equal at all members: not added

    def takes(self, member: MemberId) -> bool:
        """Return whether the member takes part if it is enrolled."""
        return not self.members or member in self.members
