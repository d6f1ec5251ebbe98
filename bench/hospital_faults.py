"""The faults of `hospitals.py`, drawn from a seed: what befalls which hospital in which round."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass

OBSERVER = 1  # runs the relay, is looked at, and has no fault of its own
SIZES = 94  # samples of the largest hospital, in those of the smallest
SMALLEST = 100  # samples
SLOWEST_MBIT, FASTEST_MBIT = 20, 1000
NEAR_MS, FAR_MS = 10.0, 60.0  # round trips


@dataclass(frozen=True)
class Kind:
    """One kind of fault. `said_at_home`: words of which one has to stand in the status or a log of
    the hospital itself (none: it cannot know); `at`: the hospitals that it may befall."""

    name: str
    seconds: tuple[int, int]  # how long it lasts
    said_at_home: tuple[str, ...] = ()
    at: str = "any"  # "any" but observer and largest; "largest"; "leader"; "new"


# The order in which a run of fewer rounds than kinds prefers nothing: all are drawn alike.
KINDS = (
    Kind("reboot", (5, 15), ("node 'Hospital",)),
    Kind("reboot_of_the_largest", (5, 15), ("node 'Hospital",), at="largest"),
    Kind("flap", (6, 20), ()),
    Kind("long_flap", (30, 60), ()),
    Kind("flap_of_the_largest", (6, 30), (), at="largest"),
    Kind("expired_certificate", (10, 20), ("The certificate of this hospital has expired",)),
    Kind("disk_full", (8, 20), ("The disk of",)),
    Kind("permission_error", (8, 20), ("PermissionError",)),
    Kind("missing_files", (8, 20), ("FileNotFoundError",)),
    Kind("unreadable_case", (8, 20), ("case-7 cannot be read",)),
    Kind("device_gone", (8, 20), ("CUDA error",)),
    Kind("wrong_clock", (20, 40), ("s from this host's; one of the two is wrong",)),
    Kind("older_version", (0, 0), ()),
    Kind("leader_killed", (0, 0), ("node 'Hospital",), at="leader"),
    Kind("validator_killed", (0, 0), ("node 'Hospital",)),
    Kind("relay", (5, 10), ("via the relay of Hospital", "a relay: what goes")),
    Kind("idle_site", (20, 40), ("the trainer here has been at work for",)),
    Kind("late_contribution", (0, 0), ("the trainer here has been at work for",)),
    Kind("rotation", (0, 0), ("this hospital's keys have been rotated",)),
    Kind("removal", (0, 0), ("The members have removed",), at="removed"),
    Kind("newcomer", (0, 0), ("node 'Hospital",), at="new"),
)  # fmt: skip
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
SKIPPED = {"older_version": "one version is installed here; tests/hosts/test_upgrading.py has two"}


@dataclass(frozen=True)
class Fault:
    """One fault: from the opening of training round `turn` on, at a host, for so many seconds.
    `host` is 0 if only the course of the round tells it (the leader) or it is yet to come."""

    turn: int
    kind: str
    host: int
    seconds: int


@dataclass(frozen=True)
class Site:
    """One hospital: its link, its samples, and its training time in units of the others'."""

    mbit: int
    round_trip_ms: float
    samples: int
    slowness: int = 1


def make_sites(seed: int, hosts: int, slowness: int) -> tuple[Site, ...]:
    """Return the hospitals by host: sizes in a geometric row, 94 to 1, links drawn alike in their
    logarithm with both ends of the range among them; the observer is never the largest."""
    chance = random.Random(f"sites {seed}")
    ratio = FASTEST_MBIT / SLOWEST_MBIT
    mbits = [SLOWEST_MBIT, FASTEST_MBIT]
    mbits += [round(SLOWEST_MBIT * ratio ** chance.random()) for _ in range(hosts - 2)]
    chance.shuffle(mbits)
    sizes = [round(SMALLEST * SIZES ** (k / (hosts - 1))) for k in range(hosts)]
    chance.shuffle(sizes)
    if sizes[0] == max(sizes):
        sizes[0], sizes[1] = sizes[1], sizes[0]
    return tuple(
        Site(mbit, round(chance.uniform(NEAR_MS, FAR_MS), 1), size,
             slowness if size == max(sizes) else 1)
        for mbit, size in zip(mbits, sizes, strict=True)
    )  # fmt: skip


def find_largest(sites: Collection[Site]) -> int:
    """Return the host with the most samples."""
    return max(enumerate(sites, 1), key=lambda pair: pair[1].samples)[0]


def make_schedule(
    seed: int, rounds: int, sites: Collection[Site], only: Collection[str] = ()
) -> tuple[Fault, ...]:
    """Return one fault for each round from 1 to `rounds`: each kind once before any comes again
    (without `only`, if given). Kinds that cannot be played here are drawn and skipped, as others
    are played. No host has a fault after its removal."""
    chance = random.Random(f"faults {seed}")
    names = list(only) or [kind.name for kind in KINDS]
    deck: list[str] = []
    while len(deck) < rounds:
        again = [n for n in names if n not in deck or n not in ("removal", "newcomer")]
        chance.shuffle(again)
        deck += again or names
    deck = deck[:rounds]
    largest = find_largest(sites)
    others = [i for i in range(2, len(sites) + 1) if i != largest]
    removed = chance.choice(others)
    return tuple(
        Fault(turn, name, _choose(chance, name, largest, others, removed),
              chance.randint(*BY_NAME[name].seconds))
        for turn, name in enumerate(deck, 1)
    )  # fmt: skip


def _choose(
    chance: random.Random, name: str, largest: int, others: Collection[int], removed: int
) -> int:
    """Return the host of a fault; the one that is to be removed has no other."""
    at = BY_NAME[name].at
    if at == "any":
        return chance.choice([i for i in others if i != removed])
    return {"largest": largest, "removed": removed}.get(at, 0)
