"""The simulated world: virtual time, an unreliable network, crashing nodes, one ledger in memory.

Everything that happens is an entry in one queue ordered by (time, sequence), and every random
choice comes from one generator, so a schedule is a run. Messages are delayed and may be dropped,
doubled or cut off; to its sender, a dropped request looks like a broken connection. A crash takes a
node's local state, all effects under way, and everything that its disk had not synced.

The ledger behaves as one that agrees by a quorum: it takes transactions and makes blocks while n -
f nodes are up and can reach each other, and only they see its blocks. A submission may be lost on
its way or arrive twice, a block has the time of the node that wrote it, and blocks reach each node
after a delay of its own.
"""

from __future__ import annotations

import heapq
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarmhub import keys
from swarmhub.contract.records import (
    STUDY,
    Card,
    MergeRule,
    Model,
    Privacy,
    Spec,
)
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.contract.transactions import (
    Approve,
    Enrol,
    Pause,
    Propose,
    Refuse,
    Remove,
    Start,
    Withdraw,
    card_message,
)
from swarmhub.protocol import Submit
from swarmhub.sim.adversaries import ByzantineNode
from swarmhub.sim.chain import LOOK_MS, ChainNetwork
from swarmhub.sim.contents import Blob, Forms, make_stages
from swarmhub.sim.invariants import Invariants
from swarmhub.sim.network import START_MS
from swarmhub.sim.node import SimNode
from swarmhub.sim.ports import STUDY_NAME, Crashed, Restartable
from swarmhub.sim.schedule import Fault, Schedule, schedule_of
from swarmhub.types import CARD_DOMAIN, Digest, MemberId

CLIP = 20_000_000  # no honest trainer moves further in a round
ASK_MS = 500  # interval at which a hospital tries to enrol
SPAN_MS = 240_000  # most take 20 s, few a minute; a run that has not ended by then never will
MAX_STEPS = 30_000  # of each member: one that spins is broken, too


@dataclass
class SimulationReport:
    """The result of a run."""

    schedule: Schedule
    finished: bool
    time_ms: int
    settled: list[Model]
    story: list[str]
    broken: list[str] = field(default_factory=list)
    crashes: int = 0


def make_cards(n: int) -> tuple[list[keys.PrivateKey], list[Card]]:
    """Return deterministic founders."""
    accounts = [keys.PrivateKey(bytes([i]) * 32) for i in range(1, n + 1)]
    cards = []
    for i, account in enumerate(accounts, 1):
        consensus = keys.PrivateKey(bytes([100 + i]) * 32).public
        card = Card(f"Hospital {i}", account.public, f"{i:02x}" * 16, consensus, f"h{i}:7400")
        card = replace(card, release=keys.ReleaseKey(i).public)
        signature = account.sign(CARD_DOMAIN, card_message(card))
        cards.append(replace(card, signature=signature))
    return accounts, cards


