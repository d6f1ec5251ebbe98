"""Timeout of a demo, and its progress reports meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from swarmhub.contract.records import Round
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import is_led
from swarmhub.types import MemberId

STEP_S = 1.0  # maximum that counts between two checks: beyond it, this process itself was stopped


class Patience:
    """Seconds without news while this process ran. A process that was stopped for a while, or a
    machine that slept, has not waited."""

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._limit_s, self._looked_s = limit_s, now_s
        self.quiet_s = 0.0

    def look(self, now_s: float) -> bool:
        """Note that there is no news; return whether the limit is reached."""
        self.quiet_s += min(now_s - self._looked_s, STEP_S)
        self._looked_s = now_s
        return self.quiet_s >= self._limit_s

    def hear(self, now_s: float) -> None:
        """Note that there is news."""
        self.quiet_s, self._looked_s = 0.0, now_s


def say_what_is_missing(r: Round | None, names: Mapping[MemberId, str]) -> str:
    """Return what the open round waits for, in words."""
    if r is None:
        return "waiting for the next round"
    if is_led(r):
        leader = names.get(get_leader(r) or 0, "none is left")
        return f"{r.kind} round: waiting for the leader ({leader})"
    missing = [names.get(m, str(m)) for m in r.roster if m not in r.contributors]
    if not missing:
        return f"{r.kind} round: all have contributed"
    return f"{r.kind} round: waiting for {', '.join(missing[:4])}" + " …" * (len(missing) > 4)
