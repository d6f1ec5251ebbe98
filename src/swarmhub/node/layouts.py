"""Differences between this site's model and the others', reported to the trainer.

Layouts are not sent with parameters: each site's own trainer provides one. Only if the digests
differ is the other document fetched, to describe the difference in one sentence. It comes from a
peer: it is bounded, parsed, and compared with its digest; only a settled model's is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmhub.blobs import BlobStore
from swarmhub.contract.events import LeftOut
from swarmhub.contract.records import (
    MEMBER,
    ROUND,
    SPEC,
    STUDY,
    Model,
    Result,
    Study,
    get_member_of_key,
)
from swarmhub.contract.results import get_results
from swarmhub.contract.round.kinds import KINDS
from swarmhub.contract.state import Reader
from swarmhub.errors import PeerError
from swarmhub.home.ledgers import NodeLedger
from swarmhub.params import ARRAYS, Layout, describe_difference
from swarmhub.protocol import LocalState, Offered
from swarmhub.protocol.collect import get_holders
from swarmhub.transport.client import PeerClient
from swarmhub.types import Digest, MemberId, PublicKey

TRIES, PAUSE_S = 3, 1.0
MAX_KNOWN = 16  # layouts in memory

log = logging.getLogger("swarmhub.trainer")


@dataclass(frozen=True)
class Unlike:
    """Another member's first model, with another layout than this site's. `stops`: the study cannot
    start from a model of this site's layout, since fewer than min_peers may have one; as long as
    enough may, one member's different model stops nobody."""

    offer: Offered
    mine: Digest  # the layout of this site's model
    stops: bool


def find_unlike(state: Reader, local: LocalState) -> Unlike | None:
    """Return a conflicting model of another member before the first round; None if there is
    none."""
    study, spec = STUDY.get(state, local.study), SPEC.get(state, local.study)
    r, mine = ROUND.get(state, local.study), local.prepared
    if study is None or spec is None or r is None or mine is None:
        return None
    if KINDS[r.kind].has_contributions or mine.number != r.number:
        return None
    offers = [o for o in local.offers.values() if o.number == r.number and o.leader != local.me]
    unlike = [o for o in offers if o.layout != mine.layout]
    if not unlike:
        return None
    alike = {e.member for e in study.enrolled} - {o.leader for o in unlike}
    return Unlike(unlike[0], mine.layout, stops=len(alike) < r.min_peers)


def find_alike(state: Reader, event: LeftOut) -> list[tuple[list[MemberId], Digest]]:
    """Return holders and digests of blobs that have the layout of most contributions: that of a
    member, or by now the result."""
    r = ROUND.get(state, event.study)
    given = r.contribution_of(event.like) if r is not None and r.number == event.number else None
    found = [([event.like], given.digest)] if given else []
    results = get_results(state, event.study).values()
    found += [([x.leader, event.like], x.digest) for x in results if x.layout == event.expected]
    return found


class LayoutFinder:
    """Layouts of other members' models, as far as this node had to ask for them."""

    def __init__(
        self, account: PublicKey, ledger: NodeLedger, blobs: BlobStore, client: PeerClient
    ) -> None:
        self._account, self._ledger, self._blobs, self._client = account, ledger, blobs, client
        self._known: dict[Digest, Layout] = {}
        self._checked: set[Digest] = set()  # settled models' documents that are here and intact

    async def describe(self, unlike: Unlike) -> str:
        """Return a sentence on how this site's model differs from the other's."""
        offer, blobs = unlike.offer, self._blobs
        ours = blobs.layout(unlike.mine)
        theirs = await self._find((offer.leader,), offer.digest, offer.layout)
        member = MEMBER.get(self._ledger.state, offer.leader)
        there = f"the model of {member.name if member else f'member {offer.leader}'}"
        if ours is None or theirs is None:
            return (
                f"This model's arrays are not those of {there} (names, types or shapes differ, or "
                "classes or columns); build the same model at every site."
            )
        return describe_difference(ours, theirs, "this model", there)

    async def describe_left_out(self, event: LeftOut) -> str:
        """Return a sentence on how the arrays of this site's contribution, which was left out,
        differ from those of another member's, which is like most."""
        ours, other = self._blobs.layout(event.layout), await self._find_alike(event)
        state = self._ledger.state
        member = MEMBER.get(state, event.like)
        there = f"the contribution of {member.name if member else f'member {event.like}'}"
        if ours is None or other is None:
            return (
                f"The arrays of this site are not those of {there} and most others (names, types "
                "or shapes differ), so they were left out; send the same arrays as the others."
            )
        said = describe_difference(ours, other, "this site", f"{there}, as most others,", ARRAYS)
        return f"What this site has sent was left out. {said}"

    async def _find_alike(self, event: LeftOut) -> Layout | None:
        """Return the layout of most contributions. A contribution can be asked for as long as its
        round is open, its result afterwards."""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            for holders, digest in find_alike(self._ledger.state, event):
                found = await self._ask(holders, digest, event.expected)
                if found is not None:
                    return found
        return None

    async def find_document(self, study: Study, model: Model | Result) -> Path | None:
        """Return the path of a settled model's layout, fetched if no trainer here has provided
        it."""
        return await self.find(get_holders(model, study), model.digest, model.layout)

    async def find(
        self, holders: Sequence[MemberId], digest: Digest, layout: Digest
    ) -> Path | None:
        """Return the path of the layout of a blob, fetched from one of its holders if no trainer
        here has provided it; None if none of them gives it."""
        blobs = self._blobs
        if layout in self._checked:
            return blobs.layout_path(layout)
        if await asyncio.to_thread(blobs.layout, layout) is None:
            found = await self._find(holders, digest, layout)
            if found is None:
                return None
            await asyncio.to_thread(blobs.put_layout, found)
        self._checked.add(layout)
        return blobs.layout_path(layout)

    async def _find(
        self, holders: Sequence[MemberId], digest: Digest, layout: Digest
    ) -> Layout | None:
        """Return the layout of a blob from any holder; None if no holder provides it."""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            found = await self._ask(holders, digest, layout)
            if found is not None:
                return found
        return None

    async def _ask(
        self, holders: Sequence[MemberId], digest: Digest, layout: Digest
    ) -> Layout | None:
        """Return the layout of a blob from the first holder that gives it, asking each once."""
        if layout in self._known:
            return self._known[layout]
        me = get_member_of_key(self._ledger.state, self._account)
        for holder in holders:
            if me is not None and holder == me.id:
                continue
            try:
                found = await self._client.layout(holder, digest, layout)
            except PeerError as error:
                log.info("layout of %s… from member %d: %s", digest[:12], holder, error)
                continue
            self._known = {**dict(list(self._known.items())[1 - MAX_KNOWN :]), layout: found}
            return found
        return None
