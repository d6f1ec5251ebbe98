"""The closing words of a masked demo: which data left the hospitals, by their own records."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.contract.records import Spec
from swarmhub.contract.round.masks import compute_least_set
from swarmhub.home.home import Home
from swarmhub.node.sent import MASKED
from swarmhub.operations.sent import read_sent
from swarmhub.words import say_bytes


def say_hidden(spec: Spec, homes: Sequence[Home]) -> tuple[str, ...]:
    """Return what nobody saw of a hospital, and what everybody did; nothing of a plain study."""
    if not spec.privacy.masked:
        return ()
    entries = [entry for home in homes for entry in read_sent(home, spec.name)]
    masked = {e.what for e in entries if e.kind == MASKED}
    nbytes = sum(e.nbytes for e in entries if e.kind == MASKED)
    plain = sum(e.kind == "parameters" for e in entries)
    least, together = compute_least_set(spec.privacy.colluders), spec.privacy.colluders + 1
    return (
        f"hidden: what each hospital trained. {len(masked)} contributions left under masks "
        f"({say_bytes(nbytes)}), {plain or 'none'} in plain; each model is the mean of at least "
        f"{least} hospitals, and nobody can take one out of it unless {together} others show all "
        "they have.",
        "not hidden: statistics of each hospital's table, its rows, the evaluation of the last "
        "model at each hospital, every merged model; two rounds of which one hospital missed one "
        "tell something of it.",
    )
