"""The node: opens ledger, blobs and ports, and keeps a driver for each study it takes part in."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
from typing import IO, Any, TypeVar

from swarmhub import __version__, codec
from swarmhub.blobs import BlobStore
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import Result, State
from swarmhub.contract.consortium.cards import DIALS_OUT
from swarmhub.contract.records import (
    INVITATION,
    MEMBER,
    ROUND,
    STUDY,
    Member,
    get_chain,
    get_double_sign,
    get_member_of_key,
    get_members,
)
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import MERGING
from swarmhub.contract.transactions import Apply, Rotate, Validate, read_transaction
from swarmhub.errors import BadInput, HomeError, LedgerError
from swarmhub.failpoints import failpoint
from swarmhub.files import (
    is_passing,
    lock,
    raise_file_limit,
    seal,
    unseal,
    write_durably,
    write_whole,
)
from swarmhub.home.bootstrap import Bootstrap
from swarmhub.home.foreign_keys import find_foreign_keys
from swarmhub.home.home import Home, parse_address
from swarmhub.home.ledgers import NodeLedger, open_for_node
from swarmhub.home.membership import Membership, Standing, find_applicants
from swarmhub.ledger import Committed, advance_block_time, sign_transaction
from swarmhub.ledger.cometbft import CometLedger, read_genesis
from swarmhub.ledger.cometbft.broadcaster import end
from swarmhub.merge import self_test
from swarmhub.node.double_signing import find_double_signs
from swarmhub.node.forgetting import Removed, forget_here
from swarmhub.node.health import Health
from swarmhub.node.layouts import LayoutFinder
from swarmhub.node.outgoing import Description, Outgoing, kind_of
from swarmhub.node.problems import Problems
from swarmhub.node.sent import SentBook
from swarmhub.node.study_driver import RESUBMIT_S, StudyDriver
from swarmhub.node.trainer_api.server import ANY_STUDY, LocalApi
from swarmhub.node.waits import find_wait
from swarmhub.protocol import (
    FetchedBlobs,
    LocalState,
    MergeDone,
    PreparedContribution,
    ReceiptCame,
    Signed,
    compute_kept,
    is_receipt,
    may_read,
)
from swarmhub.transport.client import PeerClient
from swarmhub.transport.gate import OFFER_WAIT_S
from swarmhub.transport.reachability import Reachability, try_tcp
from swarmhub.transport.relay.streams import relays_of
from swarmhub.transport.relay.uplink import RelayUplink
from swarmhub.transport.server import PeerServer
from swarmhub.transport.tls import Peers
from swarmhub.types import Digest, MemberId, PublicKey

LOCK_TRIES, LOCK_PAUSE_S = 5, 0.02
HEAD_EVERY_S = 1.0
APPLY_TIMEOUT_S = 60.0
CATCHING_UP_S = 0.5  # between two checks whether a newcomer has all blocks
HEIGHTS_S = 2.0  # to ask how far the others are, before this node signs a block
BEHIND_S = 0.5  # how long a node waits for a block that another one has seen already
MEMBERSHIP_EVENTS = {"admitted", "applied", "left", "removed", "revoked", "rotated"}

M_ARENA_MAX = -8  # of glibc's mallopt

T = TypeVar("T")

log = logging.getLogger("swarmhub.node")


class Node:
    """A running node. `run` returns when it is told to stop or cannot continue."""

    ledger: NodeLedger

    def __init__(self, home: Home, verbose: bool = False) -> None:
        self.home = home
        self.verbose = verbose
        home.make_folders()
        home.mend_rotation()
        self.account = home.key("account")
        home.key("tls")  # OpenSSL would not name the damaged file
        self.blobs = BlobStore(home.blobs_path)
        self.peers = Peers(home.certificate_path, home.key_path("tls"))
        self.client = PeerClient(self.peers)
        self.server = PeerServer(self.peers, self.blobs, self)
        self.forms = LayoutFinder(self)
        self.api = LocalApi(self)
        self.health = Health(self)
        relays = relays_of(home.config.address)
        self.uplink = RelayUplink(self.peers, relays, home.config.listen)
        self.entrance = Bootstrap(home)
        self.membership = Membership(self.client, self._others, self._is_current)
        self._watching: asyncio.Task[None] | None = None
        self._told = ""  # the last standing logged
        self.problems = Problems(home.root)
        self.outgoing = Outgoing(
            SentBook(home.sent_path), self._describe, self.problems.report_shortage
        )
        self.held: set[Digest] = set()
        self.drivers: dict[str, StudyDriver] = {}
        self.stopping = asyncio.Event()
        self.renewed = False  # its keys have been rotated: start a new node on the home
        self._identity = home.identity()
        self._may_renew = True  # keys were rotated, and this node has not checked since
        self._keys_seen_ns = 0  # modification time of the folder of keys, as of the last block
        self._pulses: dict[str, asyncio.Event] = {}
        self._failure: LedgerError | None = None
        self._saving_head: asyncio.TimerHandle | None = None
        self._rising: asyncio.Task[None] | None = None

    # life

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
            self.held.update(self.blobs.digests())
            failpoint("start.blobs")
            await self._open_ledger()
            failpoint("start.ledger")
            if self.home.is_networked:  # on a shared machine, applications need no port
                self.peers.sponsor_of = self.sponsor_of
            try:
                host, port = parse_address(self.home.config.listen)
                await self.server.start(host.strip("[]"), port)
                self.uplink.start()
                await self.api.start()
                await self.health.start(self.home.config.health_listen)
                failpoint("start.doors")
                self._remember_studies()
                self._follow_ledger()
                self._watching = asyncio.create_task(self.membership.watch(self._tell_standing))
                log.info("node '%s' is up", self.home.config.name)
                await self.stopping.wait()
            finally:
                await self._close()
        finally:
            held.close()
        if self._failure is not None:
            raise self._failure

    async def _take_home(self) -> IO[Any] | None:
        """Return the lock that makes this node the home's only one; None if another has it for
        longer than the instant in which a command checks whether a node is running."""
        for _ in range(LOCK_TRIES):
            held = lock(self.home.run_path("node.lock"))
            if held is not None:
                break
            await asyncio.sleep(LOCK_PAUSE_S)
        return held

    async def _open_ledger(self) -> None:
        seen = None
        try:
            seen = self.home.last_head()
        except HomeError as error:
            self.problems.report(str(error))
        self.ledger = await open_for_node(
            self.home, self.account, seen, self.verbose, self.entrance.find, self.ask_heights
        )
        self._renew()
        self._check_own_keys()
        self._save_head()
        self.ledger.on_failure = self._ledger_failed
        self.ledger.on_trouble = lambda error: self.problems.report_trouble(str(error))
        self.ledger.subscribe(self._on_block)

    async def ask_heights(self, state: State) -> list[int]:
        """Return the newest block of each other validator that answers in time. Members without a
        vote are not asked, or one that is not admitted yet could keep others from signing."""
        self.peers.update(get_members(state))
        me = get_member_of_key(state, self.account.public)
        others = [m.id for m in get_members(state) if m.power and (me is None or m.id != me.id)]
        chain = get_chain(state).chain_id
        asking = [asyncio.create_task(self.client.height(m, chain)) for m in others]
        done, late = await asyncio.wait(asking, timeout=HEIGHTS_S) if asking else (set(), set())
        await end(*late)
        return [task.result() for task in done if task.exception() is None]

    async def _close(self) -> None:
        if self._saving_head is not None:
            self._saving_head.cancel()
            self.problems.insist(self._save_head)
        for task in (self._rising, self._watching):
            if task is not None:
                task.cancel()
        await self.api.close()
        await self.uplink.close()
        await self.health.close()
        for driver in self.drivers.values():
            await driver.close()
        await self.client.close()
        await self.server.close()
        self.outgoing.flush()
        await self.ledger.close()
        await self.entrance.close()

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

    def now_ms(self) -> int:
        """Return the block time that the next block will have."""
        return self.ledger.estimate_ms()

    async def submit(self, body: Any) -> Result:
        """Sign and submit; resubmit the same bytes until a block has them or they expire."""
        await advance_block_time(self.ledger, self.account)
        tx = sign_transaction(body, self.ledger.tip.chain_id, self.now_ms(), self.account)
        self.outgoing.add_transaction(body, len(tx))
        while True:
            submission = await self.ledger.submit(tx)
            try:
                result = await submission.result(RESUBMIT_S)
            except TimeoutError:
                self.problems.report_trouble(self.ledger.why_late, logging.WARNING)
                continue
            self.problems.withdraw(self.ledger.why_late)
            return result

    def _on_block(self, committed: Committed) -> None:
        self._save_head_soon()
        self.pulse(ANY_STUDY)
        happened = {name for name, _ in committed.events}
        keys_ns = self.home.keys_changed_ns()
        if keys_ns != self._keys_seen_ns:
            self._keys_seen_ns = keys_ns
            self._may_renew |= self.home.is_rotating()
        self._may_renew |= "rotated" in happened
        if self._may_renew:
            self.problems.insist(self._renew)
        if "double_signed" in happened:
            for sentence in find_double_signs(self.ledger.state, None):
                log.error("%s", sentence)
        if not happened.isdisjoint({"revoked", "rotated"}):
            self.problems.insist(self._check_own_keys)
        for name, fields in committed.events:
            log.info("block %d: %s %s", committed.height, name, _short(fields))
        self._follow_ledger()
        if happened & MEMBERSHIP_EVENTS:
            self._tell_standing()

    def _renew(self) -> None:
        """Restart with this hospital's new keys if they are on the ledger. On a ledger with
        validators the next block still needs the vote of the old key: until it is there, the old
        keys stay in use."""
        state = self.ledger.state
        try:
            new = self.home.new_keys(state)
            me = next(iter(new.values()), get_member_of_key(state, self.account.public))
            if self.home.is_networked and me and 0 < me.rotated == self.ledger.tip.height:
                return
            self.home.finish_rotation(state)
            self.problems.update("rotation", "")
            self._may_renew = False
        except HomeError as error:  # of the new key; those in use may be valid
            self.problems.update("rotation", str(error))
        if self.home.identity() != self._identity:
            log.info("this hospital's keys have been rotated")
            self.renewed = True
            self.stopping.set()

    def _check_own_keys(self) -> None:
        """Report it if the ledger has other keys for this hospital than this home."""
        if self.renewed:
            return
        with contextlib.suppress(HomeError):  # reported by `_renew`
            if self.home.new_keys(self.ledger.state):
                return  # they will be in use after the next block
            sentence = find_foreign_keys(self.home, self.ledger.state, self.account.public)
            self.problems.update("keys", sentence)

    def _save_head_soon(self) -> None:
        """Store the head outside the ledger's file, at most once in HEAD_EVERY_S."""
        if self._saving_head is None:
            loop = asyncio.get_running_loop()
            self._saving_head = loop.call_later(HEAD_EVERY_S, self.problems.insist, self._save_head)

    def _save_head(self) -> None:
        self._saving_head = None
        self.home.save_head(self.ledger.tip.height, self.ledger.tip.head)

    def _follow_ledger(self) -> None:
        state = self.ledger.state
        new = self.peers.update(get_members(state))
        if self.home.is_networked:
            self.peers.update_applicants(find_applicants(state))
        me = get_member_of_key(state, self.account.public)
        if me is not None:
            for member in new:
                if member != me.id:
                    self.client.preconnect(member)
            for name in get_chain(state).running:
                self._take_part(name, me.id)
            if isinstance(self.ledger, CometLedger) and not me.power and self._rising is None:
                self._rising = asyncio.create_task(self._become_validator(self.ledger))
        for driver in self.drivers.values():
            driver.react()

    # membership

    def standing(self) -> Standing:
        """Return whether this hospital is a member, and what to do if it is not."""
        if self.entrance.waiting:
            return self.entrance.standing()
        name = self.home.config.name
        return self.membership.standing(self.ledger.state, self.account.public, name)

    def is_well(self) -> bool:
        """Return whether there is nothing that a person here has to repair."""
        return self.standing().well and not self.all_problems()

    def _tell_standing(self) -> None:
        found = self.standing()
        if found.said != self._told:
            self._told = found.said
            level = (
                logging.WARNING if found.state == "member" else logging.ERROR
            )  # alone: it is transient
            log.log(logging.INFO if found.well else level, "%s", found.said)

    def _others(self) -> list[MemberId]:
        """Return the members that can be asked; none if all share a machine, since its ledger
        suffices."""
        if not self.home.is_networked:
            return []
        members = get_members(self.ledger.state)
        return [m.id for m in members if m.tls and m.account != self.account.public]

    async def _is_current(self) -> bool:
        return not isinstance(self.ledger, CometLedger) or await self.ledger.is_current()

    async def _become_validator(self, ledger: CometLedger) -> None:
        """Declare that a newcomer has caught up, so that its vote counts from then on."""
        while True:
            me = get_member_of_key(ledger.state, self.account.public)
            mine = self.home.key("consensus").public
            able = me and me.consensus == mine and not get_double_sign(ledger.state, me)
            if able and ledger.signing.may_sign and await ledger.is_current():
                result = await self.submit(Validate())
                if result.ok or result.code == "AlreadyDone":
                    log.info("validates from now on")
                    return
                log.info("cannot validate yet: %s", result.message)
            await asyncio.sleep(CATCHING_UP_S)

    def _take_part(self, name: str, me: MemberId) -> None:
        """Create a driver for a study in which this node is enrolled."""
        study = STUDY.need(self.ledger.state, name)
        if study.is_over and self.home.is_forgotten(name):
            return
        if name not in self.drivers and study.samples_of(me) is not None:
            local = LocalState(
                name, me, self.held, prepared=self.load_prepared(name),
                signed=self.load_signed(name), obtained=self.load_obtained(name),
            )  # fmt: skip
            self.drivers[name] = StudyDriver(self, local)

    def _remember_studies(self) -> None:
        """Load at start the studies that are over: their models are kept, and served to others."""
        state = self.ledger.state
        for name in self.home.forgotten():  # a crash may have interrupted it
            forget_here(self.home, state, self.blobs, name)
        self.held.intersection_update(self.blobs.digests())
        me = get_member_of_key(state, self.account.public)
        for path in [p for p in state.values if me and p.startswith("study/")]:
            self._take_part(path.removeprefix("study/"), me.id if me else 0)

    async def forget(self, name: str) -> Removed:
        """Stop taking part in a study that is over (or left), and delete its data here."""
        more = self.blobs.condemned
        driver = self.drivers.pop(name, None)
        if driver is not None:
            await driver.close()
            more |= compute_kept(self.ledger.state, driver.local)
            more |= set(driver.local.obtained.digests)
        for other in self.drivers.values():
            more -= compute_kept(self.ledger.state, other.local)
        removed = forget_here(self.home, self.ledger.state, self.blobs, name, more)
        self.held.intersection_update(self.blobs.digests())
        log.info("forgot '%s': %d bytes, %d files", name, removed.nbytes, removed.files)
        return removed

    def sweep(self) -> None:
        """Delete blobs that no study needs any more."""
        state = self.ledger.state
        kept: set[Digest] = set()
        for driver in self.drivers.values():
            kept |= compute_kept(state, driver.local)
        self.blobs.retain(kept)
        self.held.intersection_update(self.blobs.digests())
        give_memory_back()

    # the journal

    def save_prepared(self, study: str, prepared: PreparedContribution) -> None:
        """Store the trainer's answer; it survives a crash, and is on disk when this returns."""
        failpoint("journal.before")
        write_durably(self.home.state_path(f"{study}.prepared"), seal(codec.pack(prepared)))
        failpoint("journal.after")

    def drop_prepared(self, study: str) -> None:
        """Delete the stored answer of the trainer."""
        self.home.state_path(f"{study}.prepared").unlink(missing_ok=True)

    def save_signed(self, study: str, signed: Signed) -> None:
        """Store what a receipt is sent for; it is on disk when this returns."""
        write_durably(self.home.state_path(f"{study}.signed"), seal(codec.pack(signed)))

    def load_signed(self, study: str) -> Signed:
        """Return what receipts were sent for in the last round that had any."""
        return self._load(Signed, f"{study}.signed") or Signed()

    def save_obtained(self, study: str, obtained: FetchedBlobs) -> None:
        """Store which blobs were pulled; like the blobs, it survives a crash but not a power
        cut."""
        with contextlib.suppress(OSError):  # no space: not served to others after a crash
            write_whole(self.home.state_path(f"{study}.obtained"), seal(codec.pack(obtained)))

    def load_obtained(self, study: str) -> FetchedBlobs:
        """Return which blobs were pulled in the last round that had any."""
        return self._load(FetchedBlobs, f"{study}.obtained", synced=False) or FetchedBlobs()

    def load_prepared(self, study: str) -> PreparedContribution | None:
        """Return the trainer's last answer, if its blob is still here and intact."""
        found = self._load(PreparedContribution, f"{study}.prepared")
        return found if found and (not found.digest or found.digest in self.blobs) else None

    def _load(self, kind: type[T], name: str, synced: bool = True) -> T | None:
        """Return the content of a journal file; None if there is none, or it is damaged (which is
        no fault of the disk if it was never synced)."""
        path = self.home.state_path(name)
        try:
            return codec.unpack(kind, unseal(path.read_bytes()) or b"")
        except FileNotFoundError:
            return None
        except (BadInput, OSError) as error:
            if isinstance(error, OSError) and is_passing(error):
                self.problems.report_shortage(error)  # the trainer answers again
            elif synced:
                self.problems.report(
                    f"The journal {path} was damaged and is left aside; training goes on."
                )
            return None

    # waiting for news of a study

    def pulse(self, study: str) -> None:
        """Wake all tasks that wait for news of the study."""
        event = self._pulses.pop(study, None)
        if event is not None:
            event.set()

    async def wait_for_news(self, study: str, timeout_s: float) -> None:
        """Return at the next news of the study, or after `timeout_s`."""
        event = self._pulses.setdefault(study, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await event.wait()

    # requests of the peer server (transport.gate.Gate)

    async def may_read(self, member: MemberId, digest: Digest) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + BEHIND_S
        while True:
            state = self.ledger.state
            if any(may_read(state, d.local, member, digest) for d in self.drivers.values()):
                return True
            left = end - loop.time()  # the asker may be a block ahead of this node
            if left <= 0 or self.stopping.is_set():
                return False
            await self.wait_for_news(ANY_STUDY, left)

    def sent(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        self.outgoing.add(member, digest, nbytes)

    def sent_layout(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        self.outgoing.add_layout(member, digest, nbytes)

    def _describe(self, member: MemberId, digest: Digest) -> Description:
        state = self.ledger.state
        found = MEMBER.get(state, member)
        to = found.name if found else f"member {member}"
        for driver in self.drivers.values():
            kind = kind_of(state, driver.local, digest)
            if kind is not None:
                return kind, to, driver.study
        return "", to, ""

    async def offer(
        self, member: MemberId, study: str, number: int, revision: int, known: Digest
    ) -> MergeDone | None:
        loop = asyncio.get_running_loop()
        end = loop.time() + OFFER_WAIT_S
        while (left := end - loop.time()) > 0 and not self.stopping.is_set():
            driver = self.drivers.get(study)
            study_record = STUDY.get(self.ledger.state, study)
            if study_record is None or study_record.samples_of(member) is None:
                return None
            r = ROUND.get(self.ledger.state, study)
            if r is None or r.number > number or (r.number == number and r.revision > revision):
                return None
            if driver is not None:
                merged = driver.local.merged.get((number, revision))
                if merged is not None and merged.digest != known:
                    failpoint("offer.found")
                    return merged
                if r.number == number and r.phase == MERGING and get_leader(r) != driver.local.me:
                    return None
            await self.wait_for_news(study, left)
        return None

    def take_receipt(self, study: str, receipt: ReceiptCame) -> None:
        driver = self.drivers.get(study)
        if driver is None:
            raise BadInput(f"No study '{study}' here.")
        merged = driver.local.merged.get((receipt.number, receipt.revision))
        if merged is None or merged.digest != receipt.digest:
            raise BadInput("The receipt is for another model.")
        if not is_receipt(self.ledger.state, study, receipt, merged):
            raise BadInput("The receipt is not signed by its sender.")
        failpoint("receipt.taken")
        driver.learn(receipt)

    def sponsor_of(self, key: PublicKey) -> MemberId | None:
        """Return the member that registered the open invitation with this key."""
        found = INVITATION.get(self.ledger.state, key)
        return found.sponsor if found is not None and found.expires_ms >= self.now_ms() else None

    def greeted(self, member: MemberId) -> None:
        self.membership.hear()
        self.client.preconnect(member, back=True)

    async def reach(self, member: Member) -> Reachability:
        ledger = member.ledger.partition("@")[2]
        return Reachability(
            data="" if relays_of(member.address) else await try_tcp(member.address),
            ledger=await try_tcp(ledger) if ledger not in ("", DIALS_OUT) else "",
            height=self.ledger.tip.height,
            version=__version__,
            now_ms=wall_clock_ms(),
        )

    def describe(self) -> dict[str, Any]:
        tip = self.ledger.tip
        engines = [m.ledger for m in get_members(self.ledger.state) if m.ledger]
        genesis = codec.to_json(read_genesis(self.home.engine_path))
        return {"genesis": genesis, "height": tip.height, "head": tip.head, "engines": engines}

    def describe_ledger(self) -> dict[str, Any]:
        if not isinstance(self.ledger, CometLedger):
            raise BadInput("This ledger is not one of many machines.")
        engines = [m.ledger for m in get_members(self.ledger.state) if m.ledger]
        return {**self.ledger.describe(), "engines": engines}

    async def light(self, method: str, height: int, page: int) -> dict[str, Any]:
        if not isinstance(self.ledger, CometLedger):
            raise BadInput("This ledger is not one of many machines.")
        try:
            return await self.ledger.light(method, height, page)
        except LedgerError as error:
            raise BadInput(str(error)) from None

    async def take_application(self, tx: bytes) -> dict[str, Any]:
        if not isinstance(read_transaction(tx).body, Apply | Rotate):
            raise BadInput("Only an application or new keys can be handed in here.")
        result = await (await self.ledger.submit(tx)).result(APPLY_TIMEOUT_S)
        motion = next((f["motion"] for name, f in result.events if name == "applied"), 0)
        return {"code": result.code, "message": result.message, "motion": motion}

    # status for the operator

    def status(self) -> dict[str, Any]:
        """Return the status of this node and its studies, as JSON."""
        state, tip = self.ledger.state, self.ledger.tip
        me = get_member_of_key(state, self.account.public)
        standing = self.standing()
        return {
            "name": self.home.config.name,
            "member": me.id if me else None,
            "chain": tip.chain_id,
            "height": tip.height,
            "address": self.home.config.address,
            "members": [{"id": m.id, "name": m.name} for m in get_members(state)],
            "studies": [self._study_status(name) for name in get_chain(state).running],
            "validator": bool(me and me.power),
            "validators": sum(m.power > 0 for m in get_members(state)),
            "networked": self.home.is_networked,
            "waiting": standing.state == "waiting",
            "state": standing.state,
            "said": standing.said,
            "well": self.is_well(),
            "problems": self.all_problems(),
        }

    def all_problems(self) -> list[str]:
        """Return sentences for the operator: on this node, and on members as the ledger has
        them."""
        me = get_member_of_key(self.ledger.state, self.account.public)
        unsigned = self.ledger.signing.why_not if isinstance(self.ledger, CometLedger) else ""
        own = [*self.problems.sentences, *([unsigned] if unsigned else [])]
        return [*own, *find_double_signs(self.ledger.state, me.id if me else None)]

    def _study_status(self, name: str) -> dict[str, Any]:
        state = self.ledger.state
        r = ROUND.need(state, name)
        driver = self.drivers.get(name)
        return {
            "study": name,
            "round": r.number,
            "kind": r.kind,
            "phase": r.phase,
            "term": r.term,
            "leader": get_leader(r) if r.phase == MERGING else None,
            "roster": list(r.roster),
            "contributed": list(r.contributors),
            "min_peers": r.min_peers,
            "trainer": bool(driver and driver.local.attached),
            "waits": self.say_wait(name),
        }

    def say_wait(self, name: str) -> str:
        """Return a sentence on the members that a study waits for, and since when; "" if it is
        over. It adds if this node itself lacks a model or a trainer."""
        state, driver = self.ledger.state, self.drivers.get(name)
        wait = find_wait(state, name, self.now_ms())
        if wait is None:
            return ""
        if driver is None or driver.local.me not in {m.member for m in wait.members}:
            return wait.sentence
        study = STUDY.need(state, name)
        if any(m and m.digest not in self.blobs for m in (study.current, study.statistics)):
            return f"{wait.sentence} (this node is fetching the settled model from the others)"
        if driver.local.answer_refused:
            return f"{wait.sentence} (the answer of the trainer here was refused)"
        if driver.local.prepared is not None:
            return f"{wait.sentence} (the answer from here is on its way to the ledger)"
        if not driver.local.attached:
            return f"{wait.sentence} (no trainer runs here; start it)"
        return f"{wait.sentence} (the trainer here is at work)"


def share_one_heap() -> None:
    """Make all threads allocate from one heap: glibc gives each its own, and each keeps its peak
    usage, although seldom two need it at a time."""
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such call
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return memory that a merge has freed to the system: glibc keeps it."""
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)


def _short(fields: dict[str, Any]) -> str:
    words = []
    for key, value in fields.items():
        text = str(value)
        words.append(f"{key}={text if len(text) <= 40 else text[:16] + '…'}")
    return " ".join(words)
