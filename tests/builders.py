"""Tiny builders: a consortium of n hospitals on a ledger in memory, and studies at any stage.

Nothing here is random: keys come from names, time is a number that only `wait` moves (each block
adds a millisecond). `act` submits one transaction and gives its result; `ok` and `refused` also
say what is expected of it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any, TypeVar

from swarmhub import codec, merkle
from swarmhub.contract import Result
from swarmhub.contract.consortium.thresholds import compute_receipts
from swarmhub.contract.deadlines import get_deadlines, get_due_ms
from swarmhub.contract.envelope import write_transaction
from swarmhub.contract.events import Event
from swarmhub.contract.records import (
    MEMBER,
    MOTION,
    MOTIONS,
    ROUND,
    SPEC,
    STUDY,
    Card,
    Chain,
    Evaluation,
    Genesis,
    Member,
    Motion,
    Receipt,
    Round,
    RoundRef,
    Spec,
    Study,
    get_chain,
)
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.election import get_auditors, get_leader
from swarmhub.contract.stages import get_stage
from swarmhub.contract.transactions import (
    NOTHING,
    Apply,
    Approve,
    Computed,
    Contribute,
    Dispute,
    Enrol,
    Invite,
    Propose,
    Ready,
    Recompute,
    Rotate,
    Settle,
    Start,
    Vote,
    card_message,
    receipt_message,
)
from swarmhub.keys import PrivateKey, ReleaseKey
from swarmhub.ledger import Committed, MemoryChain
from swarmhub.types import (
    CARD_DOMAIN,
    INVITE_DOMAIN,
    OFFER_DOMAIN,
    RECEIPT_DOMAIN,
    ROTATE_DOMAIN,
    TX_DOMAIN,
)

E = TypeVar("E", bound=Event)

START_MS = 1_700_000_000_000  # a round minute is 20 s away
HEART = "heart"
MODEL_BYTES = 1000


@functools.cache
def key(word: str) -> PrivateKey:
    """A key that depends on the word alone."""
    return PrivateKey(hashlib.sha256(word.encode()).digest())


@functools.cache
def release_of(word: str) -> str:
    """The public half of a release key that depends on the word alone."""
    return ReleaseKey(int(hashlib.sha256(word.encode()).hexdigest(), 16) >> 1).public


@functools.cache
def digest(word: str) -> str:
    """A digest that depends on the word alone."""
    return codec.digest(word.encode())


LAYOUT = digest("layout")
CLAIMED, RIGHT, OTHER = digest("claimed"), digest("right"), digest("other")  # a merge's one chunk


def model_of(leaf: str, layout: str = LAYOUT) -> str:
    """Digest of a model whose one chunk has this hash."""
    return merkle.blob_digest(layout, MODEL_BYTES, bytes.fromhex(leaf))


FALSE = model_of(CLAIMED)


def sign_card(card: Card, account: PrivateKey) -> Card:
    """The card with its account key's signature."""
    return dataclasses.replace(card, signature=account.sign(CARD_DOMAIN, card_message(card)))


def card_of(name: str, account: PrivateKey | None = None, **changes: Any) -> Card:
    """A signed card of a hospital whose keys come from its name."""
    account = account or key(name)
    host = name.encode("ascii", "ignore").decode().replace(" ", "-")
    fields = {
        "account": account.public,
        "tls": f"tls of {name}".encode().hex(),
        "consensus": key(f"{name}/consensus").public,
        "address": f"{host}.example:7000",
        "release": release_of(name),
        **changes,
    }
    return sign_card(Card(name, **fields), account)


def genesis_of(names: list[str], **changes: Any) -> Genesis:
    """Block 0 for hospitals of these names."""
    founders = tuple(map(card_of, names))
    usual: dict[str, Any] = {"name": "Hearts", "founders": founders, "time_ms": START_MS}
    return Genesis(**usual | changes)


def spec_of(**changes: Any) -> Spec:
    """A study of two rounds for at least two members."""
    usual: dict[str, Any] = {"name": HEART, "rounds": 2, "min_peers": 2, "layout": LAYOUT}
    return Spec(**usual | changes)


