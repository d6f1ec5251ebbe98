"""Writes the contract's test vectors, tests/vectors/*.json, from the stories below.

    python scripts/make_vectors.py            write the files
    python scripts/make_vectors.py --check    exit code 1 where a file is not what it would write

A vector is a chain: the genesis, what it makes of the state, and its blocks. A block has its time,
its transactions as they were signed, and the state's steps: first the block's beginning (`begun`),
in which deadlines fire, then each transaction (`results`), with what became of it (code, sentence),
the state's root `before` and `after` it, and what it has changed (path -> new record, null where it
was deleted). So every root can be had from the file alone. `app_hash` is the root after the block.
Whoever implements the contract elsewhere, or runs it on another ledger, must get the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from builders import (  # noqa: E402
    CLAIMED,
    FALSE,
    HEART,
    LAYOUT,
    Consortium,
    auc,
    card_of,
    digest,
    key,
    spec_of,
)
from masked import MaskedConsortium  # noqa: E402

from swarmhub import codec  # noqa: E402
from swarmhub.contract import Env, Overlay, Result, State, apply, begin_block  # noqa: E402
from swarmhub.contract.envelope import read_text, read_transaction, write_text  # noqa: E402
from swarmhub.contract.events import with_name  # noqa: E402
from swarmhub.contract.records import Privacy, StartModel  # noqa: E402
from swarmhub.contract.round.masks import encode  # noqa: E402
from swarmhub.contract.transactions import (  # noqa: E402
    Amend,
    Announce,
    Approve,
    Contribute,
    Enrol,
    Finish,
    Invalid,
    Invite,
    Key,
    Leave,
    Pause,
    Poke,
    Propose,
    Ready,
    Refuse,
    Release,
    Remove,
    Retract,
    Revoke,
    Rotate,
    Start,
    Suspect,
    Unavailable,
    Upgrade,
    Validate,
    Vote,
    Withdraw,
)
from swarmhub.contract.trie import Writes  # noqa: E402
from swarmhub.keys import verify  # noqa: E402
from swarmhub.ledger import Committed, MemoryLedger  # noqa: E402

DAY_MS = 86_400_000
VECTORS = ROOT / "tests" / "vectors"


class Recorder(Consortium):
    """A consortium that writes down its blocks, step by step."""

    def __init__(self, n: int = 4, **genesis: Any) -> None:
        super().__init__(n, **genesis)
        self.mirror = State()
        self.founded = self.step(dict(self.ledger.state.values))
        self.blocks: list[dict[str, Any]] = []
        MemoryLedger(self.ledger, lambda: self.now_ms).subscribe(self.record)

    def record(self, committed: Committed) -> None:
        """Do the block again on the mirror, and write down what each step does."""
        header = committed.block.header
        env, begun = Env(header.height, header.time_ms, verify), Overlay(self.mirror)
        begin_block(begun, env)
        entry: dict[str, Any] = {
            "height": header.height,
            "time_ms": header.time_ms,
            "begun": self.step(begun.writes),
            "txs": [write_text(t) for t in committed.block.txs],
            "results": [],
            "events": codec.to_json([with_name(event) for event in committed.events]),
            "app_hash": header.app_hash,
        }
        for data, result in zip(committed.block.txs, committed.results, strict=True):
            entry["results"].append(self.replay(data, result, env))
        assert self.mirror.app_hash.hex() == header.app_hash
        self.blocks.append(entry)

    def replay(self, data: bytes, result: Result, env: Env) -> dict[str, Any]:
        """One transaction: what became of it, and of the state."""
        before, work = self.mirror.app_hash.hex(), Overlay(self.mirror)
        if result.code != "Malformed":
            assert apply(work, read_transaction(data), env) == result
        step = self.step(work.writes)
        said = {"code": result.code, "message": result.message}
        return {**said, "before": before, "after": step["app_hash"], "changes": step["changes"]}

    def step(self, writes: Writes) -> dict[str, Any]:
        """Write to the mirror; returns its root, and what is new, changed or (null) gone."""
        old = self.mirror.values
        changed = {path: value for path, value in writes.items() if old.get(path) != value}
        self.mirror.commit(changed)
        changes = {path: readable(path, changed[path]) for path in sorted(changed)}
        return {"app_hash": self.mirror.app_hash.hex(), "changes": changes}

    def refused(self, code: str, who: Any, body: Any, **changes: Any) -> Any:
        result = self.act(who, body, **changes)
        assert result.code == code, result
        return result

    def start_from(self, model: str, **changes: Any) -> Any:
        usual = {"name": "lung", "layout": "", "start_from": StartModel(HEART, model)}
        return spec_of(**{**usual, **changes})

    def later(self, ms: int) -> None:
        """Time passes; a poke makes the block."""
        self.now_ms += ms
        self.act(1, Poke(HEART))


def readable(path: str, value: bytes | None) -> Any:
    """A record as JSON; the memory of old transactions (`seen`, `due`) is plain text."""
    if value is None:
        return None
    return value.decode() if path.split("/")[0] in ("seen", "due") else json.loads(value)


def membership() -> Recorder:
    """A hospital joins by invitation and votes, rotates its key, and is removed; another leaves."""
    c = Recorder(4)
    c.refused("BadValue", 1, Invite("no key", c.now_ms + 1000))
    c.refused("BadValue", 1, Invite(key("late").public, c.now_ms))
    token = c.invite(1, "fifth")
    c.refused("AlreadyDone", 2, Invite(token.public, c.now_ms + 1000))
    card = card_of("fifth")
    c.refused("UnknownThing", key("fifth"), c.application(key("stolen"), card))
    c.ok(key("fifth"), c.application(token, card))
    c.refused("UnknownThing", key("fifth"), c.application(token, card))
    motion = c.open_motions[-1]
    c.refused("NotAMember", key("fifth"), Vote(motion, True))
    c.ok(1, Vote(motion, True))
    c.refused("AlreadyDone", 1, Vote(motion, True))
    c.ok(2, Vote(motion, True))
    c.ok(3, Vote(motion, True))
    c.accounts[5] = key("fifth")
    c.refused("UnknownThing", 4, Vote(motion, True))
    c.ok(5, Validate())
    c.refused("AlreadyDone", 5, Validate())
    new, proof = c.rotated(5)
    c.refused("BadValue", 5, Rotate(new, "00" * 64))
    c.ok(5, Rotate(new, proof))
    c.refused("NotAMember", 5, Remove(1))
    c.ok(4, Revoke())
    c.refused("AlreadyDone", 4, Revoke())
    c.refused("NotAllowed", 4, Validate())
    c.refused("NotAllowed", 1, Remove(1))
    c.ok(1, Remove(5))
    c.refused("AlreadyDone", 2, Remove(5))
    removal = c.open_motions[-1]
    for member in (2, 3, 4):
        if c.motion(removal):
            c.ok(member, Vote(removal, True))
    c.ok(4, Leave())
    c.refused("NotAMember", 4, Leave())
    return c


def collisions() -> Recorder:
    """An applicant waits for a place that a member gives up; a key that was replaced stays so."""
    c = Recorder(3)
    twin, token = key("twin"), c.invite(1, "twin")
    c.ok(twin, c.application(token, card_of("twin", twin, address="fourth.example:7000")))
    c.refused("AlreadyDone", 2, Rotate(*c.rotated(2, address="fourth.example:7000")))
    waiting = c.open_motions[-1]
    c.admit("fourth")
    for member in (1, 2, 3, 4):
        c.ok(member, Vote(waiting, True))
    moved = c.rotated(4, by=key("fourth"), address="new.example:7000", consensus=key("k").public)
    c.ok(4, Rotate(*moved))
    c.refused("AlreadyDone", 4, Rotate(*c.rotated(4)))
    return c


def upgrade() -> Recorder:
    """The next version of the contract waits for a member's node, then its height is fixed."""
    c = Recorder(3)
    c.refused("BadValue", 1, Announce((2, 1)))
    c.refused("BadValue", 1, Announce((2,)))
    c.refused("AlreadyDone", 1, Announce((1,)))
    c.refused("NotAMember", key("stranger"), Announce((1, 2)))
    c.refused("BadValue", 1, Upgrade(3, 10))
    c.refused("BadValue", 1, Upgrade(2, 0))
    c.ok(1, Announce((1, 2)))
    c.ok(2, Upgrade(2, 10))
    c.refused("AlreadyDone", 3, Upgrade(2, 10))
    motion = c.open_motions[-1]
    c.ok(1, Vote(motion, True))
    c.ok(3, Vote(motion, True))
    c.ok(3, Announce((1, 2)))
    c.ok(2, Announce((1, 2)))
    c.refused("AlreadyDone", 3, Upgrade(2, 10))
    token = c.invite(1, "old")
    c.refused("BadValue", key("old"), c.application(token, card_of("old")))
    c.ok(key("new"), c.application(token, card_of("new", versions=(1, 2))))
    return c


