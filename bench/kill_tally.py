"""The tally of `kill.py`: what swarms came to, and what is wrong with a campaign."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kill_deck import HERE, Plan, deck

from swarmhub.contract.records import Round
from swarmhub.contract.round.election import get_candidates

NODES = 4
KILLS_A_SWARM = 25
FULL = 200  # kills from which on a campaign has to have met every moment of its deck
TAKEOVER_S = {"takeover_s_median": 2.0, "takeover_s_p99": 5.0}  # at most


@dataclass
class Tally:
    """What one swarm came to."""

    number: int
    plans: int = 0
    finished: bool = False
    untried: int = 0  # the study was over before
    settled: int = 0
    lost_rounds: int = 0
    differing: int = 0
    excluded: int = 0
    takeovers: list[float] = field(default_factory=list)
    discarded: dict[str, int] = field(default_factory=dict)  # why a takeover is no sample: how many
    killed: list[str] = field(default_factory=list)  # "role moment"
    missed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Takeovers:
    """Times from a leader's death in mid-merge to the settlement by another. Every such death comes
    to a time, or to a reason why it is none."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.open: dict[int, tuple[int, float]] = {}  # round: the leader that died in it, when

    def died(self, r: Round, leader: int, alone: bool) -> None:
        """The round's leader has died; whether it is the only one that is away."""
        self.open[r.number] = (leader, time.monotonic())
        if not alone:  # more than f are dead: no measure of anything
            self.discard("another one was dead")
        elif len(get_candidates(r)) < NODES:  # fewer survive nobody's death
            self.discard("not all had contributed")

    def discard(self, why: str) -> None:
        """Nothing that is open now is a sample, whatever becomes of it."""
        for _ in range(len(self.open)):
            self._tally.discarded[why] = self._tally.discarded.get(why, 0) + 1
        self.open.clear()

    def back(self, member: int) -> None:
        """A dead leader is there again, so it may settle its round itself."""
        if any(leader == member for leader, _ in self.open.values()):
            self.discard("was back before its round was settled")

    def settled(self, number: int, leader: int) -> float | None:
        """A round is settled; how long that took if it is a sample."""
        if number not in self.open:
            return None
        dead, at = self.open[number]
        if dead == leader:  # the ledger had its transaction already
            self.discard("had sent its settlement")
            return None
        del self.open[number]
        self._tally.takeovers.append(round(time.monotonic() - at, 3))
        return self._tally.takeovers[-1]


def count_kills(tallies: list[Tally]) -> int:
    """Deaths at a named moment."""
    return sum(len(t.killed) for t in tallies)


def missed_cards(options: argparse.Namespace, tallies: list[Tally]) -> list[Plan]:
    """The campaign's cards by which nobody has died."""
    met = {k for t in tallies for k in t.killed}
    return [p for p in deck(options.role, bool(options.hang_s)) if str(p) not in met]


def second_chances(options: argparse.Namespace, tallies: list[Tally]) -> list[list[Plan]]:
    """Plans for what a full campaign has missed, those with a liar apart. A few are missed by
    chance (the study was over before); where it is many, something is broken."""
    missed = missed_cards(options, tallies) if count_kills(tallies) >= FULL else []
    if len(missed) > KILLS_A_SWARM:
        return []
    parts = ([p for p in missed if (p.role == "juror") == lying] for lying in (False, True))
    return [part for part in parts if part]


def note(options: argparse.Namespace, tally: Tally, folder: Path) -> None:
    """Remember a swarm that is done; throw its files away if all went well."""
    if options.state:
        with options.state.open("a") as file:
            file.write(json.dumps({"seed": options.seed, **asdict(tally)}) + "\n")
    if is_well(tally) and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)


def is_well(tally: Tally) -> bool:
    """Whether nothing was lost in a swarm."""
    return tally.finished and not (tally.lost_rounds or tally.differing or tally.faults)


def outline(tally: Tally) -> str:
    """A line for people."""
    words = f"swarm {tally.number}: {len(tally.killed)} kills, {tally.settled} rounds"
    if tally.missed:
        words += f", missed: {', '.join(tally.missed)}"
    return words if is_well(tally) else f"{words}; FAULTS: {'; '.join(tally.faults)}"


def say(sentence: str) -> None:
    """Progress, for people."""
    print(sentence, file=sys.stderr, flush=True)


def recall(options: argparse.Namespace) -> list[Tally]:
    """Swarms that an earlier run with this seed has done."""
    if not options.state or not options.state.exists():
        return []
    found = [json.loads(line) for line in options.state.read_text().splitlines()]
    return [
        Tally(**{k: v for k, v in f.items() if k != "seed"})
        for f in found
        if f["seed"] == options.seed
    ]


def summarise(options: argparse.Namespace, tallies: list[Tally], seconds: float) -> dict[str, Any]:
    """The campaign's figures."""
    takeovers = sorted(t for tally in tallies for t in tally.takeovers)
    killed = [k for tally in tallies for k in tally.killed]
    roles = Counter(k.rpartition(" ")[0] for k in killed)
    discarded: Counter[str] = sum((Counter(t.discarded) for t in tallies), Counter())
    return {
        "kills": len(killed),
        "finished": all(t.finished for t in tallies),
        "differing": sum(t.differing for t in tallies),
        "lost_rounds": sum(t.lost_rounds for t in tallies),
        "takeover_s_median": round(statistics.median(takeovers), 3) if takeovers else None,
        "takeover_s_p99": takeovers[math.ceil(0.99 * len(takeovers)) - 1] if takeovers else None,
        "takeovers": len(takeovers),
        "leaders_killed": len(takeovers) + discarded.total(),
        "takeovers_discarded": dict(sorted(discarded.items())),
        "studies": len(tallies),
        "rounds": sum(t.settled for t in tallies),
        "moments": len({k.rpartition(" ")[2] for k in killed}),
        "moments_named": len(HERE),
        "cards_missed": [str(p) for p in missed_cards(options, tallies)],
        "roles": dict(sorted(roles.items())),
        "excluded": sum(t.excluded for t in tallies),
        "missed": sum(len(t.missed) for t in tallies),
        "faults": [f"swarm {t.number}: {x}" for t in tallies for x in t.faults],
        "kills_per_s": round(len(killed) / seconds, 2),
    }  # fmt: skip


def judge(found: dict[str, Any]) -> list[str]:
    """What is wrong with a campaign, in sentences."""
    wrong = [f"{name}: {found[name]}" for name in ("lost_rounds", "differing") if found[name]]
    wrong += [] if found["finished"] else ["a study did not finish"]
    wrong += found["faults"]
    if found["kills"] >= FULL:
        if found["cards_missed"]:
            wrong.append(f"moments at which nobody died: {', '.join(found['cards_missed'])}")
        wrong += [
            f"{name}: {found[name]}, expected {most} at most"
            for name, most in TAKEOVER_S.items()
            if found[name] is not None and found[name] > most
        ]
    return wrong