class World(ChainNetwork):
    """The nodes, and the faults of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        accounts, cards = make_cards(schedule.nodes)
        super().__init__(schedule, accounts[0], cards)
        self.crash_count = 0
        self.forms = Forms(schedule.floats, schedule.masked, schedule.wire)
        self.opinions = schedule.opinions
        self.blobs: dict[Digest, Blob] = {}  # every buffer that anybody ever made
        self._let_in: set[MemberId] = set()  # Byzantine members that may enrol
        self.spec = make_spec(schedule)
        for i, account in enumerate(accounts, 1):
            lies = frozenset(a.lie for a in schedule.faults if a.kind == "lie" and i in a.members)
            self.nodes[i] = (
                ByzantineNode(self, i, account, lies) if lies else SimNode(self, i, account)
            )
        self.invariants = Invariants(self)
        self._found(accounts)
        for fault in schedule.faults:
            self._plan(fault)

    def run(self) -> SimulationReport:
        """Run until the study has ended and every honest node has its last model, or time is up."""
        steps, broken = 0, self.invariants.broken
        end_ms = self.now_ms + SPAN_MS
        most = MAX_STEPS * self.schedule.nodes
        while self._queue and self.now_ms < end_ms and steps < most and not broken:
            if self._is_over():
                break
            steps += 1
            self.now_ms, _, callback = heapq.heappop(self._queue)
            try:
                callback()
                self.invariants.after_step()
            except Crashed:
                pass
            except Exception as error:  # of the shipped code: the seed has to come out with it
                at = traceback.extract_tb(error.__traceback__)[-1]
                broken.append(f"CRASH: {error!r} at {Path(at.filename).name}:{at.lineno}")
                self.tell(0, f"BROKEN {broken[-1]}")
        finished = self._is_over()
        if not broken:
            self.invariants.at_the_end(finished)
        return SimulationReport(
            schedule=self.schedule,
            finished=finished,
            time_ms=self.now_ms - START_MS,
            settled=self.invariants.models,
            story=self.story,
            broken=broken,
            crashes=self.crash_count,
        )

    def _is_over(self) -> bool:
        if not self.invariants.finished:
            return self.invariants.is_stalled()
        last = self.invariants.models[-1].digest
        return all(n.has_ended(last) for n in self.invariants.honest_participants())

    def _found(self, accounts: list[keys.PrivateKey]) -> None:
        digest = compute_spec_digest(self.spec)
        outside = [accounts[m - 1] for m in self.schedule.outsiders]
        inside = [accounts[m - 1] for m in sorted(self.schedule.founders)]
        bodies: list[tuple[keys.PrivateKey, object]] = [(accounts[0], Propose(self.spec))]
        bodies += [(a, Approve(STUDY_NAME, digest)) for a in inside[1:]]
        bodies += [(a, Refuse(STUDY_NAME, digest)) for a in outside]
        bodies += [(a, Enrol(STUDY_NAME, digest, 100)) for a in inside]
        bodies += [(accounts[0], Start(STUDY_NAME))]
        for committed in self.chain.append(
            [self.sign(a, body, self.now_ms) for a, body in bodies], self.now_ms
        ):
            refused = [r.message for r in committed.results if not r.ok]
            assert not refused, refused
            self.invariants.after_block(committed)
        self.state = self._snapshot()
        for node in self.nodes.values():
            self.at(0, node.start)

    def _plan(self, fault: Fault) -> None:
        node = self.nodes[fault.members[0]]
        if fault.kind == "crash" and fault.effect:
            node.fatal[fault.effect] = fault.for_ms
        elif fault.kind == "crash":
            self.at(fault.at_ms, lambda: self.crash(node, fault.for_ms))
        elif fault.kind == "cut":
            cut = frozenset(fault.members)
            self._for_a_while(fault, lambda: self._cuts.append(cut), lambda: self._cuts.remove(cut))
        elif fault.kind == "slow":
            slow = self._slow[fault.members[0]]
            self._for_a_while(
                fault, lambda: slow.append(fault.by_ms), lambda: slow.remove(fault.by_ms)
            )
        elif fault.kind == "slowdisk":
            disk = node.disk
            self._for_a_while(
                fault, lambda: setattr(disk, "slow_ms", disk.slow_ms + fault.by_ms),
                lambda: setattr(disk, "slow_ms", disk.slow_ms - fault.by_ms),
            )  # fmt: skip
        elif fault.kind == "fill":
            disk = node.disk
            self._for_a_while(
                fault, lambda: setattr(disk, "full", True), lambda: setattr(disk, "full", False)
            )
        elif fault.kind == "enrol":
            self.at(fault.at_ms, lambda: self._enrol(node))
        elif fault.kind == "withdraw":
            self.at(fault.at_ms, lambda: self._bring(fault.members[0], Withdraw(STUDY_NAME)))
        elif fault.kind == "pause":
            self.at(fault.at_ms, lambda: self._pause(node, fault.for_ms))
        elif fault.kind == "oust":
            victim, mover = fault.members[:2]
            self.at(fault.at_ms, lambda: self._bring(mover, Remove(victim)))
        elif fault.kind == "rotate" and fault.effect:
            node.rotates.add(fault.effect)
        elif fault.kind == "rotate":
            self.at(fault.at_ms, lambda: self.rotate(node.me))
        elif fault.kind == "skew":
            node.skew_ms = fault.by_ms

    def _bring(self, member: MemberId, body: object) -> None:
        """Submit a hospital's command once its node is up. It is not repeated if a crash takes
        it."""
        node = self.nodes[member]
        if node.up:
            node.submit(Submit(body))
        else:
            self.at(LOOK_MS, lambda: self._bring(member, body))

    def rotate(self, member: MemberId) -> None:
        """Replace a hospital's keys, once its node is up."""
        node = self.nodes[member]
        if not node.up:
            self.at(LOOK_MS, lambda: self.rotate(member))
        elif member in self.active:
            node.rotate_keys()

    def _pause(self, node: SimNode, for_ms: int) -> None:
        """Pause the study once its proposer's node is up, and resume it after a while."""
        if not node.up:
            self.at(LOOK_MS, lambda: self._pause(node, for_ms))
            return
        node.submit(Submit(Pause(STUDY_NAME, "as scheduled")))
        self.at(for_ms, self._resume)

    def _resume(self) -> None:
        """Start the study again if it is suspended, until it is over: a pause may come late."""
        study = STUDY.need(self.state, STUDY_NAME)
        if study.is_over:
            return
        self.at(ASK_MS, self._resume)
        enrolled = [e.member for e in study.enrolled if e.member in self.active]
        stewards = [study.proposer] if study.proposer in self.active else enrolled
        up = [m for m in stewards if self.nodes[m].up]
        if study.status == "suspended" and up:
            self.nodes[up[0]].submit(Submit(Start(STUDY_NAME)))

    def _enrol(self, node: SimNode) -> None:
        """Approve the study and enrol a hospital, again until the ledger has it."""
        study = STUDY.need(self.state, STUDY_NAME)
        enrolled = study.samples_of(node.me) is not None
        if enrolled or study.is_over or node.me not in self.active:
            return
        self.at(ASK_MS, lambda: self._enrol(node))
        if node.up and node.me not in study.approved:
            node.submit(Submit(Approve(STUDY_NAME, study.spec)))
        elif node.up and (node.is_honest or self._survives(node.me)):
            node.submit(Submit(Enrol(STUDY_NAME, study.spec, 100)))

    def _survives(self, liar: MemberId) -> bool:
        """Return whether the study is safe with one more Byzantine member, when the honest that
        leave are gone."""
        study = STUDY.need(self.state, STUDY_NAME)
        enrolled = {e.member for e in study.enrolled} | {liar}
        lying = (enrolled | self._let_in) & self.schedule.liars
        staying = enrolled - (self.schedule.leavers - self.schedule.liars)
        if len(lying) <= (len(staying) - 1) // 3:
            self._let_in.add(liar)
            return True
        return False

    def _for_a_while(
        self, fault: Fault, begin: Callable[[], None], end: Callable[[], None]
    ) -> None:
        def start() -> None:
            self.tell(fault.members[0], f"{fault.kind} {list(fault.members)} for {fault.for_ms} ms")
            begin()
            self.at(fault.for_ms, end)

        self.at(fault.at_ms, start)

    def crash(self, node: Restartable, down_ms: int) -> None:
        """Crash a node, and restart it after a while."""
        if node.up:
            self.crash_count += 1
            self.tell(node.me, f"crashes for {down_ms} ms")
            node.crash()
            self.at(down_ms, node.start)


def run_schedule(schedule: Schedule) -> SimulationReport:
    """Run a schedule from beginning to end."""
    return World(schedule).run()


def simulate(seed: int, nodes: int = 5, rounds: int = 10) -> SimulationReport:
    """Run the schedule of a seed."""
    return run_schedule(schedule_of(seed, nodes, rounds))


def make_spec(schedule: Schedule) -> Spec:
    """Return the terms of a schedule's study."""
    spec = Spec(
        name=STUDY_NAME, min_peers=schedule.min_peers, quorum_grace_ms=1500,
        leader_timeout_ms=3000, audit=schedule.audit,  # type: ignore[arg-type]
        privacy=Privacy(masked=True, clip_millionths=CLIP) if schedule.masked else Privacy(),
        wire=schedule.wire or "float32",  # type: ignore[arg-type]
    )  # fmt: skip
    rule = MergeRule(schedule.merge, max_share_permille=schedule.max_share)  # type: ignore[arg-type]
    if schedule.stages:
        return replace(
            spec, stages=make_stages(schedule.rounds, rule, schedule.statistics, schedule.masked)
        )
    return replace(spec, rounds=schedule.rounds, merge=rule, statistics=schedule.statistics)
