"""Invariants of every run. Changes by a block are checked at every block, acts of a node when it
acts, and after every step that no block has changed.

Each invariant is checked here by its own means: nothing below calls the code that it judges, except
to read and hash bytes, to verify signatures, and for the arithmetic of a merge.

    ONE_MODEL     every round settles one model, and rounds settle one after the other
    SAME_BITS     an honest node trains on from the settled model, bit for bit
    DURABLE       when a model is settled, it is on an honest member's disk, synced
    TRUE_MERGE    a settled model is the stated merge of the stated contributions
    FORM          contributions have the form that the study's models have, and the first model is
                  one from which training can start
    LEADER        a member that leads or settles has contributed, is next in line, and was found at
                  fault in nothing
    RECEIPTS      enough others have signed for a settled model, truly: all members drawn to audit
                  it, or all but f
    MEMBERS       only members act, and each in its own name, and a member is removed only by a
                  quorum of the others
    APPROVED      nothing trains that its hospital has not approved, or not any more
    HISTORY       no committed block changes, and no transaction counts twice or after its time
    NEWEST        a member that contributes has trained on the newest model
    ENOUGH        a model is made by as many as the terms say, and by 2f + 1 of the members that
                  were enrolled when its round opened, or when a newcomer joined it, and have not
                  left
    NOTHING_LOST  a member that has contributed is in the set that is merged and in the model,
                  unless its contribution was voided
    WEIGHTS       no member counts twice, or weighs more than it has declared
    HONEST        no honest member is found to have made a false merge or an invalid contribution,
                  or to flee, and no contribution is excluded as unavailable by too few reports
    VERDICT       a dispute is decided by the leaf that most voters report, if they are more than f,
                  and nothing is settled before
    ANSWERABLE    a leader is accountable for offers signed with any key that it had since it led
    TEST          a stage ends early if and only if its test on the settled sums holds
    SECRET        no sum over fewer than t - c honest members' inputs to a masked round, of
                  parameters or of arrays, can be had from what exists, and one at most for each
                  stage and base
    CONFIDENTIAL  an honest node gives the contributions of a round, and a merge that is not
                  settled, to members on its roster, a settled model to enrolled members, and
                  nothing else to anybody
    LIVENESS      when faults end, the study ends, and every honest node has its last model
"""

from __future__ import annotations

from collections import Counter

from swarmhub.contract.envelope import Transaction, read_transaction
from swarmhub.contract.records import ROUND, Receipt, Round
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, INITIAL, SUM, TRAIN
from swarmhub.contract.transactions import (
    Approve,
    Computed,
    Contribute,
    Dispute,
    Enrol,
    Propose,
    Ready,
    Recompute,
    Refuse,
    Rotate,
    Settle,
    Vote,
    Withdraw,
    receipt_message,
)
from swarmhub.errors import Malformed
from swarmhub.keys import verify
from swarmhub.ledger import Committed
from swarmhub.protocol import TrainingTask
from swarmhub.protocol.shards import get_pieces, get_settled_pieces
from swarmhub.sim import contents
from swarmhub.sim.event_checks import EventChecks
from swarmhub.sim.ports import STUDY_NAME, Peer
from swarmhub.sim.run_record import Access
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN, TX_DOMAIN, Digest, MemberId


