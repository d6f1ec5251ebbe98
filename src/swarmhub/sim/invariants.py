"""What must hold in every run, whatever happens. Checked at every block and every training.

Each is written here by its own means: nothing below calls the code that it judges, except the
arithmetic of a merge and the codec.

    ONE_MODEL     every round settles one model, and rounds settle one after the other
    SAME_BITS     every honest node trains on from the settled model, bit for bit, and ends with it
    TRUE_MERGE    a settled model is the stated merge of the stated contributions
    LEADER        who settles has contributed, is at its turn, and has been caught at nothing
    RECEIPTS      enough others have signed for a settled model
    MEMBERS       nobody acts who is not a member, or in another's name
    APPROVED      nothing trains that its hospital has not approved
    HISTORY       no committed block changes, and no transaction counts twice or after its time
    NEWEST        who contributes has trained on the newest model
    NOTHING_LOST  whoever has contributed is in the set that is merged and in the model, unless it
                  was voided
    WEIGHTS       nobody counts twice, or weighs more than it has declared
    HONEST        no honest member is found to have made a false merge or an invalid contribution,
                  and no contribution is excluded as unavailable by the word of one
    VERDICT       a dispute is decided as most of those say who may recompute the chunk, if they
                  are more than f
    LIVENESS      when faults end, the study ends, and every honest node has its last model
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmhub import codec
from swarmhub.contract.records import CHAIN, MEMBER, ROUND, STUDY, Model, Round
from swarmhub.contract.state import State
from swarmhub.contract.transactions import (
    Approve,
    Contribute,
    Dispute,
    Enrol,
    Propose,
    Ready,
    Recompute,
    Transaction,
    read_transaction,
)
from swarmhub.errors import BadContribution, Malformed, MergeError
from swarmhub.keys import verify
from swarmhub.sim.node import STUDY_NAME, SimNode, fingerprint_of, merge_shares
from swarmhub.types import TX_DOMAIN, Digest, MemberId

if TYPE_CHECKING:
    from swarmhub.ledger import Committed
    from swarmhub.round import Assignment
    from swarmhub.sim.world import World


class Invariants:
    """Watches one world. `broken` says what did not hold: "NAME: sentence"."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken: list[str] = []
        self.models: list[Model] = []
        self.ids: list[str] = []
        self._txs: list[tuple[bytes, ...]] = []
        self._accepted: set[str] = set()  # ids of transactions
        self._approved: set[str] = set()  # who has, by key
        self._roster: set[MemberId] = set()  # of the open round
        self._contributed: dict[int, set[MemberId]] = {}
        enrolled = world.plan.nodes - len(world.plan.outsiders)
        self._faults = (enrolled - 1) // 3
        self.finished = False
        self._sets: dict[int, set[MemberId]] = {}  # round -> who is to be merged
        self._answers: dict[str, str] = {}  # of the open dispute: signer -> leaf
        self._claimed = ""
        self._reports: dict[MemberId, set[MemberId]] = {}
        self._caught: dict[int, set[MemberId]] = {}

    def _break(self, name: str, sentence: str) -> None:
        self.broken.append(f"{name}: {sentence}")
        self.world.tell(0, f"BROKEN {name}: {sentence}")

    # every block

    def after_block(self, committed: Committed, before: State) -> None:
        """A block was made on the state `before`."""
        previous = committed.block.header.previous
        if self.ids and previous != self.ids[-1]:
            self._break("HISTORY", f"block {committed.height} does not follow the one before")
        self.ids.append(committed.block.id)
        self._txs.append(committed.block.txs)
        count = sum(len(result.events) for result in committed.results)
        for name, fields in committed.events[: len(committed.events) - count]:
            self._hear(name, fields)
        for data, result in zip(committed.block.txs, committed.results, strict=True):
            if result.ok:
                try:
                    tx = read_transaction(data)
                except Malformed:
                    self._break("MEMBERS", "bytes that are no transaction were accepted")
                    continue
                self._check_signer(tx, before)
                self._check_time(tx, committed.block.header.time_ms)
                self._check_act(tx)
            for name, fields in result.events:
                self._hear(name, fields)

    def _check_time(self, tx: Transaction, time_ms: int) -> None:
        if tx.id in self._accepted:
            self._break("HISTORY", f"transaction {tx.id[:8]}… was accepted twice")
        if tx.expires_ms < time_ms:
            self._break("HISTORY", f"transaction {tx.id[:8]}… was accepted after its time")
        self._accepted.add(tx.id)

    def _check_act(self, tx: Transaction) -> None:
        """What an accepted transaction may do."""
        newest = self.models[-1].digest if self.models else ""
        match tx.body:
            case Propose() | Approve():
                self._approved.add(tx.signer)
            case Enrol() | Ready() | Contribute() if tx.signer not in self._approved:
                self._break(
                    "APPROVED", f"{tx.body.KIND} by {tx.signer[:8]}…, which has not approved"
                )
            case Contribute() if tx.body.base != newest:
                self._break("NEWEST", f"a contribution to {tx.body.ref} on another model")
            case Dispute():
                self._answers = {tx.signer: tx.body.leaf}
            case Recompute():
                self._answers[tx.signer] = tx.body.leaf

    def _check_signer(self, read: Transaction, before: State) -> None:
        active = CHAIN.need(before).active
        if read.signer not in {MEMBER.need(before, m).account for m in active}:
            self._break("MEMBERS", f"{read.signer[:8]}… acted and is no member")
        elif self._is_watched() and not verify(read.signer, TX_DOMAIN, read.signed, read.signature):
            self._break("MEMBERS", f"somebody acted in the name of {read.signer[:8]}…")

    def _is_watched(self) -> bool:
        return any(a.lie == "impersonate" for a in self.world.plan.acts)  # it costs time

    def _hear(self, name: str, fields: dict[str, Any]) -> None:
        number = int(fields.get("number", 0))
        if name == "opened":
            self._roster = set(fields["roster"])
        elif name == "ready":
            self._roster.add(fields["member"])
        elif name == "contributed":
            self._contributed.setdefault(number, set()).add(fields["member"])
        elif name == "merging":
            self._sets[number] = set(fields["members"])
            if len(self._sets[number]) < len(fields["members"]):
                self._break("WEIGHTS", f"round {number}: somebody is in the set twice")
            came = self._contributed.get(number, self._sets[number])
            if came != self._sets[number]:
                self._break("NOTHING_LOST", f"round {number} merges {fields['members']} of {came}")
        elif name == "removed":
            self._break("MEMBERS", f"member {fields['member']} was voted out by liars alone")
        elif name == "voided":
            self._sets.get(number, set()).discard(fields["member"])
            self._contributed.get(number, set()).discard(fields["member"])
        elif name == "unavailable":
            self._reports.setdefault(fields["member"], set()).add(fields["by"])
        elif name == "excluded" and fields["why"] == "unavailable":
            if len(self._reports.pop(fields["member"], set())) < 2:
                self._break("HONEST", f"member {fields['member']} was excluded by one")
        elif name == "excluded":
            if fields["member"] not in self.world.plan.liars:
                self._break("HONEST", f"member {fields['member']} was excluded as invalid")
        elif name == "disputed":
            self._claimed = fields["claimed"]
        elif name == "dispute_dismissed":
            for leaf in set(self._answers.values()) - {self._claimed}:
                agreed = [m for m, said in self._answers.items() if said == leaf]
                if self._is_verdict(number, len(agreed)):
                    self._break("VERDICT", f"round {number}: {agreed} were not heard")
            self._answers.clear()
        elif name == "false_merge":
            if not self._is_verdict(number, len(self._answers)) or not self._is_verdict(
                number, len(fields["by"])
            ):
                self._break("VERDICT", f"round {number}: {fields['by']} have convicted")
            accused = self.world.nodes[fields["leader"]].account.public
            if accused in self._answers:
                self._break("VERDICT", f"round {number}: the accused has answered")
            self._answers.clear()
            self._caught.setdefault(number, set()).add(fields["leader"])
            if fields["leader"] not in self.world.plan.liars:
                self._break("HONEST", f"member {fields['leader']} was found to have lied")
        elif name == "study_finished":
            self.finished = True
        elif name == "settled":
            plain = {k: codec.to_json(v) for k, v in fields.items() if k != "lineage"}
            self._settled(codec.from_json(Model, plain))

    def _is_verdict(self, number: int, agreed: int) -> bool:
        voters = len(self._sets.get(number, set())) - 1
        return 2 * agreed > voters and agreed > self._faults

    def _settled(self, model: Model) -> None:
        if model.number != len(self.models) + 1:
            self._break("ONE_MODEL", f"round {model.number} settled after {len(self.models)}")
        self.models.append(model)
        members = {s.member for s in model.shares}
        if model.kind == "initial":
            self._check_leader(model, self._roster)
            self._check_receipts(model, self._roster)
            return
        expected = self._sets.get(model.number, set())
        if members != expected:
            self._break("NOTHING_LOST", f"round {model.number}: {members} instead of {expected}")
        if len(members) < self.world.spec.min_peers:
            self._break("NOTHING_LOST", f"round {model.number} has {len(members)} contributions")
        if any(s.weight > 100 for s in model.shares):
            self._break("WEIGHTS", f"round {model.number}: somebody weighs more than declared")
        self._check_leader(model, members)
        self._check_receipts(model, members)
        try:
            right = merge_shares(self.world.spec.merge, model.shares, self.world.blobs)
        except (BadContribution, MergeError, KeyError) as error:
            self._break("TRUE_MERGE", f"round {model.number} cannot be merged ({error})")
            return
        if fingerprint_of(right).digest != model.digest:
            self._break("TRUE_MERGE", f"round {model.number} by member {model.leader} is false")

    def _check_receipts(self, model: Model, members: set[MemberId]) -> None:
        others = set(model.receipts) & members - {model.leader}
        if len(others) < min(max(1, min(self._faults, len(members) - 2)), len(members) - 1):
            self._break("RECEIPTS", f"round {model.number} has receipts of {others}")

    def _check_leader(self, model: Model, members: set[MemberId]) -> None:
        def rank(m: MemberId) -> str:
            words = (model.study, str(model.number), "0", str(m))
            return codec.digest(b"swarmhub/leader/1", *(w.encode() for w in words))

        line = sorted(members, key=rank)
        if not line or line[model.term % len(line)] != model.leader:
            self._break("LEADER", f"member {model.leader} settled term {model.term} of {line}")
        if model.leader in self._caught.get(model.number, set()):
            self._break("LEADER", f"member {model.leader} settled after it was caught")

    # every training

    def before_training(self, node: SimNode, task: Assignment) -> None:
        """A node is about to train."""
        if not node.is_honest:
            return
        if node.me not in STUDY.need(node.state, STUDY_NAME).approved:
            self._break("APPROVED", f"member {node.me} trains without its approval")
        if not task.base:
            return
        data = node.disk.blobs.get(task.base, b"")
        settled = {m.digest for m in self.models if m.number < task.number}
        if task.base not in settled or fingerprint_of(data).digest != task.base:
            self._break("SAME_BITS", f"member {node.me} trains round {task.number} on other bytes")

    # the end

    def at_the_end(self, finished: bool) -> None:
        """The run is over."""
        blocks = self.world.chain.blocks
        if [b.id for b in blocks[1:]] != self.ids or [b.txs for b in blocks[1:]] != self._txs:
            self._break("HISTORY", "a committed block has changed")
        if not finished:
            r: Round | None = ROUND.get(self.world.chain.state, STUDY_NAME)
            at = f"round {r.number} {r.phase}" if r else "no round"
            self._break("LIVENESS", f"the study has not ended: {at}")
        elif len(self.models) != self.world.spec.rounds + 1:
            self._break("ONE_MODEL", f"{len(self.models)} models were settled")
        elif finished:
            self._check_last(self.models[-1].digest)

    def _check_last(self, last: Digest) -> None:
        for node in self.world.nodes.values():
            inside = node.is_honest and node.me not in self.world.plan.outsiders
            if inside and fingerprint_of(node.disk.blobs.get(last, b"")).digest != last:
                self._break("SAME_BITS", f"member {node.me} ends with other bytes")
