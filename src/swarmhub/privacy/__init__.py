"""Masked sums: the arithmetic of one member and of everybody after the sum is settled.

The leader adds masked vectors (`merge.modular`) and sees nothing else. Once the sum is settled and
enough shares are on the ledger, every node takes the remaining masks away for itself: the self
masks of the members in the sum, and the pair masks between these and the keyed that are not in it.

    fixed_point   a weighted mean as a sum of integers in the ring of 2^32
    masking       masks: AES-256-CTR streams, and the secrets that they come from
    models        masking a model, unmasking a sum, chunk by chunk
    noise         the discrete Gaussian
    noising       how much noise a contribution has; the one that leaves without masks
    accounting    how private noisy steps are together
    bounded       the same for sums of whole numbers, in the ring of 2^64
    rounds        the masks of a member, and of a sum
    sealing       shares, encrypted for a recipient

Nothing here touches disk, network, clock or randomness.
"""

from swarmhub.privacy.bounded import (
    MaskedSums,
    mask_arrays,
    need_bound,
    need_int64,
    unmask_arrays,
)
from swarmhub.privacy.fixed_point import Grid
from swarmhub.privacy.masking import Mask, apply_masks, pair_mask, self_mask
from swarmhub.privacy.models import Masking, mask_model, ring_layout, unmask_model
from swarmhub.privacy.noise import Noise
from swarmhub.privacy.noising import (
    NoiseTerms,
    Noising,
    make_noising,
    make_ring_noise,
    noise_model,
)
from swarmhub.privacy.rounds import Unmasking, member_masks, remaining_masks
from swarmhub.privacy.sealing import open_share, seal_share

__all__ = [
    "Grid",
    "Mask",
    "MaskedSums",
    "Masking",
    "Noise",
    "NoiseTerms",
    "Noising",
    "Unmasking",
    "apply_masks",
    "make_noising",
    "make_ring_noise",
    "mask_arrays",
    "mask_model",
    "member_masks",
    "need_bound",
    "need_int64",
    "noise_model",
    "open_share",
    "pair_mask",
    "remaining_masks",
    "ring_layout",
    "seal_share",
    "self_mask",
    "unmask_arrays",
    "unmask_model",
]
