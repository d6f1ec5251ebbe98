"""Makes a broken plan short: leaves out whatever it breaks without (Zeller, Hildebrandt 2002)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from swarmhub.sim.schedule import Schedule
from swarmhub.sim.world import run_schedule

MAX_TRIALS = 300


def kinds(broken: list[str]) -> set[str]:
    """Names of the invariants that did not hold."""
    return {line.partition(":")[0] for line in broken}


def breaks_like(wanted: set[str]) -> Callable[[Schedule], bool]:
    """Whether a plan breaks one of these invariants."""
    return lambda plan: bool(wanted & kinds(run_schedule(plan).broken))


def shrink(
    plan: Schedule, still_breaks: Callable[[Schedule], bool], trials: int = MAX_TRIALS
) -> Schedule:
    """A plan that still breaks and from which nothing simple can be taken away."""
    again = True
    while again and trials > 0:
        again = False
        for smaller in simpler(plan):
            if plan.is_fair and not smaller.is_fair:
                continue  # more liars than a study survives break it without a fault
            trials -= 1
            if trials < 0:
                break
            if still_breaks(smaller):
                plan, again = smaller, True
                break
    return plan


def simpler(plan: Schedule) -> Iterator[Schedule]:
    """Plans with a little less in them, the boldest first."""
    half = len(plan.acts) // 2
    if half > 1:
        yield replace(plan, acts=plan.acts[:half])
        yield replace(plan, acts=plan.acts[half:])
    for i in range(len(plan.acts)):
        yield replace(plan, acts=plan.acts[:i] + plan.acts[i + 1 :])
    if plan.drop or plan.duplicate:
        yield replace(plan, drop=0, duplicate=0)
        yield replace(plan, drop=0)
        yield replace(plan, duplicate=0)
    for rounds in (1, 2, plan.rounds // 2):
        if 0 < rounds < plan.rounds:
            yield replace(plan, rounds=rounds)
    if plan.delay_ms != (1, 5):
        yield replace(plan, delay_ms=(1, 5))
    if plan.merge != "weighted_mean":
        yield replace(plan, merge="weighted_mean")
