"""Attacks that a Byzantine node makes unprompted: false transactions, every now and then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmhub import codec
from swarmhub.contract.envelope import read_transaction, write_transaction
from swarmhub.contract.records import MOTIONS, ROUND, STUDY, Receipt, Round, RoundRef
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.election import get_candidates, get_leader
from swarmhub.contract.round.kinds import COLLECTING, DOCUMENT, KINDS, MERGING, has_free_layout
from swarmhub.contract.round.shards import count_shards, cut_round, get_views
from swarmhub.contract.stages import get_stage
from swarmhub.contract.transactions import (
    Computed,
    Contribute,
    Dispute,
    Enrol,
    Invalid,
    Poke,
    Ready,
    Recompute,
    Remove,
    Retract,
    Settle,
    Suspect,
    Unavailable,
    Vote,
    Withdraw,
)
from swarmhub.keys import PrivateKey
from swarmhub.params import Fingerprint
from swarmhub.params.parts import PartLayout
from swarmhub.protocol import (
    Offered,
)
from swarmhub.protocol.retention import get_model_digests
from swarmhub.protocol.shards import choose_roots, compute_roots
from swarmhub.sim import contents
from swarmhub.sim.contents import Blob
from swarmhub.sim.node import SimNode
from swarmhub.sim.ports import STUDY_NAME, Environment
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN, TX_DOMAIN, Digest, MemberId

MISCHIEF_MS = (50, 400)


class MischievousNode(SimNode):
    """A node with some of the lies of `adversaries`, of which it tells those here."""

    is_honest = False

    def __init__(
        self, world: Environment, me: MemberId, account: PrivateKey, lies: frozenset[str]
    ) -> None:
        super().__init__(world, me, account)
        self.lies = lies
        self._refs: list[RoundRef] = []  # what rounds there have been
        self._settlements: list[Settle] = []  # what it has settled, with receipts of others

    def _spoiled(self, blob: Blob) -> Blob:
        return contents.spoiled(blob, self.world.forms)

    def _forged(self, form: Digest) -> Blob:
        """Return a model that nobody has trained or merged; it is on the disk, as a real one is."""
        made = self._spoiled(contents.empty(form, self.world.forms))
        self.world.blobs[made.digest] = self.disk.blobs[made.digest] = made
        return made

    def _form_of(self, r: Round) -> Digest:
        merges = r.contributions[0].layout if r.phase == MERGING and r.contributions else ""
        if isinstance(self.world.forms.by_digest.get(merges), PartLayout):
            return merges
        if KINDS[r.kind].carries == DOCUMENT:
            return STATISTICS_LAYOUT
        is_model = KINDS[r.kind].makes_model
        if is_model and has_free_layout(r) and self.world.forms.masked:
            return self.world.forms.masked.digest
        if r.wire and self.world.forms.wire:
            return self.world.forms.wire.digest
        name = get_stage(self.world.spec, r).name
        return self.world.forms.of_stage.get(name, self.world.forms.model).digest

    def _send(self, body: Any) -> None:
        self.world.submit(self.me, self.world.sign(self.account, body, self.now_ms))

    def _mischief_soon(self) -> None:
        if self.lies & {"slander", "replay", "forge", "impersonate", "retract", "stale",
                        "self_vote", "uninvited", "forged_dispute", "curious"}:  # fmt: skip
            self.later(self.world.random.randint(*MISCHIEF_MS), self._mischief)

    def _mischief(self) -> None:
        r = ROUND.get(self.state, STUDY_NAME)
        if r is not None:
            if "slander" in self.lies:
                self._slander(r)
            if "replay" in self.lies:
                self._replay()
            if "forge" in self.lies:
                self._forge(r)
            if "retract" in self.lies:
                self._send(Retract(RoundRef.of(r)))
                if r.phase == COLLECTING:
                    self._send(self._made_up(RoundRef.of(r), r.base))
            if "impersonate" in self.lies:
                self._impersonate(r)
            if "stale" in self.lies:
                self._speak_of_old(r)
            if "self_vote" in self.lies:
                self._vote_for_itself(r)
            if "uninvited" in self.lies:
                self._intrude(r)
            if "forged_dispute" in self.lies:
                self._dispute(r)
            if "curious" in self.lies:
                self._pry(r)
        self._mischief_soon()

    def _made_up(self, ref: RoundRef, base: Digest, weight: int = 1) -> Contribute:
        r = ROUND.get(self.state, STUDY_NAME)
        made = self._forged(self._form_of(r) if r else self.world.forms.model.digest)
        spec = STUDY.need(self.state, STUDY_NAME).spec
        body = Contribute(ref, spec, base, "", 0, made.form, weight)
        return self._with(body, made)

    def _with(self, body: Contribute, made: Blob) -> Contribute:
        """Return a contribution of another blob."""
        found, r = made.fingerprint, ROUND.get(self.state, STUDY_NAME)
        parts = choose_roots(r, found.nbytes, compute_roots(found)) if r is not None else ()
        return replace(body, root=found.root, nbytes=found.nbytes, parts=parts)

    def _pry(self, r: Round) -> None:
        """Ask some member for a blob that is named on the ledger, or by others."""
        study, rng = STUDY.need(self.state, STUDY_NAME), self.world.random
        asked = rng.choice([m for m in self.world.nodes if m != self.me])
        models = sorted(get_model_digests(self.state, study))
        offers = [m.digest for m in self.world.nodes[asked].local.merged.values()]
        for digests in (models, offers, [c.digest for c in r.contributions if c.digest]):
            if digests:
                digest = rng.choice(digests)
                self.ask(asked, lambda peer, d=digest: peer.give(d, self.me), lambda _: None)  # type: ignore[misc]

    def _dispute(self, r: Round) -> None:
        """Accuse the leader of an offer that it has not made, and of a chunk that is not in its
        offer."""
        r = self._draw_shard(r)
        leader, shard = get_leader(r), r.lead.shard
        if r.phase != MERGING or leader in (None, self.me):
            return
        never = self._forged(self._form_of(r)).fingerprint
        signature = self.sign(OFFER_DOMAIN, r.number, r.revision, never)
        self._accuse(r, never, signature, never.leaves[0].hex(), never.path(0))
        offer = self.local.offers.get((r.number, r.revision, shard, leader))
        if offer is not None:
            made_up = codec.digest(b"made up")
            for path in ((), (made_up,)):
                self._accuse(r, offer, offer.signature, made_up, path)

    def _draw_shard(self, r: Round) -> Round:
        """Return the round as the leader of some shard sees it."""
        views = get_views(self.state, r)
        return cut_round(self.world.random.choice(views) if len(views) > 1 else r)

    def _accuse(
        self, r: Round, model: Fingerprint | Offered, signature: str, claimed: Digest,
        path: tuple[Digest, ...],
    ) -> None:  # fmt: skip
        self._send(
            Dispute(RoundRef.of(r), model.digest, model.nbytes, model.layout, signature, 0,
                    claimed, path, codec.digest(b"something else"))
        )  # fmt: skip

    def _speak_of_old(self, r: Round) -> None:
        ref, models = RoundRef.of(r), self.world.observer.models
        self._refs = [*self._refs[-20:], ref]
        old = self.world.random.choice(self._refs)
        victim = self.world.random.choice([m for m in self.world.nodes if m != self.me])
        for body in (Suspect(old), Invalid(old, victim), Unavailable(old, victim), Retract(old)):
            self._send(body)
        for model in models[:-1][-2:]:
            self._send(self._made_up(replace(ref, phase=COLLECTING), model.digest))
            self._send(Settle(old, model.digest, model.nbytes, model.layout, ()))
        for settlement in self._settlements[-3:]:
            self._send(settlement)
        late = self.world.sign(self.account, Suspect(ref), self.now_ms - 1_200_000)
        self.world.submit(self.me, late)

    def _vote_for_itself(self, r: Round) -> None:
        for view in get_views(self.state, r):
            found = view.lead.dispute
            if found is not None and found.leader == self.me:
                self._send(Recompute(RoundRef.of(view), found.digest, found.chunk, found.claimed))
        motions = MOTIONS.get(self.state)
        for motion in motions.open if motions is not None else ():
            self._send(Vote(motion, True))
        if motions is None or not motions.open:
            victim = self.world.random.choice([m for m in self.world.nodes if m != self.me])
            self._send(Remove(victim))

    def _intrude(self, r: Round) -> None:
        self._send(Enrol(STUDY_NAME, STUDY.need(self.state, STUDY_NAME).spec, 100))
        self._send(Ready(STUDY_NAME))
        self._send(self._made_up(RoundRef.of(r), r.base))

    def _impersonate(self, r: Round) -> None:
        chain = self.world.chain.tip.chain_id
        victims = [n.account.public for n in self.world.nodes.values() if n is not self]
        stranger = PrivateKey(b"stranger" * 4)
        for signer, key in (
            (self.world.random.choice(victims), self.account),
            (stranger.public, stranger),
        ):
            for body in (Suspect(RoundRef.of(r)), Withdraw(STUDY_NAME), Poke(STUDY_NAME)):
                tx = write_transaction(
                    body, chain, self.now_ms + 600_000, signer,
                    lambda m, key=key: key.sign(TX_DOMAIN, m),  # type: ignore[misc]
                )  # fmt: skip
                self.world.submit(self.me, tx)

    def _slander(self, r: Round) -> None:
        victim = self.world.random.choice([m for m in self.world.nodes if m != self.me])
        body = self.world.random.choice(
            [Suspect(RoundRef.of(r)), Invalid(RoundRef.of(r), victim),
             Unavailable(RoundRef.of(r), victim)]
        )  # fmt: skip
        self._send(body)

    def _replay(self) -> None:
        blocks = [b for b in self.world.chain.blocks[1:] if b.txs]
        tx = self.world.random.choice(self.world.random.choice(blocks).txs)
        self.world.submit(self.me, tx)
        signature = bytes.fromhex(read_transaction(tx).signature)
        self.world.submit(self.me, tx.replace(signature, signature[::-1]))

    def _forge(self, r: Round) -> None:
        if r.phase != MERGING:
            return
        is_cut = count_shards(r) > 1
        r = self._draw_shard(r)
        made, shard = self._forged(self._form_of(r)).fingerprint, r.lead.shard
        is_change = r.wire != "" and not is_cut
        model = self._forged(self.world.forms.model.digest).digest if is_change else ""
        message = self.message(r.number, r.revision, made, Computed(model=model))
        root = made.root if is_cut else ""
        mine = self.account.sign(RECEIPT_DOMAIN, message)
        others = [m for m in get_candidates(r) if m != self.me]
        receipts = tuple(Receipt(m, mine) for m in others)
        for term in {r.lead.term, max(r.lead.since_term, r.lead.term - 1)}:
            ref = replace(RoundRef.of(r), term=term)
            for given in (receipts, (Receipt(self.me, mine),), ()):
                form = (made.digest, made.nbytes, made.layout)
                self._send(Settle(ref, *form, given, model=model, root=root))
        leader = get_leader(r)
        if leader is not None and leader != self.me:  # another leader's offer, as its own
            local = self.world.nodes[leader].local
            for offer in local.merged.values():
                at = (r.number, r.revision, shard, offer.digest)
                came = local.receipts.get(at, {})
                stolen = tuple(Receipt(m, s) for m, s in came.items() if m != self.me)
                form = (offer.digest, offer.nbytes, offer.layout)
                self._send(Settle(RoundRef.of(r), *form, stolen, model=model, root=offer.root))
