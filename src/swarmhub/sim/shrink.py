"""Shorten a broken schedule to the faults without which it would not break (Zeller, Hildebrandt
2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from swarmhub.sim.schedule import Schedule
from swarmhub.sim.world import run_schedule

MAX_TRIALS = 300


def kinds(broken: list[str]) -> set[str]:
    """Return the names of the invariants that did not hold."""
    return {line.partition(":")[0] for line in broken}


def breaks_like(wanted: set[str]) -> Callable[[Schedule], bool]:
    """Return a test of whether a schedule breaks one of these invariants."""
    return lambda schedule: bool(wanted & kinds(run_schedule(schedule).broken))


def shrink(
    schedule: Schedule, still_breaks: Callable[[Schedule], bool], trials: int = MAX_TRIALS
) -> Schedule:
    """Return a schedule that still breaks and from which nothing simple can be taken away."""
    again = True
    while again and trials > 0:
        again = False
        for smaller in simpler(schedule):
            if schedule.is_fair and not smaller.is_fair:
                continue  # more Byzantine members than a study tolerates break it without a fault
            trials -= 1
            if trials < 0:
                break
            if still_breaks(smaller):
                schedule, again = smaller, True
                break
    return schedule


def simpler(schedule: Schedule) -> Iterator[Schedule]:
    """Yield schedules with a little less in them, the boldest first."""
    half = len(schedule.faults) // 2
    if half > 1:
        yield replace(schedule, faults=schedule.faults[:half])
        yield replace(schedule, faults=schedule.faults[half:])
    for i in range(len(schedule.faults)):
        yield replace(schedule, faults=schedule.faults[:i] + schedule.faults[i + 1 :])
    if schedule.drop or schedule.duplicate:
        yield replace(schedule, drop=0, duplicate=0)
        yield replace(schedule, drop=0)
        yield replace(schedule, duplicate=0)
    for rounds in (1, 2, schedule.rounds // 2):
        if 0 < rounds < schedule.rounds:
            yield replace(schedule, rounds=rounds)
    if schedule.delay_ms != (1, 5):
        yield replace(schedule, delay_ms=(1, 5))
    if schedule.max_share != 1000:
        yield replace(schedule, max_share=1000)
    if schedule.merge != "weighted_mean":
        yield replace(schedule, merge="weighted_mean", max_share=1000)
