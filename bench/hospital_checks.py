"""The requirements of `hospitals.py`, checked on what was seen. Nothing here touches a process."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hospital_faults import BY_NAME, SKIPPED, Fault

from swarmhub.contract.round.kinds import TRAIN
from swarmhub.operations.attendance import REMOVED, WITHDRAWN, RoundHeld

LEFT = (REMOVED, WITHDRAWN)
HOSPITAL = re.compile(r"Hospital (\d+)")


@dataclass
class Played:
    """A fault as it went. `host` is the one that it befell in the end; `at_home` is what its status
    and logs said meanwhile; `failed` says why it could not be played."""

    fault: Fault
    host: int = 0
    what: str = ""
    failed: str = ""
    is_over: bool = False
    until: int = 0  # the training round in which it was over
    at_home: list[str] = field(default_factory=list)

    def befell(self, turn: int) -> bool:
        """Whether it was there in a training round."""
        return self.fault.turn <= turn and (not self.is_over or turn <= self.until)

    def say(self) -> str:
        """Return what happened so far, and how the hospital itself names it."""
        kind, word = self.fault.kind, self.find_word() if self.is_over else ""
        what = self.failed or self.what or f"{kind} at Hospital {self.host or '?'}"
        return f"{what} (there: {word.strip()[:110]!r})" if word else what

    def find_word(self) -> str:
        """Return the words with which the hospital itself names the fault; "" if there are none."""
        words = BY_NAME[self.fault.kind].said_at_home
        lines = [line for text in self.at_home for line in text.splitlines()]
        return next((line[line.index(w) :] for w in words for line in lines if w in line), "")


@dataclass
class Seen:
    """The status of the observer: by ledger number of the round, the hospitals named in it as
    missing, with the last words on each."""

    named: dict[tuple[int, int], str] = field(default_factory=dict)

    def look(self, number: int, sentence: str) -> None:
        """Note whom a status names while a round is open."""
        for words in sentence.split("; "):
            for found in HOSPITAL.findall(words):
                self.named[number, int(found)] = words


def find_unnamed(held: Iterable[RoundHeld], seen: Seen) -> list[str]:
    """Return the absences for which the ledger has no reason, or that no status named while the
    round was open (of one that has left the ledger says so in that block)."""
    found = []
    for r in held:
        for absence in r.absences if r.kind == TRAIN else ():
            if not absence.why:
                found.append(
                    f"round {r.turn}: the ledger does not say why {absence.member} is not in"
                )
            if (r.number, absence.member) not in seen.named and absence.why not in LEFT:
                found.append(f"round {r.turn}: no status named {absence.member}")
    return found


def find_passed_over(held: Iterable[RoundHeld], required: Collection[int]) -> list[int]:
    """Return the training rounds that were settled without a required hospital."""
    return [
        r.turn for r in held
        if r.kind == TRAIN and r.settled_ms and {a.member for a in r.absences} & {*required}
    ]  # fmt: skip


def find_silent(played: Iterable[Played]) -> list[str]:
    """Return the faults of which the hospital itself said nothing, though it could know."""
    return [
        f"{p.fault.kind} in round {p.fault.turn}" for p in played
        if BY_NAME[p.fault.kind].said_at_home and not p.failed and not p.find_word()
    ]  # fmt: skip


def judge(
    rounds: int,
    held: Sequence[RoundHeld],
    seen: Seen,
    played: Sequence[Played],
    required: Collection[int],
    by_hand: Sequence[str],
    finals: Mapping[int, str],
) -> dict[str, list[str]]:
    """Return what falls short, by requirement; an empty list where it is met."""
    settled = [r.turn for r in held if r.kind == TRAIN and r.settled_ms]
    missing = [f"round {n} was not settled" for n in range(1, rounds + 1) if n not in settled]
    unplayed = [
        f"{p.fault.kind}: {p.failed or 'not over'}"
        for p in played
        if (p.failed or not p.is_over) and p.fault.kind not in SKIPPED
    ]
    came = {p.fault.turn for p in played}
    unplayed += [f"no fault came in round {n}" for n in range(1, rounds + 1) if n not in came]
    digests = sorted(set(finals.values()))
    differing = [] if len(digests) == 1 and digests[0] else [
        f"Hospital {i}: {d[:12] or 'no model'}" for i, d in finals.items()
    ]  # fmt: skip
    return {
        "rounds": missing,
        "faults": unplayed,
        "by_hand": [*by_hand],
        "named": [
            *find_unnamed(held, seen),
            *(f"not named at home: {s}" for s in find_silent(played)),
        ],
        "required": [f"round {n}" for n in find_passed_over(held, required)],
        "models": differing,
    }


def say_round(r: RoundHeld, rounds: int, seen: Seen, faults: Iterable[str], members: int) -> str:
    """Return the line on a settled round."""
    seconds = (r.settled_ms - r.opened_ms) / 1000
    absent = "; ".join(f"Hospital {a.member}: {a.why}" for a in r.absences) or "nobody missing"
    came = members - len(r.absences)
    status = [seen.named.get((r.number, a.member), "") for a in r.absences]
    said = f"; status: {'; '.join(filter(None, status))!r}" if any(status) else ""
    terms = f"; {len(r.takeovers)} takeover(s)" if r.takeovers else ""
    return (
        f"round {r.turn} of {rounds}: {seconds:.1f} s; {came} of {members} contributed{terms}; "
        f"faults: {', '.join(faults) or 'none'}; {absent}{said}"
    )
