"""Writes the contract's test vectors, tests/vectors/*.json, from the stories below.

    python scripts/make_vectors.py            write the files
    python scripts/make_vectors.py --check    exit code 1 where a file is not what it would write

A vector is a chain: the genesis, and for every block its time, its transactions as they were
signed, what became of each (code and sentence), what the block changed in the state (path -> new
record, null where it was deleted) and the app hash after it. The state before a block is what the
blocks before it have made. Whoever implements the contract elsewhere, or runs it on another
ledger, must get the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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
)

from swarmhub import codec  # noqa: E402
from swarmhub.contract.transactions import (  # noqa: E402
    Approve,
    Contribute,
    Enrol,
    Finish,
    Invalid,
    Leave,
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
    Validate,
    Vote,
    Withdraw,
)

VECTORS = ROOT / "tests" / "vectors"


class Recorder(Consortium):
    """A consortium that writes down its blocks."""

    def __init__(self, n: int = 4, **genesis: Any) -> None:
        super().__init__(n, **genesis)
        self.blocks: list[dict[str, Any]] = []

    def block(self, *txs: bytes) -> list[Any]:
        made = []
        before = dict(self.ledger.state.values)
        for committed in super().block(*txs):
            made.append(committed)
            block = committed.block
            after = self.after(committed.height)
            self.blocks.append(
                {
                    "height": committed.height,
                    "time_ms": block.header.time_ms,
                    "txs": [t.decode() for t in block.txs],
                    "results": [{"code": r.code, "message": r.message} for r in committed.results],
                    "events": [[name, codec.to_json(fields)] for name, fields in committed.events],
                    "app_hash": block.header.app_hash,
                }
            )
            if after is not None:
                self.blocks[-1]["changes"] = changes(before, after)
        return made

    def after(self, height: int) -> dict[str, bytes] | None:
        """The state, if it is that of this height (not that of a follow-up block)."""
        return dict(self.ledger.state.values) if self.ledger.tip.height == height else None

    def refused(self, code: str, who: Any, body: Any, **changes: Any) -> Any:
        result = self.act(who, body, **changes)
        assert result.code == code, result
        return result

    def later(self, ms: int) -> None:
        """Time passes; a poke makes the block."""
        self.now_ms += ms
        self.act(1, Poke(HEART))


def changes(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, Any]:
    """What is new, changed or (null) gone, without the memory of old transactions."""
    paths = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    kept = [p for p in paths if p.split("/")[0] not in ("seen", "due", "expiring")]
    return {p: json.loads(after[p]) if p in after else None for p in kept}


def membership() -> Recorder:
    """A hospital joins by invitation and votes, rotates its key, and is removed; another leaves."""
    c = Recorder(4)
    token = c.invite(1, "fifth")
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
    c.ok(1, Remove(5))
    removal = c.open_motions[-1]
    for member in (1, 2, 3, 4):
        if c.motion(removal):
            c.ok(member, Vote(removal, True))
    c.ok(4, Leave())
    c.refused("NotAMember", 4, Leave())
    return c


def study() -> Recorder:
    """A study is proposed, approved by some, and started; terms that cannot be are refused."""
    c = Recorder(4)
    spec = c.propose(min_peers=2)
    c.refused("AlreadyDone", 2, Propose(c.spec()))
    c.refused("BadValue", 2, Approve(HEART, digest("other terms")))
    c.ok(2, Approve(HEART, spec))
    c.ok(3, Refuse(HEART, spec))
    c.refused("NotAllowed", 3, Enrol(HEART, spec, 100))
    c.refused("NotAllowed", 1, Start(HEART))
    c.ok(1, Enrol(HEART, spec, 100))
    c.ok(2, Enrol(HEART, spec, 50))
    c.refused("AlreadyDone", 2, Enrol(HEART, spec, 0))
    c.ok(2, Start(HEART))
    c.refused("NotAllowed", 3, Ready(HEART))
    c.ok(1, Ready(HEART))
    c.ok(2, Ready(HEART))
    c.ok(2, Withdraw(HEART))
    c.ok(1, Finish(HEART))
    c.refused("StaleRound", 1, Ready(HEART))
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
    c.act(1, Release(HEART, c.study().current.digest))
    return c


def leaders() -> Recorder:
    """Leaders that are gone, late or wrong; contributions that cannot be had or merged."""
    c = Recorder(4)
    c.start(rounds=2, min_peers=2)
    c.ready(1, 2, 3, 4)
    c.settle()
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
    for member in others[:1]:
        c.ok(member, Invalid(c.ref(), voiced))
    c.later(c.spec().leader_timeout_ms * 4)
    c.settle()
    c.contribute(*c.round().roster[:2])
    c.act(c.round().contributors[0], Retract(c.ref()))
    return c


def disputes() -> Recorder:
    """A false merge is proven; an unfounded dispute is dismissed; one lapses."""
    c = Recorder(4)
    c.start(rounds=3, min_peers=4)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)
    liar, one, two, _ = c.leader(), *c.followers()
    c.refused("NotAllowed", liar, c.doubt())
    c.refused("BadValue", one, c.doubt(offer="00" * 64))
    c.refused("BadValue", one, c.doubt(claimed=digest("no proof")))
    c.ok(one, c.doubt())
    c.refused("Disputed", liar, c.settlement(liar, digest=FALSE))
    c.ok(two, c.answer())
    c.settle()
    c.contribute(1, 2, 3, 4)
    one, two, three = c.followers()
    c.ok(one, c.doubt())
    c.ok(two, c.answer(CLAIMED))
    c.ok(three, c.answer(CLAIMED))
    c.settle()
    c.contribute(1, 2, 3, 4)
    c.ok(c.followers()[0], c.doubt())
    c.later(c.spec().leader_timeout_ms + 1)
    c.later(1)
    c.settle()
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
    for data in (b"{}", b"[", good + b" ", good.replace(b'"kind":"', b'"kind":"x')):
        assert c.block(data)[0].results[0].code == "Malformed"
    several = [c.write(m, Ready(HEART)) for m in (2, 3)]
    c.block(*several, c.write(4, Leave()), c.write(4, Ready(HEART)))
    c.refused("UnknownThing", 1, Poke("no such study"))
    body = Contribute(c.ref(number=7), c.study().spec, "", digest("x"), 10, LAYOUT, 1)
    c.refused("StaleRound", 1, body)
    return c


STORIES: dict[str, Callable[[], Recorder]] = {
    f.__name__: f for f in (membership, study, rounds, leaders, disputes, envelopes)
}


def vector(name: str) -> str:
    """One file's text."""
    c = STORIES[name]()
    found = {
        "name": name,
        "about": (STORIES[name].__doc__ or "").strip(),
        "genesis": codec.to_json(c.genesis),
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