def alone() -> Recorder:
    """What the only member cannot do."""
    c = Recorder(1)
    c.refused("NotAllowed", 1, Leave())
    c.refused("NotAllowed", 1, Revoke())
    c.refused("AlreadyDone", 1, Validate())
    c.refused("UnknownThing", 1, Remove(2))
    c.refused("BadValue", 1, Propose(spec_of(min_peers=2)))
    return c


def study() -> Recorder:
    """A study is proposed, approved by some, and started; terms that cannot be are refused."""
    c = Recorder(4)
    spec = c.propose(min_peers=2)
    c.refused("AlreadyDone", 2, Propose(c.spec()))
    c.refused("BadValue", 2, Approve(HEART, digest("other terms")))
    c.ok(2, Approve(HEART, spec))
    c.refused("AlreadyDone", 2, Approve(HEART, spec))
    better = spec_of(min_peers=2, title="better")
    c.refused("NotAllowed", 2, Amend(better))
    c.ok(1, Amend(better))
    spec = c.study().spec
    c.ok(2, Approve(HEART, spec))
    c.ok(3, Refuse(HEART, spec))
    c.refused("AlreadyDone", 3, Refuse(HEART, spec))
    c.refused("BadValue", 4, Refuse(HEART, digest("other terms")))
    c.refused("NotAllowed", 3, Enrol(HEART, spec, 100))
    c.refused("NotAllowed", 1, Start(HEART))
    c.ok(1, Enrol(HEART, spec, 100))
    c.ok(2, Enrol(HEART, spec, 50))
    c.refused("AlreadyDone", 2, Enrol(HEART, spec, 0))
    c.ok(2, Start(HEART))
    c.refused("AlreadyDone", 1, Start(HEART))
    c.refused("NotAllowed", 3, Ready(HEART))
    c.ok(1, Ready(HEART))
    c.ok(2, Ready(HEART))
    c.refused("UnknownThing", 1, Release(HEART, digest("a model")))
    c.refused("NotAllowed", 3, Withdraw(HEART))
    c.ok(2, Withdraw(HEART))
    c.refused("NotAllowed", 2, Finish(HEART))
    c.ok(1, Finish(HEART))
    c.refused("NotAllowed", 1, Finish(HEART))
    c.refused("NotAllowed", 1, Withdraw(HEART))
    c.refused("StaleRound", 1, Ready(HEART))
    c.refused("UnknownThing", 1, Poke(HEART))
    return c


