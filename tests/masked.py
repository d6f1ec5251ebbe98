"""A masked study on a chain in memory: each member's part in a round, by the real arithmetic."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from builders import HEART, LAYOUT, MODEL_BYTES, Consortium

from swarmhub.contract.records import DEALINGS, MaskedSum, Privacy, RoundKeys
from swarmhub.contract.transactions import Complain, Deal, Key, Open, Rekey
from swarmhub.protocol import mask_work as work
from swarmhub.protocol.masking import get_dealt, make_keying
from swarmhub.secret_sharing import complain
from swarmhub.types import MemberId

MASKED = Privacy(masked=True)


def root_of(member: MemberId, number: int, keying: int) -> bytes:
    """The root secret of a member's keying, which depends on these alone."""
    return hashlib.sha256(f"root {member} {number} {keying}".encode()).digest()


class MaskedConsortium(Consortium):
    """Members of a masked study; each act of a round is one call."""

    def begin(self, *members: int, **spec: Any) -> None:
        """A running masked study whose initial model is settled; its first masked round is open."""
        usual: dict[str, Any] = {"privacy": MASKED, "min_peers": 3, "rounds": 3}
        self.start(*members, **usual | spec)
        self.ready(*(members or self.chain.active))
        self.settle()

    @property
    def keying(self) -> int:
        return self.round().need_masks().keying

    def root(self, member: int) -> bytes:
        return root_of(member, self.round().number, self.keying)

    def key(self, member: int, number: int = 0) -> Key:
        """The keys that a member sends; for another round than the open one, early."""
        r = self.round()
        keying = 0 if number else self.keying
        root = root_of(member, number or r.number, keying)
        return Key(HEART, RoundKeys(number or r.number, *work.make_keys(root), keying))

    def next_keys(self, member: int) -> RoundKeys:
        """The keys that a member sends with its contribution, for the next round."""
        return self.key(member, number=self.round().number + 1).keys

    def send_keys(self, *members: int) -> None:
        for member in members:
            self.ok(member, self.key(member))

    def dealing(self, member: int) -> Deal:
        made = work.make_dealing(self.root(member), make_keying(self.state, self.round(), member))
        return Deal(HEART, self.round().number, self.keying, *made)

    def deal(self, *members: int) -> None:
        for member in members:
            self.ok(member, self.dealing(member))

    def rekey(self) -> Rekey:
        return Rekey(HEART, self.round().number, self.keying)

    def complaint(self, by: int, dealer: int) -> Complain:
        """A complaint with a true proof of the two members' secret."""
        keying = make_keying(self.state, self.round(), by)
        dealt = next(d for d in get_dealt(self.state, self.round()) if d.dealer == dealer)
        channel, _ = work.open_channel(keying, dealt)
        secrets = work.Secrets(self.root(by))
        proof = complain(channel, secrets.seal, secrets.complaint).to_bytes()
        return Complain(HEART, self.round().number, self.keying, dealer, work.encode(proof))

    def opening(self, member: int, **changes: Any) -> Open:
        r = self.round()
        keying = make_keying(self.state, r, member)
        dealt = get_dealt(self.state, r)
        members = changes.pop("members", r.contributors)
        shares = work.make_opening(self.root(member), keying, dealt, members)
        given: dict[str, Any] = {"ref": self.ref(), "shares": shares}
        return Open(**given | changes)

    def show(self, *members: int) -> None:
        for member in members:
            self.ok(member, self.opening(member))

    def reach(self, phase: str, *members: int) -> None:
        """Walk the open masked round with these members up to a phase."""
        walk: dict[str, Callable[[], Any]] = {
            "KEYING": lambda: self.send_keys(*members),
            "DEALING": lambda: self.deal(*members),
            "COLLECTING": lambda: self.contribute(*members),
            "MERGING": self.settle,
            "UNMASKING": lambda: self.show(*members[: self.round().need_masks().threshold]),
        }
        while self.round().phase != phase:
            walk[self.round().phase]()

    def walk_with_keys(self) -> None:
        """Walk through a round in which all send keys for the next one."""
        everyone = tuple(sorted(self.chain.active))
        self.reach("COLLECTING", *everyone)
        for member in everyone:
            self.contribute(member, keys=self.next_keys(member))
        self.reach("CONFIRMING", *everyone)
        self.settle()

    @property
    def total(self) -> MaskedSum | None:
        return self.round().need_masks().total


class CountedConsortium(MaskedConsortium):
    """A masked study whose transactions are counted, in bytes by kind."""

    written: Counter[str]

    def write(self, who: Any, body: Any, **changes: Any) -> bytes:
        data = super().write(who, body, **changes)
        self.__dict__.setdefault("written", Counter())[body.KIND] += len(data)
        return data


def measure_round(members: int) -> dict[str, int]:
    """The bytes of a masked round's transactions, by kind: all take part, and send the keys of the
    next round with their contributions."""
    c = CountedConsortium(members)
    c.begin(rounds=4)
    c.walk_with_keys()
    c.written.clear()
    c.walk_with_keys()
    return {**c.written, "total": c.written.total()}


def is_dealt(c: Consortium, member: int) -> bool:
    """Whether the state has a dealing of a member."""
    return DEALINGS.get(c.state, HEART, "dealing", member) is not None


def values(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The parameters of a test, from a seed: MODEL_BYTES of them."""
    return np.random.default_rng(seed).normal(size=MODEL_BYTES // 4).astype(np.float32)


__all__ = [
    "HEART",
    "LAYOUT",
    "MASKED",
    "MaskedConsortium",
    "is_dealt",
    "measure_round",
    "root_of",
    "values",
]