def auc(of: str, micro: int, samples: int = 100) -> Evaluation:
    """An evaluation of the model with this digest."""
    return Evaluation(of, samples, {"auc": micro})


class Consortium:
    """n members ("h1" has id 1, ...) on a chain in memory, and the clock."""

    chain_type: Any = MemoryChain

    def __init__(self, n: int = 4, **genesis: Any) -> None:
        self.accounts = {i: key(f"h{i}") for i in range(1, n + 1)}
        self.genesis = genesis_of([f"h{i}" for i in range(1, n + 1)], **genesis)
        self.ledger = self.chain_type(self.genesis, self.accounts[1])
        self.now_ms = self.genesis.time_ms
        self.events: list[Event] = []
        self._nonce = 0

    # blocks

    def block(self, *txs: bytes) -> list[Committed]:
        """A block of these bytes at the clock's time, and the follow-up block if one is due."""
        made = self.ledger.append(list(txs), self.now_ms)
        self.now_ms = max(self.now_ms, self.ledger.tip.time_ms)
        for committed in made:
            self.events += committed.events
        return made

    def idle(self, ms: int = 0) -> list[Event]:
        """An empty block after so many milliseconds; what happened in it."""
        self.now_ms += ms
        return [event for committed in self.block() for event in committed.events]

    def write(self, who: int | PrivateKey, body: Any, **changes: Any) -> bytes:
        """Bytes of a transaction. Expiries differ by a millisecond, so that ids differ."""
        account = who if isinstance(who, PrivateKey) else self.accounts[who]
        self._nonce += 1
        fields = {
            "chain": self.chain.chain_id,
            "expires_ms": self.now_ms + 600_000 + self._nonce,
            "signer": account.public,
            "sign": functools.partial(account.sign, TX_DOMAIN),
            **changes,
        }
        return write_transaction(body, **fields)

    def act(self, who: int | PrivateKey, body: Any, **changes: Any) -> Result:
        """Submit one transaction in a block of its own."""
        return self.block(self.write(who, body, **changes))[0].results[0]

    def ok(self, who: int | PrivateKey, body: Any, **changes: Any) -> Result:
        """Submit one that the law allows."""
        result = self.act(who, body, **changes)
        assert result.ok, result
        return result

    def refused(self, code: str, who: int | PrivateKey, body: Any, **changes: Any) -> Result:
        """Submit one that the law refuses with this code; the state stays as it was."""
        self.idle()
        before = self.app_hash
        result = self.act(who, body, **changes)
        assert result.code == code, result
        assert result.events == ()
        assert self.app_hash == before
        return result

    # reads

    @property
    def app_hash(self) -> bytes:
        return self.ledger.state.app_hash

    @property
    def state(self) -> Any:
        return self.ledger.state

    @property
    def chain(self) -> Chain:
        return get_chain(self.state)

    def estimate_ms(self) -> int:
        return self.now_ms

    def member(self, member: int) -> Member:
        return MEMBER.need(self.state, member)

    def motion(self, motion: int) -> Motion | None:
        return MOTION.get(self.state, motion)

    @property
    def open_motions(self) -> tuple[int, ...]:
        found = MOTIONS.get(self.state)
        return found.open if found else ()

    def study(self, name: str = HEART) -> Study:
        return STUDY.need(self.state, name)

    def spec(self, name: str = HEART) -> Spec:
        return SPEC.need(self.state, name)

    def round(self, name: str = HEART) -> Round:
        return ROUND.need(self.state, name)

    def has_round(self, name: str = HEART) -> bool:
        return ROUND.get(self.state, name) is not None

    def leader(self, name: str = HEART, term: int | None = None) -> int:
        found = get_leader(self.round(name), term)
        assert found is not None
        return found

    def followers(self, name: str = HEART) -> list[int]:
        """Contributors in the order in which they will lead after the leader."""
        r = self.round(name)
        n = len(r.roster if r.kind == "initial" else r.contributors)
        return [self.leader(name, r.lead.term + i) for i in range(1, n)]

    def due_ms(self, deadline: str) -> int | None:
        return get_due_ms(self.state, deadline)

    @property
    def deadlines(self) -> list[str]:
        return [d.key for d in get_deadlines(self.state)]

    def happened(self, kind: type[E]) -> list[E]:
        """All events of this kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    # consortium

    def invite(self, sponsor: int, word: str, ms: int = 3_600_000) -> PrivateKey:
        """Register an invitation; returns its key, the token."""
        token = key(f"invitation {word}")
        self.ok(sponsor, Invite(token.public, self.now_ms + ms))
        return token

    def application(self, token: PrivateKey, card: Card) -> Apply:
        """An application with this card."""
        return Apply(card, token.public, token.sign(INVITE_DOMAIN, card_message(card)))

    def apply(self, name: str, sponsor: int = 1) -> int:
        """A hospital applies; returns the motion's number."""
        token = self.invite(sponsor, name)
        self.ok(key(name), self.application(token, card_of(name)))
        return self.open_motions[-1]

    def admit(self, name: str) -> int:
        """A hospital applies and everybody says aye; returns its id."""
        motion = self.apply(name)
        for member in self.chain.active:
            if self.motion(motion):
                self.ok(member, Vote(motion, True))
        member = self.chain.next_member - 1
        self.accounts[member] = key(name)
        return member

    def rotated(self, member: int, **changes: Any) -> tuple[Card, str]:
        """A new card for a member with a new account key, and the proof of the new key."""
        name = self.member(member).name
        account = changes.pop("by", key(f"{name}/new"))
        card = card_of(**{"name": name, "account": account} | changes)
        return card, account.sign(ROTATE_DOMAIN, card_message(card))

    def rotate(self, member: int, word: str = "new") -> None:
        """A member goes on with another account key."""
        new = key(f"{self.member(member).name}/{word}")
        self.ok(member, Rotate(*self.rotated(member, by=new)))
        self.accounts[member] = new

    # studies

    def propose(self, who: int = 1, **spec: Any) -> str:
        """A proposed study; returns the digest of its terms."""
        terms = spec_of(**spec)
        self.ok(who, Propose(terms))
        return self.study(terms.name).spec

    def enrol(self, who: int, name: str = HEART, samples: int = 100) -> None:
        """Approve, where that is to be done, and enrol."""
        study = self.study(name)
        if who not in study.approved:
            self.ok(who, Approve(name, study.spec))
        self.ok(who, Enrol(name, study.spec, samples))

    def start(self, *members: int, **spec: Any) -> None:
        """A running study in which these (or all) take part with 100 samples each."""
        self.propose(**spec)
        name = spec.get("name", HEART)
        for member in members or self.chain.active:
            self.enrol(member, name)
        self.ok((members or self.chain.active)[0], Start(name))

    def ready(self, *members: int, name: str = HEART) -> None:
        for member in members:
            if self.round(name).kind != "describe" or member not in self.round(name).roster:
                self.ok(member, Ready(name))  # a round of statistics expects everyone enrolled

    # rounds

    def ref(self, name: str = HEART, **changes: Any) -> RoundRef:
        return dataclasses.replace(RoundRef.of(self.round(name)), **changes)

    def layout(self, name: str = HEART) -> str:
        """What the open round's buffers look like."""
        return STATISTICS_LAYOUT if self.round(name).kind == "describe" else LAYOUT

    def contribution(self, who: int, name: str = HEART, **changes: Any) -> Contribute:
        """What the member would contribute now."""
        r, study = self.round(name), self.study(name)
        fields = {
            "ref": self.ref(name),
            "spec": study.spec,
            "base": r.base,
            "root": digest(f"{name} {r.number} by {who}"),
            "nbytes": MODEL_BYTES,
            "layout": self.layout(name),
            "weight": 100,
            **changes,
        }
        if r.kind == "evaluate" and not get_stage(SPEC.need(self.state, name), r).bounds:
            fields = {"root": "", "nbytes": 0, "layout": ""} | {
                k: v
                for k, v in fields.items()
                if k in changes or k not in ("root", "nbytes", "layout")
            }
        return Contribute(**fields)

    def contribute(self, *members: int, name: str = HEART, **changes: Any) -> None:
        for member in members:
            self.ok(member, self.contribution(member, name, **changes))

    def receipt(
        self,
        who: int,
        ref: RoundRef,
        of: str,
        nbytes: int = MODEL_BYTES,
        layout: str = "",
        computed: Computed = NOTHING,
    ) -> Receipt:
        layout = layout or self.layout(ref.study)
        message = receipt_message(self.chain.chain_id, ref, of, nbytes, layout, computed)
        return Receipt(who, self.accounts[who].sign(RECEIPT_DOMAIN, message))

    def settlement(self, who: int, name: str = HEART, **changes: Any) -> Settle:
        """A settlement with as many real receipts as it needs."""
        r = self.round(name)
        candidates = r.roster if r.kind == "initial" else r.contributors
        merged = changes.pop("digest", digest(f"{name} merged {r.number}.{r.revision}"))
        ref = changes.pop("ref", self.ref(name))
        form = (
            changes.get("nbytes", MODEL_BYTES), changes.get("layout", self.layout(name)),
            Computed(changes.get("met", False), changes.get("model", "")),
        )  # fmt: skip
        enrolled = len(r.enrolled)
        drawn = get_auditors(r, enrolled, ref.term)
        rest = [m for m in candidates if m not in {who, *drawn}]
        others = [*drawn, *rest][: compute_receipts(enrolled, len(candidates))]
        fields = {
            "digest": merged,
            "nbytes": MODEL_BYTES,
            "layout": self.layout(name),
            "receipts": tuple(self.receipt(m, ref, merged, *form) for m in others),
            **changes,
        }
        return Settle(ref, **fields)

    def settle(self, name: str = HEART, **changes: Any) -> str:
        """The leader settles; returns the model's digest."""
        who = self.leader(name)
        body = self.settlement(who, name, **changes)
        self.ok(who, body)
        return body.digest

    def doubt(self, name: str = HEART, leader: int | None = None, **changes: Any) -> Dispute:
        """A dispute about the leader's offer, with everything that it needs."""
        layout, ref = self.layout(name), changes.pop("ref", self.ref(name))
        of = changes.pop("digest", model_of(CLAIMED, layout))
        account = self.accounts[leader or self.leader(name)]
        message = receipt_message(self.chain.chain_id, ref, of, MODEL_BYTES, layout)
        fields = {
            "digest": of,
            "nbytes": MODEL_BYTES,
            "layout": layout,
            "offer": account.sign(OFFER_DOMAIN, message),
            "chunk": 0,
            "claimed": CLAIMED,
            "path": (),
            "leaf": RIGHT,
            **changes,
        }
        return Dispute(ref, **fields)

    def answer(self, leaf: str = RIGHT, of: str = FALSE, name: str = HEART) -> Recompute:
        """What a voter says of the chunk in dispute."""
        return Recompute(self.ref(name), of, 0, leaf)

    def play(self, *members: int, name: str = HEART, **changes: Any) -> str:
        """One whole round with these (or all enrolled) members; returns the model's digest."""
        members = members or tuple(e.member for e in self.study(name).enrolled)
        for member in members:
            if self.round(name).phase == "COLLECTING":
                self.contribute(member, name=name, **changes)
        return self.settle(name)


def proposed(n: int = 4, **spec: Any) -> Consortium:
    """n members, and a study that member 1 proposed."""
    c = Consortium(n)
    c.propose(**spec)
    return c


def running(n: int = 4, **spec: Any) -> Consortium:
    """n members in a study that has just started: its first round is OPEN."""
    c = Consortium(n)
    c.start(**spec)
    return c


def initialised(n: int = 4, **spec: Any) -> Consortium:
    """All are ready and the initial model is settled: the first training round collects."""
    c = running(n, **spec)
    c.ready(*c.chain.active)
    c.settle()
    return c


def merging(n: int = 4, **spec: Any) -> Consortium:
    """All have contributed to the first training round, whose leader is to merge."""
    c = initialised(n, **spec)
    c.contribute(*c.chain.active)
    assert c.round().phase == "MERGING"
    return c
