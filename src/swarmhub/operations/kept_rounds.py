"""Settled rounds of a study as far back as this node keeps blocks."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.contract.events import Event, Settled, StudyProposed, get_study
from swarmhub.contract.records import Study
from swarmhub.contract.round.kinds import COUNTS, KINDS, SUMS
from swarmhub.home.home import Home
from swarmhub.ledger import Committed
from swarmhub.ledger.base import Listener
from swarmhub.ledger.cometbft import CometReadClient
from swarmhub.operations.reasons import find_refusals
from swarmhub.operations.rounds import SettledRound
from swarmhub.types import Digest

PAGE = 500  # blocks


def count_arrays(home: Home, rounds: Sequence[SettledRound]) -> dict[Digest, int]:
    """Return the number of arrays of settled sums and counts, by the layouts that are held here."""
    from swarmhub.blobs import BlobStore  # loads NumPy

    wanted = {r.model.layout for r in rounds if KINDS[r.model.kind].carries in (SUMS, COUNTS)}
    store = BlobStore(home.blobs_path)
    found = {digest: store.layout(digest) for digest in wanted}
    return {digest: len(layout.tensors) for digest, layout in found.items() if layout}


def read_kept(ledger: CometReadClient, see: Listener, of: Study, last: int) -> None:
    """Feed the kept blocks to a listener, from the `last` + 1 newest settlements of the study and
    the newest refusal of each member that refuses it on, or from its proposal."""
    study, unheard = of.name, set(of.refused)
    start, settled, is_young = ledger.tip.height + 1, 0, False
    while start > 0 and not is_young and (not last or settled <= last or unheard):
        page = ledger.kept(max(0, start - PAGE), start)
        settled += sum(_has(block, Settled, study) for block in page)
        unheard -= {m for block in page for m in find_refusals(block, study)}
        is_young = any(_has(block, StudyProposed, study) for block in page)
        start -= PAGE
    for height in range(max(0, start), ledger.tip.height + 1, PAGE):
        for block in ledger.kept(height, min(height + PAGE, ledger.tip.height + 1)):
            see(block)


def _has(block: Committed, kind: type[Event], study: str) -> bool:
    return any(isinstance(event, kind) and get_study(event) == study for event in block.events)