class Invariants(EventChecks):
    """Watches one world."""

    def honest_participants(self) -> list[Peer]:
        """Return the honest nodes that have to reach the end."""
        nodes = self.world.nodes
        return [nodes[m] for m in sorted(self._enrolled & self._members) if nodes[m].is_honest]

    def after_step(self) -> None:
        """Check a block after each step."""
        if self._blocks:  # a different one each time, all of them at the end
            self._looked = (self._looked + 1) % len(self._blocks)
            self._check_block(self._looked)

    def _check_block(self, index: int) -> None:
        block = self.world.chain.blocks[index + 1]
        if block is not self._blocks[index] or block.txs != self._txs[index]:
            self._break("HISTORY", f"block {index + 1} has changed")

    def after_block(self, committed: Committed) -> None:
        """Check a new block."""
        previous = committed.block.header.previous
        if self.ids and previous != self.ids[-1]:
            self._break("HISTORY", f"block {committed.height} does not follow the one before")
        self.ids.append(committed.block.id)
        self._blocks.append(committed.block)
        self._txs.append(committed.block.txs)
        count = sum(len(result.events) for result in committed.results)
        for event in committed.events[: len(committed.events) - count]:
            self._hear(event, committed.height)
        for data, result in zip(committed.block.txs, committed.results, strict=True):
            if result.code == "BadValue" and result.message.startswith("'offer'"):
                self._check_refused(read_transaction(data))
            if result.ok:
                try:
                    tx = read_transaction(data)
                except Malformed:
                    self._break("MEMBERS", "bytes that are no transaction were accepted")
                    continue
                self._check_time(tx, committed.block.header.time_ms)
                member = self._keys.get(tx.signer)
                if member is None or member not in self._members:
                    self._break("MEMBERS", f"{tx.signer[:8]}… acted and is no member")
                    continue
                if not verify(tx.signer, TX_DOMAIN, tx.signed, tx.signature):
                    self._break("MEMBERS", f"somebody acted in the name of member {member}")
                self._check_act(tx, member, committed.height)
            for event in result.events:
                self._hear(event, committed.height)
        self._note_access()

    def _note_access(self) -> None:
        roster = frozenset(self._roster)
        parts = {part for found in self._parts.values() for part in found}
        whole = {*self._brought.values(), self._total, self._get_change()}
        brought = frozenset({*whole, *parts, *self._shards, *self._get_parts_of_sum()} - {""})
        changes = {m.change.digest for m in self.models if m.change}
        models = frozenset({m.digest for m in self.models} | changes | self._pieces)
        enrolled = frozenset(self._enrolled)
        self._access.append(Access(self._number, roster, brought, enrolled, models))

    def _get_change(self) -> Digest:
        """Return the open round's change that was settled in shards."""
        r: Round | None = ROUND.get(self.world.chain.state, STUDY_NAME)
        return r.change.digest if r is not None and r.change is not None else ""

    def _get_parts_of_sum(self) -> set[Digest]:
        """Return the parts of what the open round has settled in shards, and not opened yet."""
        r: Round | None = ROUND.get(self.world.chain.state, STUDY_NAME)
        total = r and (r.change or (r.masks.total if r.masks else None))
        return {p.digest for p in get_settled_pieces(total, total.shards)} if total else set()

    def _check_time(self, tx: Transaction, time_ms: int) -> None:
        if tx.id in self._accepted:
            self._break("HISTORY", f"transaction {tx.id[:8]}… was accepted twice")
        if tx.expires_ms < time_ms:
            self._break("HISTORY", f"transaction {tx.id[:8]}… was accepted after its time")
        self._accepted.add(tx.id)

    def _check_act(self, tx: Transaction, member: MemberId, height: int) -> None:
        """Check that a member may do what an accepted transaction does."""
        newest = self._newest()
        if isinstance(tx.body, Contribute):
            body = tx.body
            self._brought[member] = body.digest
            self._parts[member] = {p.digest for p in get_pieces(body, body.parts)}
        match tx.body:
            case Propose() | Approve():
                self._approved.add(member)
                self._ended.pop(member, None)
            case Withdraw():  # it may enrol again: its approval still holds
                self._ended[member] = height
            case Refuse():
                self._approved.discard(member)
                self._ended[member] = height
            case Enrol() | Ready() | Contribute() if member not in self._approved:
                self._break("APPROVED", f"{tx.body.KIND} by member {member}, without its approval")
            case Enrol():
                self._ended.pop(member, None)
            case Contribute() if tx.body.base != newest:
                self._break("NEWEST", f"a contribution to {tx.body.ref} on another model")
            case Contribute() if not self._is_formed(tx.body):
                self._break("FORM", f"member {member} contributes another form")
            case Dispute():
                self._answers[tx.body.ref.shard] = {member: tx.body.leaf}
            case Recompute():
                self._answers.setdefault(tx.body.ref.shard, {})[member] = tx.body.leaf
            case Rotate():
                old = [key for key, m in self._keys.items() if m == member]
                self._keys = {key: m for key, m in self._keys.items() if m != member}
                if member in self._led:
                    self._past_keys.setdefault(member, []).extend(old)
                self._keys[tx.body.card.account] = member
            case Settle():
                self._signed = {p.member for p in tx.body.receipts if self._is_signed(tx.body, p)}
            case Vote() if tx.body.aye:
                self._ballots.setdefault(tx.body.motion, set()).add(member)

    def _newest(self) -> Digest:
        """Return what a contribution to the open round starts from."""
        stage, turn = self._at
        if self._kind == SUM and turn > 1:
            return next(m.digest for m in reversed(self.models) if m.stage == stage)
        models = [m for m in self.models if m.kind in (INITIAL, TRAIN)]
        return models[-1].digest if models else ""

    def _check_refused(self, tx: Transaction) -> None:
        """Check a refused dispute: it claims that the leader has not signed the offer."""
        body = tx.body
        assert isinstance(body, Dispute)
        line = self._line(body.ref.number, self._sets[body.ref.number], body.ref.shard)
        leader = line[body.ref.term % len(line)]
        now = [key for key, m in self._keys.items() if m == leader]
        chain = self.world.chain.tip.chain_id
        message = receipt_message(chain, body.ref, body.digest, body.nbytes, body.layout)
        for key in [*now, *self._past_keys.get(leader, [])]:
            if verify(key, OFFER_DOMAIN, message, body.offer):
                self._break("ANSWERABLE", f"member {leader} has offered {body.digest[:8]}…")

    def _is_signed(self, body: Settle, receipt: Receipt) -> bool:
        chain = self.world.chain.tip.chain_id
        computed = Computed(body.met, body.model)
        message = receipt_message(chain, body.ref, body.digest, body.nbytes, body.layout, computed)
        return any(
            verify(key, RECEIPT_DOMAIN, message, receipt.signature)
            for key, member in self._keys.items()
            if member == receipt.member
        )

    def _is_formed(self, body: Contribute) -> bool:
        if self._kind == DESCRIBE:
            return body.layout == STATISTICS_LAYOUT
        if self._kind in (SUM, EVALUATE):  # most decide, when the round closes
            return True
        forms = self.world.forms
        if self._kind == TRAIN and forms.wire and all(m.change is None for m in self.models):
            return True  # of the first changes, too
        sent = (forms.masked or forms.wire) if self._kind == TRAIN else None
        layout = sent or forms.model
        return (body.layout, body.nbytes) == (layout.digest, layout.nbytes)

    def before_training(self, node: Peer, task: TrainingTask) -> None:
        """Check that a node may train now."""
        if not node.is_honest:
            return
        ended = self._ended.get(node.me)
        is_over = ended is not None and ended <= node.height  # it has seen that
        if is_over or (node.me not in self._approved and ended is None):
            self._break("APPROVED", f"member {node.me} trains without its approval")
        if not task.base:
            return
        held = node.disk.blobs.get(task.base)
        right = {b.digest: b for b in self._right}.get(task.base)
        if held is None or right is None or held.data != right.data:
            self._break("SAME_BITS", f"member {node.me} trains round {task.number} on other bytes")

    def after_merge(self, node: Peer, number: int, digest: Digest) -> None:
        """Record that a node has merged a round."""
        self._merges.add((node.me, number, digest))

    def before_giving(self, node: Peer, digest: Digest, asker: MemberId) -> None:
        """Check that a node may give a blob to another; it knows the ledger up to its block."""
        if not node.is_honest:
            return
        access = self._access[node.height]
        settled = digest in access.models and asker in access.enrolled
        merged = (node.me, access.number, digest) in self._merges
        takes_part = asker in access.roster & access.enrolled
        if not settled and not (takes_part and (merged or digest in access.contributions)):
            self._break("CONFIDENTIAL", f"member {node.me} gives {digest[:8]}… to member {asker}")

    def at_the_end(self, finished: bool) -> None:
        """Check the end of the run."""
        if [b.id for b in self.world.chain.blocks[1:]] != self.ids:
            self._break("HISTORY", "a committed block has changed")
        for index in range(len(self._blocks)):
            self._check_block(index)
        if not finished or self.is_stalled():
            if self.is_stalled():
                return
            r: Round | None = ROUND.get(self.world.chain.state, STUDY_NAME)
            at = f"round {r.number} {r.phase}" if r else "no round"
            self._break("LIVENESS", f"the study has not ended: {at}")
            return
        schedule = self.world.schedule
        count = Counter(m.kind for m in self.models)
        expected = {
            TRAIN: schedule.rounds, INITIAL: 1, DESCRIBE: int(schedule.statistics),
            EVALUATE: int(schedule.stages),
        }  # fmt: skip
        sums = 1 if schedule.stages else 0
        most = sums + (contents.FIT_ROUNDS if schedule.stages else 0)
        if any(count[kind] != n for kind, n in expected.items()) or not (
            2 * sums <= count[SUM] <= most
        ):
            self._break("ONE_MODEL", f"{dict(count)} were settled")