def life() -> Recorder:
    """A refusal has a reason; a study is paused, resumed, loses an approval that was not renewed;
    another one starts from its released model."""
    c = Recorder(4)
    spec = c.propose(min_peers=2, rounds=4, approvals_expire_ms=30 * DAY_MS)
    c.refused("BadValue", 4, Refuse(HEART, spec, "two\nlines"))
    c.refused("BadValue", 4, Refuse(HEART, spec, "x" * 501))
    c.ok(4, Refuse(HEART, spec, "no ethics vote yet"))
    for member in (1, 2, 3):
        c.enrol(member)
    c.refused("NotAllowed", 1, Pause(HEART))
    c.ok(1, Start(HEART))
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1)
    c.refused("NotAllowed", 2, Pause(HEART))
    c.ok(1, Pause(HEART, "audit of the data"))
    c.refused("StaleRound", 2, Ready(HEART))
    c.refused("NotAllowed", 1, Pause(HEART))
    c.refused("NotAllowed", 2, Start(HEART))
    c.ok(1, Start(HEART))
    c.ready(1, 2, 3)
    c.play()
    study = c.study().current
    assert study is not None
    c.refused("UnknownThing", 1, Propose(c.start_from(study.digest)))
    c.ok(1, Release(HEART, study.digest))
    for member in (2, 3):
        if c.open_motions:
            c.ok(member, Vote(c.open_motions[-1], True))
    c.refused("BadValue", 1, Propose(c.start_from(study.digest, layout=FALSE)))
    c.ok(4, Propose(c.start_from(study.digest)))
    for member in (3, 4):
        c.enrol(member, "lung")
    c.ok(3, Start("lung"))
    c.ready(3, 4, name="lung")
    c.later(20 * DAY_MS)
    for member in (1, 2):
        c.ok(member, Approve(HEART, spec))
    c.later(10 * DAY_MS)
    c.refused("NotAllowed", 3, Ready(HEART))
    c.play(1, 2)
    c.play(3, 4, name="lung")
    return c


