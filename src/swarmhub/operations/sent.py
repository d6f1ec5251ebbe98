"""The node's record of data that left this hospital; needs neither a ledger nor a running node."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.home.home import Home
from swarmhub.node.sent import Sent, SentBook


@dataclass(frozen=True)
class Total:
    """The total of one kind to one receiver."""

    kind: str
    to: str
    study: str
    times: int
    nbytes: int


def read_sent(home: Home, study: str = "", since_ms: int = 0) -> list[Sent]:
    """Return the entries of a study (all if "") since a time by this machine's clock, oldest
    first."""
    entries = SentBook(home.sent_path).read(since_ms)
    return [entry for entry in entries if not study or entry.study == study]


def add_up(entries: list[Sent]) -> list[Total]:
    """Return totals by kind, receiver and study, in order of first appearance."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for e in entries:
        times, nbytes = found.get((e.kind, e.to, e.study), (0, 0))
        found[e.kind, e.to, e.study] = times + 1, nbytes + e.nbytes
    return [Total(*key, *sums) for key, sums in found.items()]
