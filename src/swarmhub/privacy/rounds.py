"""The masks of a round: those that a member applies, and those that remain in a settled sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.privacy.masking import Mask, pair_mask, self_mask
from swarmhub.secret_sharing import pair_key_of


def member_masks(
    context: bytes, member: int, self_seed: bytes, pair_key: bytes, keyed: Mapping[int, bytes]
) -> tuple[Mask, ...]:
    """Return the masks that a member applies to its vector: its own, and one for every other keyed
    member (ids to public pair keys; the member itself may be among them).

    `context` names the study, the round and the vector (its stage, its shard): no two vectors of a
    round may have the same one. Raises MaskError for a key of small order.
    """
    others = [other for other in sorted(keyed) if other != member]
    pairs = [
        pair_mask(x25519.shared_secret(pair_key, keyed[other]), member, other, context)
        for other in others
    ]
    return (self_mask(self_seed, context), *pairs)


@dataclass(frozen=True)
class Unmasking:
    """Secrets that the shares on the ledger have recovered: for each member in the sum its self
    seed, for each keyed member that is not in it its pair secret (as of `recover_secret`)."""

    self_seeds: Mapping[int, bytes]
    pair_secrets: Mapping[int, bytes]


def remaining_masks(
    context: bytes, keyed: Mapping[int, bytes], unmasking: Unmasking
) -> tuple[Mask, ...]:
    """Return the masks to apply to a settled sum so that none remains: everything that is in it,
    inverted. `keyed` maps all keyed members to their public pair keys.

    Raises MaskError unless each keyed member has exactly one of the two secrets.
    """
    inside, outside = unmasking.self_seeds, unmasking.pair_secrets
    if inside.keys() & outside.keys() or inside.keys() | outside.keys() != set(keyed):
        raise MaskError(
            "Expected the self seed of each member in the sum and the pair secret of each other "
            "keyed member, got another selection."
        )
    own = [self_mask(seed, context) for _, seed in sorted(inside.items())]
    pairs = []
    for absent, secret in sorted(outside.items()):
        key = pair_key_of(secret)
        for member in sorted(inside):
            shared = x25519.shared_secret(key, keyed[member])
            pairs.append(pair_mask(shared, member, absent, context))
    return tuple(mask.inverse() for mask in (*own, *pairs))