def rounds() -> Recorder:
    """A study from its first round to its last, with statistics, metrics and a release."""
    c = Recorder(4)
    c.start(statistics=True, rounds=2, min_peers=3)
    c.ready(1, 2, 3, 4)
    c.play()
    c.play()
    c.contribute(1, 2)
    c.refused("AlreadyDone", 1, c.contribution(1))
    c.refused("BadValue", 3, c.contribution(3, weight=101))
    c.refused("BadValue", 3, c.contribution(3, layout=digest("another layout")))
    c.refused("StaleRound", 3, c.contribution(3, base=digest("an old model")))
    base = c.round().base
    c.contribute(3, evaluations=(auc(base, 800_000),))
    c.later(c.spec().quorum_grace_ms + 1)
    c.refused("StaleRound", 4, c.contribution(4))
    c.settle()
    c.ok(4, Ready(HEART))
    c.play()
    last = c.round().base
    for member in c.round().roster:
        c.ok(member, c.contribution(member, evaluations=(auc(last, 700_000 + member),)))
    assert c.study().status == "finished"
    current = c.study().current
    assert current is not None
    model = current.digest
    c.ok(1, Release(HEART, model))
    c.refused("AlreadyDone", 2, Release(HEART, model))
    motion = c.open_motions[-1]
    for member in (2, 3, 4):
        if c.motion(motion):
            c.ok(member, Vote(motion, True))
    c.refused("AlreadyDone", 2, Release(HEART, model))
    return c


def leaders() -> Recorder:
    """Leaders that are gone, late or wrong; contributions that cannot be had or merged."""
    c = Recorder(4)
    c.start(rounds=2, min_peers=2)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.refused("UnknownThing", 1, Retract(c.ref()))
    c.contribute(1, 2, 3, 4)
    first, second, third, _ = c.leader(), *c.followers()
    c.refused("NotAllowed", second, c.settlement(second))
    c.refused("BadValue", first, c.settlement(first, receipts=()))
    c.ok(second, Suspect(c.ref()))
    c.refused("AlreadyDone", second, Suspect(c.ref()))
    c.ok(third, Suspect(c.ref()))
    assert c.leader() == second
    c.refused("NotAllowed", first, Unavailable(c.ref(), third))
    c.ok(second, Unavailable(c.ref(), first))
    c.ok(third, Unavailable(c.ref(), first))
    c.refused("StaleRound", second, Suspect(c.ref(term=0)))
    voiced = c.followers()[0]
    others = [m for m in c.round().contributors if m != voiced]
    c.refused("NotAllowed", voiced, Invalid(c.ref(), voiced))
    c.refused("UnknownThing", others[0], Invalid(c.ref(), 9))
    for member in others[:1]:
        c.ok(member, Invalid(c.ref(), voiced))
        c.refused("AlreadyDone", member, Invalid(c.ref(), voiced))
    c.later(c.spec().leader_timeout_ms * 4)
    c.settle()
    one, other = c.round().roster[:2]
    c.contribute(other)
    for _ in range(2):
        c.contribute(one)
        c.ok(one, Retract(c.ref()))
    c.refused("NotAllowed", one, c.contribution(one))
    c.later(c.spec().leader_timeout_ms)
    c.contribute(one)
    return c


def disputes() -> Recorder:
    """A false merge is proven; an unfounded dispute is dismissed; one lapses; a leader rotates."""
    c = Recorder(4)
    c.start(rounds=4, min_peers=4)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)
    liar, one, two, _ = c.leader(), *c.followers()
    c.refused("NotAllowed", liar, c.doubt())
    c.refused("UnknownThing", two, c.answer())
    c.refused("BadValue", one, c.doubt(offer="00" * 64))
    c.refused("BadValue", one, c.doubt(claimed=digest("no proof")))
    c.ok(one, c.doubt())
    c.refused("Disputed", liar, c.settlement(liar, digest=FALSE))
    c.refused("AlreadyDone", two, c.doubt())
    c.refused("NotAllowed", liar, c.answer(CLAIMED))
    c.refused("AlreadyDone", one, c.answer())
    c.refused("BadValue", two, c.answer("no hash"))
    c.ok(two, c.answer())
    c.settle()
    c.contribute(1, 2, 3, 4)
    one, two, three = c.followers()
    c.ok(one, c.doubt())
    c.ok(two, c.answer(CLAIMED))
    c.ok(three, c.answer(CLAIMED))
    c.refused("NotAllowed", one, c.doubt())
    c.settle()
    c.contribute(1, 2, 3, 4)
    c.ok(c.followers()[0], c.doubt())
    c.later(c.spec().leader_timeout_ms + 1)
    c.later(1)
    c.settle()
    c.contribute(1, 2, 3, 4)
    liar, one, two, _ = c.leader(), *c.followers()
    offered = c.doubt()
    c.rotate(liar)
    c.ok(one, offered)
    c.ok(two, c.answer())
    c.settle()
    return c


class MaskedRecorder(Recorder, MaskedConsortium):
    """A consortium with a masked study that writes down its blocks."""


