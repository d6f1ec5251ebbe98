"""The invariant of masked rounds: which sums of honest members' inputs can be computed.

A masked input is the sum of the input itself, the member's self mask, and a mask in common with
each other member that has dealt. The adversary (all Byzantine members together, one of which leads)
has every masked input that was ever contributed, its own shares of each secret, and the shares that
were shown. It knows a secret with t shares. So a sum of honest inputs with coefficients a is
computable if and only if the unknown masks cancel: a is 0 for each member with an unknown input or
self mask, and equal for each two with an unknown mask in common. The solutions are spanned by the
connected components of the graph of unknown common masks: each member with known common masks
(the key of one of a pair is enough), and all the others together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from swarmhub.types import MemberId


@dataclass
class Exposure:
    """The adversary's view of one keying: threshold, members that have dealt, members of which it
    has the masked input, and the holders that have shown their share of each secret."""

    threshold: int
    dealt: tuple[MemberId, ...]
    inputs: set[MemberId] = field(default_factory=set)
    shown: dict[tuple[MemberId, str], set[MemberId]] = field(default_factory=dict)

    def knows(self, dealer: MemberId, part: str, liars: Collection[MemberId]) -> bool:
        """Return whether the adversary can recover a secret of a member."""
        return len(self.shown.get((dealer, part), set()) | {*liars}) >= self.threshold


def find_sums(exposure: Exposure, liars: Collection[MemberId]) -> list[frozenset[MemberId]]:
    """Return the smallest sums of honest inputs that can be computed, each as its members."""
    honest = [m for m in exposure.dealt if m not in liars]
    known = {m for m in honest if exposure.knows(m, "pair", liars)}
    together = frozenset(m for m in honest if m not in known)
    found = [together] if together else []
    found += [frozenset([m]) for m in sorted(known)]
    return [
        c
        for c in found
        if c <= exposure.inputs and all(exposure.knows(m, "self", liars) for m in c)
    ]
