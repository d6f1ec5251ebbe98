"""Byzantine nodes. Each lie is one way to cheat; in all else such a node acts as an honest one.

false_merge    as leader: offers a model that is not the merge
lazy_audit     signs for any merge without an audit
false_dispute  as auditor: disputes a right merge
false_answer   reports of every disputed chunk that it is right
slander        suspects leaders, and reports contributions as invalid or unavailable
withhold       contributes, and gives the parameters to nobody
garble         gives other bytes than those that it was asked for
not_a_number   contributes NaN
twice          contributes two different answers, and with more weight than it has declared
replay         sends old transactions again, and some with a changed signature
forge          settles any model, as leader or not, with receipts that it has signed itself
two_faces      as leader: offers different models to different members
silent         announces that it is ready, and contributes nothing
impersonate    signs transactions in others' names, and lets a stranger sign some
retract        takes its contribution back, when the others are merging it and before, and brings
               another one, again and again
false_receipt  answers every offer at once with a receipt with an invalid signature, and leads
               nothing
stale          names rounds, terms and models that are over, freshly signed, and too late
self_vote      reports that its own disputed merge is right, and votes others out by itself
forged_dispute disputes offers that were never made, or with a made-up chunk, or without a proof
excuse         as leader: merges other parameters than it has contributed, and shows auditors those
misshapen      contributes parameters of another model
secretive      as leader: gives its merge to one member only, once
reoffer        as leader: offers another false model to a member that has seen one
copy           contributes another member's blob, by its digest on the ledger, and cannot give it
late_offer     as leader: shows its offer to the drawn auditors only when the others have audited
flee           takes its contribution back when its merge is disputed
rotate         rotates its account key as soon as others have its offer
curious        takes no part in rounds, and asks everybody for contributions, merges and models
false_test     as leader: says the opposite of whether the test of a stage holds
false_model    as leader, and as signer: names a model that does not follow from the change
torn_parts     names roots of its parts that are not those of its contribution
bad_shares     deals shares of which half are nonsense
no_deal        sends keys for masks, and deals nothing
false_doubt    complains of right shares
no_shares      does not show the shares that open a sum
false_shares   shows others than were dealt to it
false_input    contributes whatever numbers, as if they were its masked answer
uninvited      has not approved the study, and enrols and contributes all the same
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from swarmhub.contract.records import ROUND, Round, RoundRef, Share
from swarmhub.contract.round.election import get_auditors
from swarmhub.contract.round.kinds import INITIAL
from swarmhub.contract.round.shards import get_leads
from swarmhub.contract.transactions import (
    Contribute,
    Deal,
    Open,
    Ready,
    Retract,
    Settle,
)
from swarmhub.keys import PrivateKey
from swarmhub.merge import excerpt
from swarmhub.params import Layout
from swarmhub.protocol import (
    Audit,
    Audited,
    BlobStored,
    ChunkRecomputed,
    Discrepancy,
    Effect,
    Merge,
    MergeDone,
    ModelComputed,
    Observation,
    Offered,
    ReceiptCame,
    RecomputeChunk,
    SendReceipt,
    Submit,
    TrainingTask,
    Watch,
    recompute,
)
from swarmhub.protocol.audit_procedure import shard_of
from swarmhub.protocol.observations import ShareChecked
from swarmhub.sim import contents
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import Disk
from swarmhub.sim.life import PAUSE_MS
from swarmhub.sim.mischief import MischievousNode
from swarmhub.sim.ports import STUDY_NAME, Environment
from swarmhub.types import OFFER_DOMAIN, Digest, MemberId

LATE_MS = 500
ROTATE_MS = (20, 80)  # after others have seen its offer; the second time as well


class ByzantineNode(MischievousNode):
    """A node with some of the lies above."""

    def __init__(
        self, world: Environment, me: MemberId, account: PrivateKey, lies: frozenset[str]
    ) -> None:
        super().__init__(world, me, account, lies)
        self.false_merges = 0  # made so far
        self._faces = 0  # offered after the first
        self._merges: dict[Digest, bool] = {}  # its own, and whether they were given to somebody
        self._fled: set[Digest] = set()  # disputes about these
        self._offered_ms: dict[Digest, int] = {}  # since when
        self._rotated_for: set[Digest] = set()  # offers

    def start(self) -> None:
        """Start the node, and its attacks."""
        was_up = self.up
        super().start()
        if not was_up:
            self._mischief_soon()

    def react(self) -> None:
        """Decide; flee from a dispute (`flee`)."""
        super().react()
        r = ROUND.get(self.state, STUDY_NAME)
        for lead in get_leads(self.state, r) if r is not None else ():
            found = lead.dispute
            if found is None or found.leader != self.me or found.digest in self._fled:
                continue
            if r is not None and "flee" in self.lies:
                self._fled.add(found.digest)
                self._send(Retract(RoundRef.of(r)))

    def finish_rotation(self) -> bool:
        """Take the new key, and go on with all effects that are under way."""
        super().finish_rotation()
        return False

    def trained(self, task: TrainingTask) -> Blob:
        """Return trained parameters; unmergeable ones or ones of another form (`not_a_number`,
        `misshapen`)."""
        made = super().trained(task)
        if "not_a_number" in self.lies:
            return contents.unmergeable(made.form, self.world.forms)
        if "misshapen" in self.lies:
            return contents.misshapen()
        return made

    def merged(self, effect: Merge) -> Blob:
        """Return the merge; a false one (`false_merge`, `excuse`)."""
        if "excuse" in self.lies and self._other(effect.shares) is not None:
            self.false_merges += 1
            return self._merge_with_other(effect)
        right = super().merged(effect)
        if "false_merge" not in self.lies:
            return right
        self.false_merges += 1
        return self._spoiled(right)

    def _other(self, shares: tuple[Share, ...]) -> Blob | None:
        """Return the contribution that it claims to have made."""
        mine = next((s.digest for s in shares if s.member == self.me), "")
        found = self.disk.blobs.get(mine)
        return None if found is None else self._spoiled(found)

    def _merge_with_other(self, effect: Merge) -> Blob:
        other = self._other(effect.shares)
        assert other is not None
        disk = Disk(self.world.forms, {**self.disk.blobs, other.digest: other})
        shares = tuple(
            replace(s, digest=other.digest) if s.member == self.me else s for s in effect.shares
        )
        data = b"".join(recompute.merge(disk, replace(effect, shares=shares)))
        return Blob(other.form, data)

    def give(self, digest: Digest, asker: MemberId) -> Blob | None:
        """Return a blob; nothing (`withhold`, `secretive`), or another one (`garble`)."""
        found = super().give(digest, asker)
        if "withhold" in self.lies:
            return None
        if "secretive" in self.lies and digest in self._merges:
            was_given, self._merges[digest] = self._merges[digest], True
            return None if was_given else found
        if found is not None and "garble" in self.lies:
            return self._spoiled(found)
        return found

    def give_excerpt(self, digest: Digest, asker: MemberId, starts: Sequence[int]) -> bytes | None:
        """Return stretches of a blob; of another one (`excuse`)."""
        prepared, found = self.local.prepared, self.disk.blobs.get(digest)
        if "excuse" in self.lies and found and prepared and prepared.digest == digest:
            other = self._spoiled(found).data
            return excerpt(recompute.MemoryReader(other), len(other), starts)
        return super().give_excerpt(digest, asker, starts)

    def offer(self, asker: MemberId, effect: Watch) -> MergeDone | None:
        """Return the offer; for some members another one (`two_faces`, `reoffer`) or none
        (`late_offer`)."""
        made = super().offer(asker, effect)
        if made is not None and "late_offer" in self.lies and self._is_too_early_for(asker, made):
            return None
        if made is not None and "rotate" in self.lies and made.digest not in self._rotated_for:
            self._rotated_for.add(made.digest)
            for wait_ms in ROTATE_MS:
                self.later(wait_ms, self.rotate_keys)
        if made is not None and effect.known and "reoffer" in self.lies:
            return self._another(made)
        if made is None or "two_faces" not in self.lies or asker % 2:
            return made
        right = self.disk.blobs.get(made.digest)
        if right is None:
            right = contents.empty(made.layout, self.world.forms)
        other = self._spoiled(right)
        self.world.blobs[other.digest] = self.disk.blobs[other.digest] = other
        face = replace(made, digest=other.digest, nbytes=len(other.data))
        self.local.merged[effect.number, -1 - effect.revision, made.shard] = face
        at = (made.number, made.revision)
        signature = self.sign(OFFER_DOMAIN, *at, other.fingerprint)
        return replace(face, signature=signature)

    def _is_too_early_for(self, asker: MemberId, made: MergeDone) -> bool:
        r, now_ms = ROUND.get(self.state, STUDY_NAME), self.world.now_ms
        since_ms = self._offered_ms.setdefault(made.digest, now_ms)
        if r is None or now_ms >= since_ms + LATE_MS:
            return False
        return asker in get_auditors(self._see(made.shard), len(r.enrolled))

    def _see(self, shard: int) -> Round:
        """Return the open round with the leadership of a shard."""
        return ROUND.of_shard(self.state, STUDY_NAME, shard)

    def _another(self, made: MergeDone) -> MergeDone:
        """Return a model that it has not offered yet."""
        self._faces += 1
        last = self.disk.blobs.get(made.digest) or contents.empty(made.layout, self.world.forms)
        for _ in range(self._faces):
            last = self._spoiled(last)
        self.world.blobs[last.digest] = self.disk.blobs[last.digest] = last
        face = replace(made, digest=last.digest, nbytes=len(last.data))
        self.local.merged[made.number, -100 - self._faces, 0] = face  # so that it may be read
        at = (made.number, made.revision)
        signature = self.sign(OFFER_DOMAIN, *at, last.fingerprint)
        return replace(face, signature=signature)

    def _train(self) -> None:
        if not self.lies & {"silent", "curious"}:
            super()._train()

    def audit(self, effect: Audit) -> None:
        """Audit, or report a result without an audit (`false_dispute`, `lazy_audit`)."""
        at, shard = (effect.number, effect.revision), shard_of(effect)
        done = Audited(*at, effect.digest, None, shard=shard)
        if "false_dispute" in self.lies and effect.digest in self.disk.blobs:
            claimed = self.disk.fingerprint(effect.digest)
            discrepancy = Discrepancy(0, "ab" * 32, claimed.leaves[0].hex(), claimed.path(0))
            self.done(effect, replace(done, discrepancy=discrepancy))
        elif "lazy_audit" in self.lies:
            self.done(effect, done)
        else:
            super().audit(effect)

    def done(self, effect: Effect, event: Observation | None) -> None:
        """End an effect; answer an offer at once (`false_receipt`)."""
        if isinstance(event, ShareChecked) and "false_doubt" in self.lies:
            event = replace(event, complaint="A" * 128)
        if isinstance(event, ModelComputed) and "false_model" in self.lies:
            other = self._spoiled(self.disk.blobs[event.digest])
            self.world.blobs[other.digest] = self.disk.blobs[other.digest] = other
            event = replace(event, digest=other.digest)
        if isinstance(event, MergeDone) and "false_test" in self.lies:
            event = replace(event, met=not event.met)
        if isinstance(event, MergeDone):
            self._merges.setdefault(event.digest, False)
        if isinstance(event, Offered) and "false_receipt" in self.lies:
            at, forged = (event.number, event.revision), "00" * 64
            receipt = ReceiptCame(*at, event.digest, self.me, forged, event.shard)
            self.ask(event.leader, lambda peer: peer.take_receipt(receipt), lambda _: None)
        super().done(effect, event)

    def _merge(self, effect: Merge) -> None:
        if "false_receipt" not in self.lies or effect.stage.kind == INITIAL:
            super()._merge(effect)

    def send_receipt(self, effect: SendReceipt) -> None:
        """Send a receipt; none that is true (`false_receipt`)."""
        if "false_receipt" not in self.lies:
            super().send_receipt(effect)

    def examine(self, effect: RecomputeChunk) -> None:
        """Recompute, or report the leaf that the accused claims (`false_answer`)."""
        r, shard = ROUND.get(self.state, STUDY_NAME), shard_of(effect)
        found = self._see(shard).lead.dispute if r is not None else None
        if "false_answer" in self.lies and found is not None:
            at = (effect.number, effect.revision)
            self.done(effect, ChunkRecomputed(*at, effect.chunk, found.claimed, shard))
        else:
            super().examine(effect)

    def submit(self, effect: Submit) -> None:
        """Submit; another contribution besides (`twice`), or a copied one (`copy`)."""
        if "twice" in self.lies and isinstance(effect.body, Contribute) and effect.body.root:
            made = self._forged(effect.body.layout)
            self._send(self._with(effect.body, made))
            self._send(replace(effect.body, weight=10_000))
        if "torn_parts" in self.lies and isinstance(effect.body, Contribute) and effect.body.parts:
            self._tear(effect.body)
        if "curious" in self.lies and isinstance(effect.body, Ready):
            return
        if self._keeps_back(effect.body):
            self.later(PAUSE_MS, lambda: self.done(effect, None))
            return
        if "bad_shares" in self.lies and isinstance(effect.body, Deal):
            sealed = effect.body.sealed
            half = len(sealed) // 8 * 4
            effect_body = replace(effect.body, sealed="A" * half + sealed[half:])
            self._send(effect_body)
        if "false_shares" in self.lies and isinstance(effect.body, Open):
            shares = effect.body.shares
            self._send(replace(effect.body, shares="AAAA" + shares[4:]))
        if "copy" in self.lies and isinstance(effect.body, Contribute) and self._copy(effect.body):
            return
        if isinstance(effect.body, Settle):
            self._settlements.append(effect.body)
        super().submit(effect)

    def _store(self, made: tuple[Layout, Iterable[memoryview]], first: bool = True) -> Blob:
        """Store a masked answer (`first`) or an open sum; another answer (`false_input`)."""
        found = super()._store(made, first)
        if not first or "false_input" not in self.lies:
            return found
        return self._keep(self._spoiled(found), first=True)

    def _keeps_back(self, body: object) -> bool:
        """Return whether it does not send what it owes others for their masks."""
        return ("no_deal" in self.lies and isinstance(body, Deal)) or (
            "no_shares" in self.lies and isinstance(body, Open)
        )

    def _tear(self, body: Contribute) -> None:
        """Contribute an answer with the parts of another one, which it gives to all that ask."""
        mine = self.disk.blobs.get(body.digest)
        if mine is None:
            return
        other = self._spoiled(mine)
        self.world.blobs[other.digest] = self.disk.blobs[other.digest] = other
        whole = self._with(body, other)
        for part in self.disk.cut(whole):
            self.world.blobs[part.digest] = part
            self.local.learn(BlobStored(part.digest), self.now_ms)
        self._send(replace(body, parts=whole.parts))

    def _copy(self, body: Contribute) -> bool:
        """Contribute the blob of another member, if there is one."""
        r = ROUND.get(self.state, STUDY_NAME)
        theirs = [c for c in r.contributions if c.digest and c.member != self.me] if r else []
        alike = next((c for c in theirs if c.layout == body.layout), None)
        if alike is None:
            return False
        self.world.tell(self.me, f"contributes what member {alike.member} has")
        self._send(self._with(body, self.world.blobs[alike.digest]))
        return True
