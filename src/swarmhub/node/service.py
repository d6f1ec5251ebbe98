"""The node: opens ledger, blobs and ports, and follows the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import IO, Any

from swarmhub.blobs import BlobStore
from swarmhub.contract import State
from swarmhub.contract.events import (
    AdmissionMoved,
    Admitted,
    Departed,
    DoubleSigned,
    Revoked,
    Rotated,
)
from swarmhub.contract.records import get_chain, get_members, get_names
from swarmhub.errors import HomeError, LedgerError, plain
from swarmhub.failpoints import failpoint
from swarmhub.files import is_passing, lock, raise_file_limit
from swarmhub.home.bootstrap import Bootstrap
from swarmhub.home.config import parse_address
from swarmhub.home.head import load_head
from swarmhub.home.home import Home
from swarmhub.home.ledgers import NodeLedger, open_for_node
from swarmhub.home.membership import Membership, find_applicants
from swarmhub.home.rotation import mend_rotation, read_identity
from swarmhub.ledger import Committed
from swarmhub.ledger.cometbft import CometLedger
from swarmhub.ledger.sentences import say_event
from swarmhub.merge import self_test
from swarmhub.node.announcing import Announcing
from swarmhub.node.beside import BesideNode
from swarmhub.node.documents import Documents
from swarmhub.node.double_signing import find_double_signs
from swarmhub.node.head_saver import HeadSaver
from swarmhub.node.health import Health
from swarmhub.node.journal import Journal
from swarmhub.node.layouts import LayoutFinder
from swarmhub.node.link_saver import LinkSaver
from swarmhub.node.memory import share_one_heap
from swarmhub.node.metrics import Metrics
from swarmhub.node.news import ANY_STUDY, News
from swarmhub.node.outgoing import Description, Outgoing
from swarmhub.node.own_keys import OwnKeys
from swarmhub.node.peer_gate import PeerGate
from swarmhub.node.problems import Problems
from swarmhub.node.sent import SentBook
from swarmhub.node.services import Services
from swarmhub.node.status import Status
from swarmhub.node.studies import Studies
from swarmhub.node.trainer_api.server import LocalApi, Perform
from swarmhub.node.validating import ask_heights, become_validator
from swarmhub.transport.client import PeerClient
from swarmhub.transport.relay.streams import relays_of
from swarmhub.transport.relay.uplink import RelayUplink
from swarmhub.transport.server import PeerServer
from swarmhub.transport.tls import Peers
from swarmhub.types import Digest, MemberId

LOCK_TRIES, LOCK_PAUSE_S = 5, 0.02
MOST = 1000  # characters of a line of the log
MEMBERSHIP_EVENTS = (Admitted, AdmissionMoved, Departed, Revoked, Rotated)

log = logging.getLogger("swarmhub.node")


class Node:
    """A running node. `run` returns when it is told to stop or cannot continue. It starts the
    processes `beside` it, which outlive it if its keys are rotated."""

    def __init__(
        self,
        home: Home,
        verbose: bool = False,
        perform: Perform | None = None,
        beside: Sequence[BesideNode] = (),
    ) -> None:
        self.home = home
        self._perform, self._beside = perform, beside
        self.verbose = verbose
        home.make_folders()
        mend_rotation(home)
        self.account = home.key("account")
        home.key("tls")  # OpenSSL would not name the damaged file
        self.blobs = BlobStore(home.blobs_path)
        self.peers = Peers(home.certificate_path, home.key_path("tls"))
        self.client = PeerClient(self.peers)
        relays = relays_of(home.config.address)
        self.uplink = RelayUplink(self.peers, relays, home.config.listen)
        self.bootstrap = Bootstrap(home)
        self.problems = Problems(home.root)
        self.stopping = asyncio.Event()
        self._identity = read_identity(home)
        self._failure: LedgerError | None = None
        self._watching: asyncio.Task[None] | None = None
        self._rising: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run the node from opening to closing. Raises SwarmhubError if it cannot continue."""
        held = await self._take_home()
        if held is None:
            raise HomeError(
                f"A node is running on {self.home.root} already; stop it, or use another --home."
            )
        asyncio.get_running_loop().set_exception_handler(self._heard_by_the_loop)
        try:
            raise_file_limit()
            share_one_heap()
            await asyncio.to_thread(self_test)
            for sentence in await asyncio.to_thread(self.blobs.load):
                self.problems.report(sentence)
            failpoint("start.blobs")
            self._assemble(await self._open_ledger())
            failpoint("start.ledger")
            try:
                await self._start()
                log.info("node '%s' is up", self.home.config.name)
                for process in self._beside:
                    process.start(self.problems.update)
                await self.stopping.wait()
            finally:
                await self._close()
        finally:
            held.close()
        if self._failure is not None:
            raise self._failure

    @property
    def renewed(self) -> bool:
        """Whether its keys have been rotated, so that a new node has to be started on the home."""
        return self._own_keys.renewed

    async def _take_home(self) -> IO[Any] | None:
        """Return the lock that makes this node the home's only one; None if another has it for
        longer than the instant in which a command checks whether a node is running."""
        for _ in range(LOCK_TRIES):
            held = lock(self.home.run_path("node.lock"))
            if held is not None:
                break
            await asyncio.sleep(LOCK_PAUSE_S)
        return held

    async def _open_ledger(self) -> NodeLedger:
        seen = None
        try:
            seen = load_head(self.home)
        except HomeError as error:
            self.problems.report(str(error))

        async def ask(state: State) -> list[int]:
            self.peers.update(get_members(state))
            return await ask_heights(self.client, self.account.public, state)

        return await open_for_node(
            self.home, self.account, seen, self.verbose, self.bootstrap.find, ask
        )

    def _assemble(self, ledger: NodeLedger) -> None:
        """Make the parts that need the open ledger, and follow it from now on."""
        self._services = services = Services(
            home=self.home,
            account=self.account,
            ledger=ledger,
            blobs=self.blobs,
            client=self.client,
            layouts=LayoutFinder(self.account.public, ledger, self.blobs, self.client),
            journal=Journal(self.home, self.blobs, self.problems),
            outgoing=Outgoing(
                SentBook(self.home.sent_path), self._describe, self.problems.report_shortage
            ),
            problems=self.problems,
            news=News(),
            stopping=self.stopping,
        )
        self._studies = Studies(services)
        self._membership = Membership(self.client, self._others, self._is_current)
        self._status = Status(services, self._studies, self._membership, self.bootstrap)
        self._documents = Documents(services)
        self._studies.on_forget = self._documents.forget
        self._gate = PeerGate(services, self._studies, self._membership, self._documents)
        links = self.client.sessions.links
        self._server = PeerServer(self.peers, self.blobs, self._gate, links)
        self._links = LinkSaver(services, self._server)
        self._status.links = self._links.show
        self._api = LocalApi(services, self._studies, self._status, self._perform)
        metrics = Metrics(services, self._studies, self._status, self._beside)
        self._health = Health(services, self._status, metrics)
        self._own_keys = OwnKeys(services, self._identity)
        self._announcing = Announcing(services)
        self._heads = HeadSaver(services)
        self._own_keys.renew()
        self._own_keys.check()
        self._heads.save()
        ledger.on_failure = self._ledger_failed
        ledger.on_trouble = lambda error: self.problems.report_trouble(str(error))
        ledger.subscribe(self._on_block)

    async def _start(self) -> None:
        """Open the ports, and take part in the studies."""
        if self.home.is_networked:  # on a shared machine, applications need no port
            self.peers.sponsor_of = self._gate.sponsor_of
        host, port = parse_address(self.home.config.listen)
        await self._server.start(host.strip("[]"), port)
        self.uplink.start()
        await self._api.start()
        await self._health.start(self.home.config.health_listen)
        failpoint("start.doors")
        self._studies.remember()
        self._documents.start()
        self._follow_ledger()
        self._watching = asyncio.create_task(self._membership.watch(self._status.log_standing))

    async def _close(self) -> None:
        self._heads.close()
        self._links.close()
        self._announcing.close()
        for task in (self._rising, self._watching):
            if task is not None:
                task.cancel()
        await self._api.close()
        await self.uplink.close()
        await self._health.close()
        await self._studies.close()
        await self._documents.close()
        await self.client.close()
        await self._server.close()
        self._services.outgoing.flush()
        await self._services.ledger.close()
        await self.bootstrap.close()

    def _ledger_failed(self, error: LedgerError) -> None:
        self._failure = error
        self.stopping.set()

    def _heard_by_the_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report that connections cannot be accepted for lack of descriptors. All else as by
        default."""
        error = context.get("exception")
        if isinstance(error, OSError) and is_passing(error):
            self.problems.report_shortage(error)
        else:
            loop.default_exception_handler(context)

    # the ledger

    def _on_block(self, committed: Committed) -> None:
        self._heads.save_soon()
        self._services.news.pulse(ANY_STUDY)
        happened = committed.events
        self._own_keys.follow(happened)
        if any(isinstance(event, DoubleSigned) for event in happened):
            for sentence in find_double_signs(self._services.state, None):
                log.error("%s", sentence)
        if happened and log.isEnabledFor(logging.INFO):
            names = get_names(self._services.state)
            for event in happened:
                log.info("block %d: %s", committed.height, plain(say_event(event, names), MOST))
        self._follow_ledger()
        self._studies.hear(happened)
        self._documents.hear(happened)
        if any(isinstance(event, MEMBERSHIP_EVENTS) for event in happened):
            self._status.log_standing()

    def _follow_ledger(self) -> None:
        missing = self._announcing.follow()
        if missing is not None:
            self._ledger_failed(missing)
            return
        ledger, state = self._services.ledger, self._services.state
        new = self.peers.update(get_members(state))
        if self.home.is_networked:
            self.peers.update_applicants(find_applicants(state))
        me = self._services.me()
        if me is not None:
            for member in new:
                if member != me.id:
                    self.client.preconnect(member)
            for name in get_chain(state).running:
                self._studies.take_part(name, me.id)
            if isinstance(ledger, CometLedger) and not me.power and self._rising is None:
                self._rising = asyncio.create_task(become_validator(self._services, ledger))
        self._studies.react()

    def _others(self) -> list[MemberId]:
        """Return the members that can be asked; none if all share a machine, since its ledger
        suffices."""
        if not self.home.is_networked:
            return []
        members = get_members(self._services.state)
        return [m.id for m in members if m.tls and m.account != self.account.public]

    async def _is_current(self) -> bool:
        ledger = self._services.ledger
        return not isinstance(ledger, CometLedger) or await ledger.is_current()

    def _describe(self, member: MemberId, digest: Digest) -> Description:
        return self._studies.describe(member, digest)
