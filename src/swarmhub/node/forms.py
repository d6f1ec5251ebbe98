"""How this site's model differs from the others' models, for the trainer that would wait in vain.

A layout travels with nobody's parameters: each site's own trainer brings it. Only if the digests
differ is the other document fetched, to say in one sentence what differs. It comes from a peer: it
is bounded, parsed, and compared with its digest; nothing of it is kept but a settled model's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swarmhub.contract.records import MEMBER, ROUND, SPEC, Model, Study, get_member_of_key
from swarmhub.contract.state import Reader
from swarmhub.errors import BlobError, PeerError
from swarmhub.params import Layout, describe_difference
from swarmhub.round import Notes, Offered
from swarmhub.round.brain import get_holders
from swarmhub.types import Digest, MemberId

if TYPE_CHECKING:
    from swarmhub.node.node import Node

TRIES, PAUSE_S = 3, 1.0

log = logging.getLogger("swarmhub.trainer")


def find_unlike(state: Reader, notes: Notes) -> Offered | None:
    """Another member's first model of another form than this site's, if the study cannot start
    from this site's: fewer than min_peers may have one of its form. As long as enough may, one
    member's odd model stops nobody."""
    r, spec, mine = ROUND.get(state, notes.study), SPEC.get(state, notes.study), notes.prepared
    if r is None or spec is None or r.kind != "initial" or mine is None or mine.number != r.number:
        return None
    offers = [o for o in notes.offers.values() if o.number == r.number and o.leader != notes.me]
    unlike = [o for o in offers if o.layout != mine.layout]
    others = {o.leader for o in unlike}
    if not unlike or len({*r.roster} - others) >= spec.min_peers:
        return None
    return unlike[0]


async def explain(node: Node, notes: Notes) -> str:
    """Say in one sentence why this site's model is not the study's; "" if nothing is known
    against it."""
    found = find_unlike(node.ledger.state, notes)
    mine = notes.prepared
    if found is None or mine is None:
        return ""
    ours = node.blobs.layout(mine.layout)
    theirs = await fetch(node, (found.leader,), found.digest, found.layout)
    member = MEMBER.get(node.ledger.state, found.leader)
    there = f"the model of {member.name if member else f'member {found.leader}'}"
    if ours is None or theirs is None:
        return (
            f"This model's arrays are not those of {there} (names, types or shapes differ, or "
            "classes or columns); build the same model at every site."
        )
    return describe_difference(ours, theirs, "this model", there)


async def find_document(node: Node, study: Study, model: Model) -> Path | None:
    """Where the layout of a settled model lies, fetched if no trainer here has brought it."""
    path = node.blobs.layout_path(model.layout)
    if node.blobs.layout(model.layout) is None:
        found = await fetch(node, get_holders(model, study), model.digest, model.layout)
        if found is None:
            return None
        await asyncio.to_thread(node.blobs.put_layout, found)
    return path


async def fetch(
    node: Node, holders: Sequence[MemberId], digest: Digest, layout: Digest
) -> Layout | None:
    """Get the layout of a blob from whoever holds it; None if nobody gives it."""
    me = get_member_of_key(node.ledger.state, node.account.public)
    for attempt in range(TRIES):
        for holder in holders:
            if me is not None and holder == me.id:
                continue
            try:
                return await node.client.layout(holder, digest, layout)
            except (PeerError, BlobError) as error:
                log.info("layout of %s… from member %d: %s", digest[:12], holder, error)
        if attempt < TRIES - 1:
            await asyncio.sleep(PAUSE_S)
    return None