def masks() -> Recorder:
    """A false share is proven, a member asks for new keys; a masked sum is settled, and opened."""
    c = MaskedRecorder(4)
    c.begin(rounds=2)
    c.refused("BadValue", 1, Key(HEART, replace(c.key(1).keys, pair="00" * 32)))
    c.send_keys(1, 2, 3, 4)
    body = c.dealing(2)
    c.refused("BadValue", 2, replace(body, dealing=body.dealing[:-4]))
    c.ok(2, replace(body, sealed=encode(bytes(256))))
    c.deal(1)
    c.refused("BadValue", 3, c.complaint(3, 1))
    before = c.rekey()
    c.ok(1, c.complaint(1, 2))
    c.send_keys(1, 3, 4)
    c.refused("StaleRound", 3, before)
    c.ok(3, c.rekey())
    c.reach("UNMASKING", 1, 3, 4)
    c.refused("BadValue", 1, c.opening(1, members=(1, 3)))
    c.show(1, 3, 4)
    c.settle()
    return c


def changes() -> Recorder:
    """Members send changes in few bytes: one of another form is left out, a change is settled with
    the model that its signers have computed, and the next ones have its form."""
    c = Recorder(4)
    form: dict[str, Any] = {"layout": digest("wire"), "nbytes": 300}
    model = digest("the model of the change")
    masked = spec_of(wire="int8", privacy=Privacy(masked=True))
    c.refused("BadValue", 1, Propose(masked))
    c.start(wire="int8")
    c.ready(1, 2, 3, 4)
    c.settle()
    c.refused("BadValue", 1, c.contribution(1, **form | {"nbytes": 4_001}))
    c.contribute(1, layout=digest("another"), nbytes=300)
    c.contribute(2, 3, 4, **form)
    leader = c.leader()
    c.refused("BadValue", leader, c.settlement(leader, **form))
    good = c.settlement(leader, **form, model=model)
    c.refused("BadValue", leader, replace(good, model=digest("another model")))
    c.ok(leader, good)
    c.refused("BadValue", 1, c.contribution(1, **form | {"layout": digest("another")}))
    c.contribute(1, 2, 3, 4, **form)
    c.settle(**form, model=digest("the next model"))
    return c


def envelopes() -> Recorder:
    """What is refused around any transaction: chain, expiry, replay, signature, form."""
    c = Recorder(4)
    c.start(rounds=1, min_peers=2)
    c.refused("BadValue", 1, Ready(HEART), chain="another-chain")
    c.refused("Expired", 1, Ready(HEART), expires_ms=c.now_ms - 1)
    c.refused("BadValue", 1, Ready(HEART), expires_ms=c.now_ms + 10**9)
    good = c.write(1, Ready(HEART))
    c.block(good)
    assert c.block(good)[0].results[0].code == "AlreadyDone"
    forged = c.write(2, Ready(HEART), sign=lambda m: "00" * 64)
    assert c.block(forged)[0].results[0].code == "BadValue"
    c.refused("NotAMember", key("stranger"), Poke(HEART))
    other = read_text(write_text(good).replace('"kind":"', '"kind":"x'))
    for data in (b"{}", b"[", good + b" ", write_text(good).encode(), other):
        assert c.block(data)[0].results[0].code == "Malformed"
    several = [c.write(m, Ready(HEART)) for m in (2, 3)]
    c.block(*several, c.write(4, Leave()), c.write(4, Ready(HEART)))
    c.refused("UnknownThing", 1, Poke("no such study"))
    body = Contribute(c.ref(number=7), c.study().spec, "", digest("x"), 10, LAYOUT, 1)
    c.refused("StaleRound", 1, body)
    return c


STORIES: dict[str, Callable[[], Recorder]] = {
    f.__name__: f
    for f in (
        membership,
        collisions,
        upgrade,
        alone,
        study,
        life,
        rounds,
        leaders,
        disputes,
        masks,
        changes,
        envelopes,
    )
}


def vector(name: str) -> str:
    """One file's text."""
    c = STORIES[name]()
    found = {
        "name": name,
        "about": (STORIES[name].__doc__ or "").strip(),
        "genesis": codec.to_json(c.genesis),
        "founded": c.founded,
        "blocks": c.blocks,
    }
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    """Write or check."""
    different = []
    VECTORS.mkdir(exist_ok=True)
    for name in STORIES:
        path, text = VECTORS / f"{name}.json", vector(name)
        if not path.exists() or path.read_text() != text:
            different.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    print("different:" if "--check" in sys.argv else "written:", ", ".join(different) or "none")
    return 1 if different and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
