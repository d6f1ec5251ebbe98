"""The answers of a node to requests of its peer server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from swarmhub import __version__, codec
from swarmhub.clock import wall_clock_ms
from swarmhub.contract.consortium.cards import DIALS_OUT
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import AdmissionMoved
from swarmhub.contract.records import INVITATION, ROUND, STUDY, Member, get_members
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import is_led
from swarmhub.contract.round.shards import find_shard
from swarmhub.contract.transactions import Apply, Rotate
from swarmhub.errors import BadInput, LedgerError
from swarmhub.failpoints import failpoint
from swarmhub.home.membership import Membership
from swarmhub.ledger.cometbft import CometLedger, read_genesis
from swarmhub.node.documents import Documents
from swarmhub.node.news import ANY_STUDY
from swarmhub.node.services import Services
from swarmhub.node.studies import Studies
from swarmhub.protocol import MergeDone, ReceiptCame, is_receipt, may_read
from swarmhub.protocol.changes import find_computed
from swarmhub.transport.gate import OFFER_WAIT_S, OfferAsked
from swarmhub.transport.reachability import Reachability, try_tcp
from swarmhub.transport.relay.streams import relays_of
from swarmhub.types import Digest, MemberId, PublicKey

APPLY_TIMEOUT_S = 60.0
T = TypeVar("T")
BEHIND_S = 0.5  # how long a node waits for a block that another one has seen already


class PeerGate:
    """The `Gate` (transport/gate.py) of a running node."""

    def __init__(
        self, services: Services, studies: Studies, membership: Membership, documents: Documents
    ) -> None:
        self._services, self._studies, self._membership = services, studies, membership
        self._documents = documents

    async def may_read(self, member: MemberId, digest: Digest) -> bool:
        def is_readable() -> bool:
            drivers, state = self._studies.drivers.values(), self._services.state
            return any(may_read(state, d.local, member, digest) for d in drivers)

        return bool(await self._in_time(is_readable))

    async def _in_time(self, find: Callable[[], T]) -> T:
        """Return what is found, or nothing after BEHIND_S: the asker may be a block ahead of this
        node."""
        loop = asyncio.get_running_loop()
        end = loop.time() + BEHIND_S
        while not (found := find()):
            left = end - loop.time()
            if left <= 0 or self._services.stopping.is_set():
                break
            await self._services.news.wait(ANY_STUDY, left)
        return found

    async def document(self, member: MemberId, digest: Digest) -> Path | None:
        found = await self._in_time(lambda: self._documents.find(digest))
        return found[1] if found else None

    def sent_document(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        found = self._documents.find(digest)
        self._services.outgoing.add_document(member, digest, nbytes, found[0] if found else "")

    def sent(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        self._services.outgoing.add(member, digest, nbytes)

    def sent_layout(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        self._services.outgoing.add_layout(member, digest, nbytes)

    async def offer(self, member: MemberId, asked: OfferAsked) -> MergeDone | None:
        study, number, revision = asked.study, asked.number, asked.revision
        loop = asyncio.get_running_loop()
        end = loop.time() + OFFER_WAIT_S
        while (left := end - loop.time()) > 0 and not self._services.stopping.is_set():
            driver = self._studies.drivers.get(study)
            study_record = STUDY.get(self._services.state, study)
            if study_record is None or study_record.samples_of(member) is None:
                return None
            r = ROUND.get(self._services.state, study)
            if r is None or r.number > number or (r.number == number and r.revision > revision):
                return None
            if driver is not None:
                merged = driver.local.merged.get((number, revision, asked.shard))
                if merged is not None and merged.digest != asked.known:
                    failpoint("offer.found")
                    return merged
                view = find_shard(self._services.state, study, asked.shard)
                leads = view is None or get_leader(view) == driver.local.me
                if r.number == number and is_led(r) and not leads:
                    return None
            await self._services.news.wait(study, left)
        return None

    def take_receipt(self, study: str, receipt: ReceiptCame) -> None:
        driver = self._studies.drivers.get(study)
        if driver is None:
            raise BadInput(f"No study '{study}' here.")
        at = (receipt.number, receipt.revision, receipt.shard)
        merged = driver.local.merged.get(at)
        if merged is None or merged.digest != receipt.digest:
            raise BadInput("The receipt is for another model.")
        computed = find_computed(self._services.state, driver.local, merged)
        if computed is None:
            raise BadInput("The model of this change is not computed here yet; try again.")
        if not is_receipt(self._services.state, study, receipt, merged, computed):
            raise BadInput("The receipt is not signed by its sender.")
        failpoint("receipt.taken")
        driver.learn(receipt)

    def sponsor_of(self, key: PublicKey) -> MemberId | None:
        """Return the member that registered the open invitation with this key."""
        found = INVITATION.get(self._services.state, key)
        return (
            found.sponsor
            if found is not None and found.expires_ms >= self._services.now_ms()
            else None
        )

    def greeted(self, member: MemberId) -> None:
        self._membership.hear()
        self._services.client.preconnect(member, back=True)

    async def reach(self, member: Member) -> Reachability:
        ledger = member.ledger.partition("@")[2]
        return Reachability(
            data="" if relays_of(member.address) else await try_tcp(member.address),
            ledger=await try_tcp(ledger) if ledger not in ("", DIALS_OUT) else "",
            height=self._services.ledger.tip.height,
            version=__version__,
            now_ms=wall_clock_ms(),
        )

    def describe(self) -> dict[str, Any]:
        tip = self._services.ledger.tip
        engines = [m.ledger for m in get_members(self._services.state) if m.ledger]
        genesis = codec.to_sparse_json(read_genesis(self._services.home.engine_path))
        return {"genesis": genesis, "height": tip.height, "head": tip.head, "engines": engines}

    def describe_ledger(self) -> dict[str, Any]:
        if not isinstance(self._services.ledger, CometLedger):
            raise BadInput("This ledger is not one of many machines.")
        engines = [m.ledger for m in get_members(self._services.state) if m.ledger]
        return {**self._services.ledger.describe(), "engines": engines}

    async def light(self, method: str, height: int, page: int) -> dict[str, Any]:
        if not isinstance(self._services.ledger, CometLedger):
            raise BadInput("This ledger is not one of many machines.")
        try:
            return await self._services.ledger.light(method, height, page)
        except LedgerError as error:
            raise BadInput(str(error)) from None

    async def take_application(self, tx: bytes) -> dict[str, Any]:
        if not isinstance(read_transaction(tx).body, Apply | Rotate):
            raise BadInput("Only an application or new keys can be handed in here.")
        result = await (await self._services.ledger.submit(tx)).result(APPLY_TIMEOUT_S)
        motion = next((e.motion for e in result.events if isinstance(e, AdmissionMoved)), 0)
        return {"code": result.code, "message": result.message, "motion": motion}
