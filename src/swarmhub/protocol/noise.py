"""The noise of contributions, as the terms of a study ask for it."""

from __future__ import annotations

from swarmhub.contract.records import Spec
from swarmhub.contract.round.masks import compute_honest
from swarmhub.privacy import NoiseTerms


def make_noise(spec: Spec, threshold: int) -> NoiseTerms | None:
    """Return the noise of a contribution to a training round: of a masked one (`threshold` > 0) a
    part, since the others read the sum alone; None if the terms ask for none."""
    dp, colluders = spec.privacy.dp, spec.privacy.colluders
    if dp is None:
        return None
    parts = compute_honest(threshold, colluders) if threshold else 1
    return NoiseTerms(dp.clip_millionths, dp.noise_millionths, parts)
