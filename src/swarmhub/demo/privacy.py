"""The closing words of a masked demo: which data left the hospitals, by their own records."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.contract.records import Spec
from swarmhub.contract.round.masks import compute_least_set
from swarmhub.home.home import Home
from swarmhub.node.sent import MASKED, MASKED_SUMS
from swarmhub.operations.sent import read_sent
from swarmhub.words import say_bytes


def say_hidden(spec: Spec, homes: Sequence[Home]) -> tuple[str, ...]:
    """Return what nobody saw of a hospital, and what everybody did; nothing of a plain study."""
    if not spec.privacy.masked:
        return ()
    entries = [entry for home in homes for entry in read_sent(home, spec.name)]
    hidden = [e for e in entries if e.kind in (MASKED, MASKED_SUMS)]
    masked, nbytes = {e.what for e in hidden}, sum(e.nbytes for e in hidden)
    plain = sum(e.kind in ("parameters", "sums", "counts") for e in entries)
    least, together = compute_least_set(spec.privacy.colluders), spec.privacy.colluders + 1
    return (
        "hidden: what each hospital trained, added up and counted. "
        f"{len(masked)} contributions left under masks ({say_bytes(nbytes)}), {plain or 'none'} in "
        f"plain; each sum is of at least {least} hospitals, and nobody can take one out of it "
        f"unless {together} others show all they have.",
        "not hidden: statistics of each hospital's table, its rows, the sums, every merged model; "
        "two rounds of which one hospital missed one tell something of it.",
    )
