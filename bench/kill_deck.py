"""The deck of `kill.py`: every moment of a round with every role that reaches it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from swarmhub.failpoints import FAILPOINTS

LIES_IN = 10  # in every how manieth swarm a member lies
COMMON = ("pull.", "blob.", "head.", "ledger.", "pool.", "serve.")
ROLES = {
    "leader": ("merge.", "offer.", "receipt.taken", "submit.round.settle", "result.round.settle",
               *COMMON),
    "contributor": ("answer.", "journal.", "file.", "submit.round.contribute",
                    "result.round.contribute", "audit.", "receipt.begun", "receipt.sent", *COMMON),
    "late joiner": ("start.", "submit.round.ready", "result.round.ready", *COMMON),
    "trainer": ("trainer.",),
    "witness": ("submit.round.suspect", "submit.round.unavailable", "submit.round.poke"),
    "juror": ("submit.round.dispute", "result.round.dispute", "submit.round.recompute",
              "result.round.recompute"),
}  # fmt: skip
NOT_WHEN_LATE = ("serve.",)  # it holds nothing that others would ask it for
ELSEWHERE = (
    "agreed.",  # the embedded ledger agrees with nobody
    "vault.", "masked.", "unmask.",  # of masked rounds: see tests/masks
    "change.", "shards.",  # of rounds in few bytes, of large models: see tests/node
    *(f"{when}.round.{act}" for when in ("submit", "result") for act in ("key", "deal", "open")),
)  # fmt: skip
HERE = {m for m in FAILPOINTS if not m.startswith(ELSEWHERE)}
NOT_HANGING = ("start.", "ledger.")  # before anybody needs it; while everybody waits for its lock


@dataclass(frozen=True)
class Plan:
    """Who shall die, and when."""

    role: str
    moment: str

    def __str__(self) -> str:
        return f"{self.role} {self.moment}"


def is_lying(number: int) -> bool:
    """Whether there is a liar in the swarm of this number."""
    return number % LIES_IN == LIES_IN - 1


def deck(roles: list[str], hanging: bool) -> list[Plan]:
    """Every moment with every role that reaches it (of these roles)."""
    found = [
        Plan(role, moment)
        for role, prefixes in ROLES.items()
        for moment in sorted(HERE)
        if moment.startswith(prefixes)
        and not (role == "late joiner" and moment.startswith(NOT_WHEN_LATE))
    ]
    assert {p.moment for p in found} == HERE, "a moment has no role"
    if hanging:
        found = [p for p in found if not p.moment.startswith(NOT_HANGING)]
    return [p for p in found if p.role in roles]


def deal(seed: int, roles: list[str], hanging: bool, lying: bool) -> Iterator[Plan]:
    """The cards for swarms with a liar, or for the others, shuffled anew each time they are used
    up; where none of those roles is wanted, the others'."""
    chance = random.Random(f"deck {seed}")
    cards = deck(roles, hanging)
    cards = [p for p in cards if (p.role == "juror") == lying] or cards
    while True:
        chance.shuffle(cards)
        yield from cards
