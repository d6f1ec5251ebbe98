"""The inputs of a merge: contributions in the order of member ids, and the model before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from swarmhub.errors import MergeError
from swarmhub.merge.caps import cap_weights
from swarmhub.merge.pieces import Bytes, Piece, Source, WeightedSource, in_order, read
from swarmhub.merge.rules import NEEDS_BASE, Rule


@dataclass(frozen=True)
class Inputs:
    """N contributions in order, with the weights that count, and the base model if the rule needs
    it. `coded`: their layout is one of blocks."""

    contributions: tuple[WeightedSource, ...]
    base: Source | None
    coded: bool = False

    @property
    def weights(self) -> list[int]:
        """Weights of the contributions, (N,), after the cap."""
        return [c.weight for c in self.contributions]

    def read(self, piece: Piece) -> list[Bytes]:
        """Return the contributions' checked bytes of a chunk, then the base's: N or N + 1 arrays.

        Raises BadContribution as `pieces.read` does. The base is not checked: it was settled.
        """
        raws = [read(c.member, c.source, piece) for c in self.contributions]
        if self.base is not None:
            data = memoryview(self.base.read_at(piece.offset, piece.nbytes))
            if data.nbytes != piece.nbytes:
                raise MergeError(
                    f"Expected {piece.nbytes} bytes of the model before, got {data.nbytes}."
                )
            raws.append(np.frombuffer(data, np.uint8))
        return raws


def make_inputs(
    rule: Rule,
    contributions: Sequence[WeightedSource],
    base: Source | None,
    coded: bool = False,
) -> Inputs:
    """Return the inputs of a merge. Raises MergeError as `in_order` does, or if the rule needs a
    base and there is none."""
    ordered = in_order(contributions)
    if rule.name not in NEEDS_BASE:
        base = None
    elif base is None:
        raise MergeError(f"Expected the model before the round for {rule.name}, got none.")
    weights = cap_weights([c.weight for c in ordered], rule.max_share_permille)
    capped = (replace(c, weight=w) for c, w in zip(ordered, weights, strict=True))
    return Inputs(tuple(capped), base, coded)
