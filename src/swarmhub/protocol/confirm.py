"""The model that is confirmed: every node computes it of what is settled."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.protocol.changes import confirm_change
from swarmhub.protocol.effects import Effect
from swarmhub.protocol.masking import unmask
from swarmhub.protocol.view import View


def compute_confirmed(view: View) -> Iterator[Effect]:
    """Compute the model of the settled sum of a masked round, or of a change settled in shards."""
    yield from unmask(view) if view.r.is_masked else confirm_change(view)
