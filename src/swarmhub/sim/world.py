"""The simulated world: virtual time, an unreliable network, crashing nodes, one ledger in memory.

Everything that happens is an entry in one queue ordered by (time, sequence), and every random
choice comes from one generator, so a seed is a schedule. Messages between nodes are delayed and
may be dropped; a dropped request looks like a broken connection to who sent it. A crash loses
a node's notes and whatever was under way; blobs and the prepared answer are on disk and stay.
The ledger is reliable but not instant: a submission may be lost on its way or arrive twice, and
blocks reach each node after a delay of its own, so nodes decide on different states.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from swarmhub import codec, keys
from swarmhub.contract import Result
from swarmhub.contract.records import ROUND, STUDY, Card, Genesis, Model, Spec
from swarmhub.contract.state import State
from swarmhub.contract.study import compute_spec_digest
from swarmhub.contract.transactions import (
    Approve,
    Enrol,
    Propose,
    Start,
    card_message,
    write_transaction,
)
from swarmhub.ledger import Committed, MemoryChain
from swarmhub.sim.node import SimNode, digest_of, merge_blobs
from swarmhub.types import CARD_DOMAIN, TX_DOMAIN, Digest, MemberId

STUDY_NAME = "sim"
START_MS = 1_000_000
BLOCK_MS = 5  # time from a submission's arrival to its block
SPAN_MS = 600_000  # a schedule that has not ended by then has lost its liveness


@dataclass(frozen=True)
class Faults:
    """How bad the world is. Probabilities are per message or per crash opportunity."""

    drop: float = 0.1
    duplicate: float = 0.05
    delay_ms: tuple[int, int] = (1, 60)
    crashes: int = 8  # crashes in a schedule, at random times
    down_ms: tuple[int, int] = (50, 3000)
    heal_at_ms: int = 8_000  # after that nothing is dropped and nobody crashes any more


@dataclass
class Report:
    """What a schedule came to."""

    seed: int
    finished: bool
    time_ms: int
    settled: list[Model]
    story: list[str]
    broken: list[str] = field(default_factory=list)
    crashes: int = 0


def make_cards(n: int) -> tuple[list[keys.PrivateKey], list[Card]]:
    """Deterministic founders."""
    accounts = [keys.PrivateKey(bytes([i]) * 32) for i in range(1, n + 1)]
    cards = []
    for i, account in enumerate(accounts, 1):
        consensus = keys.PrivateKey(bytes([100 + i]) * 32).public
        card = Card(f"Hospital {i}", account.public, f"{i:02x}" * 16, consensus, f"h{i}:7400")
        signature = account.sign(CARD_DOMAIN, card_message(card))
        cards.append(Card(**{**codec.to_json(card), "signature": signature}))
    return accounts, cards


class World:
    """The queue, the ledger and the nodes."""

    def __init__(self, seed: int, nodes: int, rounds: int, faults: Faults) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.faults = faults
        self.now_ms = START_MS
        self.end_ms = self.now_ms + SPAN_MS
        self.heal_ms = self.now_ms + faults.heal_at_ms
        self.story: list[str] = []
        self.settled: dict[int, Model] = {}
        self.broken: list[str] = []
        self.crash_count = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._pending: list[bytes] = []
        accounts, cards = make_cards(nodes)
        genesis = Genesis("sim", tuple(cards), self.now_ms)
        self.chain = MemoryChain(genesis, accounts[0])
        self.spec = Spec(
            name=STUDY_NAME, rounds=rounds, min_peers=max(2, nodes - (nodes - 1) // 3),
            quorum_grace_ms=1500, leader_timeout_ms=3000,
        )  # fmt: skip
        self.results: dict[str, Result] = {}
        self.blobs: dict[Digest, bytes] = {}  # contents by digest; who holds what is the nodes'
        self.nodes = {i: SimNode(self, i, accounts[i - 1]) for i in range(1, nodes + 1)}
        self._found(accounts)

    # time

    def at(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._queue, (self.now_ms + max(0, delay_ms), next(self._order), act))

    def tell(self, who: MemberId, sentence: str) -> None:
        """A line of the story."""
        self.story.append(f"{self.now_ms - START_MS:>7} ms  {who}  {sentence}")

    def run(self) -> Report:
        """Until the study has ended and every living node has its last model, or time is up."""
        self._plan_crashes()
        while self._queue and self.now_ms < self.end_ms and not self._is_over():
            self.now_ms, _, act = heapq.heappop(self._queue)
            act()
        return Report(
            seed=self.seed,
            finished=self._is_over(),
            time_ms=self.now_ms,
            settled=[self.settled[n] for n in sorted(self.settled)],
            story=self.story,
            broken=self.broken,
            crashes=self.crash_count,
        )

    def _is_over(self) -> bool:
        study = STUDY.need(self.chain.state, STUDY_NAME)
        if study.status != "finished" or study.current is None:
            return False
        return all(node.has_ended() for node in self.nodes.values())

    # network

    def send(self, act: Callable[[], None], lost: Callable[[], None]) -> None:
        """Carry a message: `act` on arrival, or `lost` at the sender when it is dropped."""
        low, high = self.faults.delay_ms
        delay = self.random.randint(low, high)
        if self.now_ms < self.heal_ms and self.random.random() < self.faults.drop:
            self.at(delay, lost)
        else:
            self.at(delay, act)

    # the ledger

    def submit(self, tx: bytes) -> None:
        """A transaction travels to the ledger: maybe lost, maybe twice."""
        copies = 1
        if self.now_ms < self.heal_ms:
            if self.random.random() < self.faults.drop:
                return
            copies += self.random.random() < self.faults.duplicate
        for _ in range(copies):
            self.at(self.random.randint(*self.faults.delay_ms), lambda: self._arrive(tx))

    def _arrive(self, tx: bytes) -> None:
        if not self._pending:
            self.at(BLOCK_MS, self._make_block)
        self._pending.append(tx)

    def _make_block(self) -> None:
        batch, self._pending = self._pending, []
        for committed in self.chain.append(batch, self.now_ms):
            self._watch(committed)
        for node in self.nodes.values():
            self.at(self.random.randint(*self.faults.delay_ms), node.see)

    def _watch(self, committed: Committed) -> None:
        """Keep the results, and check what every block must keep."""
        for result in committed.results:
            if result.ok or result.id not in self.results:  # a copy that came late is refused
                self.results[result.id] = result
        for name, fields in committed.events:
            if name == "settled":
                model = codec.from_json(
                    Model, {k: codec.to_json(v) for k, v in fields.items() if k != "lineage"}
                )
                if model.number in self.settled:
                    self.broken.append(f"round {model.number} was settled twice")
                self.settled[model.number] = model
                self.tell(model.leader, f"settled round {model.number} as term {model.term}")
            elif name in ("took_over", "excluded", "voided", "study_finished"):
                self.tell(0, f"{name} {fields}")

    def snapshot(self) -> State:
        """A copy of the ledger's state, as a node that has seen all blocks has it."""
        state = State()
        state.values = dict(self.chain.state.values)
        state.tree = self.chain.state.tree
        return state

    # founding and crashing

    def _found(self, accounts: list[keys.PrivateKey]) -> None:
        digest = compute_spec_digest(self.spec)
        bodies = [(accounts[0], Propose(self.spec))]
        bodies += [(a, Approve(STUDY_NAME, digest)) for a in accounts[1:]]  # type: ignore[misc]
        bodies += [(a, Enrol(STUDY_NAME, digest, 100)) for a in accounts]  # type: ignore[misc]
        bodies += [(accounts[0], Start(STUDY_NAME))]  # type: ignore[list-item]
        for account, body in bodies:
            for committed in self.chain.append([self.sign(account, body)], self.now_ms):
                refused = [r.message for r in committed.results if not r.ok]
                assert not refused, refused
        for node in self.nodes.values():
            self.at(0, node.start)

    def sign(self, account: keys.PrivateKey, body: object) -> bytes:
        """A transaction of an account at the present time."""
        return write_transaction(
            body, self.chain.tip.chain_id, self.now_ms + 600_000, account.public,  # type: ignore[arg-type]
            lambda m: account.sign(TX_DOMAIN, m),
        )  # fmt: skip

    def _plan_crashes(self) -> None:
        for _ in range(self.faults.crashes):
            node = self.random.choice(list(self.nodes.values()))
            when = self.random.randint(0, self.faults.heal_at_ms)
            down = self.random.randint(*self.faults.down_ms)
            self.at(when, lambda n=node, d=down: self._crash(n, d))  # type: ignore[misc]

    def _crash(self, node: SimNode, down_ms: int) -> None:
        if node.up:
            self.crash_count += 1
            self.tell(node.me, f"crashed for {down_ms} ms")
            node.crash()
            self.at(down_ms, node.start)


def simulate(seed: int, nodes: int = 5, rounds: int = 4, faults: Faults | None = None) -> Report:
    """Run one schedule and check what must hold at its end."""
    world = World(seed, nodes, rounds, faults or Faults())
    report = world.run()
    if not report.finished:
        r = ROUND.get(world.chain.state, STUDY_NAME)
        report.broken.append(f"the study has not ended: {codec.to_json(r) if r else 'no round'}")
    numbers = [m.number for m in report.settled]
    if numbers != list(range(1, len(numbers) + 1)):
        report.broken.append(f"settled rounds are {numbers}")
    for model in report.settled:
        if model.kind == "parameters" and merge_again(world, model) != model.digest:
            report.broken.append(f"round {model.number} is not the merge of its contributions")
    return report


def merge_again(world: World, model: Model) -> Digest:
    """The digest that a settled model must have, from its stated contributions."""
    shares = [(s.member, s.weight, world.blobs[s.digest]) for s in model.shares]
    return digest_of(merge_blobs(world.spec.merge, shares))
