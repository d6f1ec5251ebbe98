"""Runs of many seeds, on all cores, with a count of those that broke."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from swarmhub.sim.schedule import SHARDS_FLOATS, schedule_of
from swarmhub.sim.world import simulate


@dataclass
class Outcome:
    """The result of a campaign."""

    schedules: int = 0
    seeds_broken: list[int] = field(default_factory=list)
    crashes: int = 0
    seconds: float = 0.0

    @property
    def per_minute(self) -> float:
        """Schedules a minute of wall-clock time."""
        return round(self.schedules * 60 / max(self.seconds, 1e-9), 1)


def run_campaign(
    schedules: int, first: int = 0, nodes: int = 5, rounds: int = 10,
    told: Callable[[Outcome], None] = lambda outcome: None, workers: int | None = None,
    masked: bool = False, sharded: bool = False,
) -> Outcome:  # fmt: skip
    """Run so many seeds from `first` on; only schedules with masked rounds if `masked`, with models
    of several shards if `sharded`. `told` is called after each."""
    outcome, started = Outcome(), time.monotonic()

    def is_wanted(seed: int) -> bool:
        schedule = schedule_of(seed, nodes)
        has_shards = schedule.floats >= SHARDS_FLOATS
        return (schedule.masked or not masked) and (has_shards or not sharded)

    every = (s for s in itertools.count(first) if is_wanted(s))
    seeds = itertools.islice(every, schedules)
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        found = pool.map(
            _try, seeds, itertools.repeat(nodes), itertools.repeat(rounds), chunksize=4
        )
        for seed, broken, crashes in found:
            outcome.schedules += 1
            outcome.crashes += crashes
            outcome.seconds = time.monotonic() - started
            if broken:
                outcome.seeds_broken.append(seed)
            told(outcome)
    return outcome


def _try(seed: int, nodes: int, rounds: int) -> tuple[int, bool, int]:
    report = simulate(seed, nodes, rounds)
    return seed, bool(report.broken), report.crashes
