"""Masked rounds beside plain ones, of real nodes in one invocation (see `round_overhead`).

A round is measured from the block that opens it to the one that settles it: CPU seconds of the
nodes (trainers left out), wall time, bytes on the loopback, and bytes of the transactions on the
ledger. With drop-outs, K members that do not lead are killed (-9) as soon as the ledger has their
contributions, or (`--drop-at sum`) the settled sum of all, and are started again after the
settlement; rounds until all have come back, and the first with them, are not measured.

The last model is compared with the mean in float64 of what the trainers of each settled set added.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from local_swarm import LocalSwarm
from meters import cpu_s, high_water_mb, lo_bytes

from swarmhub.contract.events import (
    Contributed,
    Event,
    KeysAskedAgain,
    RoundOpened,
    Settled,
    SumSettled,
)
from swarmhub.contract.records import Model, Privacy, Spec
from swarmhub.contract.round.election import compute_leader_order
from swarmhub.demo.processes import Processes
from swarmhub.ledger import Committed

START = 0.5  # of every value of `trivial_trainer`
ROUNDS = 1000  # more than are measured: those that came back are waited for
CLIP = 1.0
ERROR = 1e-7  # of the clip, in each round
COMES_S = 60.0  # for the last model to be at a node
LIMITS = {"cpu": 1.45, "cpu with drop-outs": 1.8, "bytes": 1.02}
MORE_MB = 32.0  # memory of a node
LEDGER_KB = {4: 8, 16: 80}


@dataclass(frozen=True)
class Moment:
    """Counters at one moment: seconds, CPU seconds of all nodes, bytes."""

    wall_s: float
    cpu_s: float
    moved: int
    ledger: int

    def since(self, before: Moment) -> Moment:
        """Return the difference to an earlier moment."""
        return Moment(
            self.wall_s - before.wall_s, self.cpu_s - before.cpu_s,
            self.moved - before.moved, self.ledger - before.ledger,
        )  # fmt: skip


@dataclass
class Found:
    """Figures of all runs of one kind, round by round; memory in MB."""

    rounds: list[Moment] = field(default_factory=list)
    sets: list[int] = field(default_factory=list)  # members of each measured round's set
    retries: int = 0  # of measured rounds, with new keys
    peak_mb: float = 0.0
    settled: int = 0  # rounds up to the last measured one
    error: float = 0.0  # of a value of the last model, against the mean in float64

    def median(self, name: str) -> float:
        return statistics.median(getattr(m, name) for m in self.rounds)

    @property
    def moved(self) -> int:
        """Bytes on the loopback in the quietest round: others use it too."""
        return min(m.moved for m in self.rounds)

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "round_s": round(self.median("wall_s"), 3),
            "cpu_s": round(self.median("cpu_s"), 3),
            "lo_mb": round(self.moved / 1e6, 3),
            "ledger_kb": round(self.median("ledger") / 1e3, 2),
            "peak_mb": round(self.peak_mb, 1),
            "sets": sorted(self.sets),
            "retries": self.retries,
            "settled": self.settled,
            "error": float(f"{self.error:.1e}"),
        }


class Run:
    """One swarm whose rounds are measured."""

    def __init__(self, swarm: LocalSwarm, options: argparse.Namespace, drop: int) -> None:
        self.swarm, self.options, self.drop = swarm, options, drop
        self.found = Found()
        self.spent = 0.0  # CPU seconds of nodes that were killed
        self.written = 0
        self.begun: Moment | None = None
        self.victims: set[int] = set()  # of the open round
        self.away: set[int] = set()
        self.was_short = False  # the last round began without a member: its trainer is cold
        self.expected = START
        self.last: Model | None = None

    async def measure(self, spec: Spec) -> Found:
        """Run until enough rounds are measured."""
        trainer = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb"]
        await self.swarm.start(spec, [*trainer, str(self.options.mb)])
        self.swarm.ledger.subscribe(self._hear)
        while len(self.found.rounds) < self.options.rounds:
            await self.swarm.next_event(300)
        self._note_peaks()
        assert self.last is not None
        self.found.error = await self._compare(self.last)
        await self.swarm.ledger.close()
        return self.found

    def _hear(self, committed: Committed) -> None:
        self.written += sum(len(tx) for tx in committed.block.txs)
        if len(self.found.rounds) < self.options.rounds:
            for event in committed.events:
                self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case RoundOpened(kind="train"):
                self._open(event)
            case Contributed(member=member) if member in self.victims:
                if self.options.drop_at == "contribution":
                    self._kill(member)
            case SumSettled():
                for member in sorted(self.victims - self.away):
                    self._kill(member)
            case KeysAskedAgain() if self.begun is not None:
                self.found.retries += 1
            case Settled(model=model) if model.kind == "train":
                self._settle(model)

    def _open(self, event: RoundOpened) -> None:
        self.victims = set()
        whole = len(event.roster) == self.options.nodes and not self.away
        is_warm = event.turn > 1 and whole and not self.was_short
        self.was_short = not whole
        self.begun = self._look() if is_warm else None
        if is_warm and self.drop:
            first = compute_leader_order("bench", event.number, event.roster)[0]
            others = [m for m in event.roster if m != first]
            self.victims = set(random.Random(event.number).sample(others, self.drop))

    def _settle(self, model: Model) -> None:
        steps = [step_of(s.member, model.turn) * s.weight for s in model.shares]
        self.expected += sum(steps) / sum(s.weight for s in model.shares)
        self.last = model
        self.found.settled += 1
        if self.begun is not None and self.victims == self.away and (self.away or not self.drop):
            self.found.rounds.append(self._look().since(self.begun))
            self.found.sets.append(len(model.shares))
        if len(self.found.rounds) < self.options.rounds:
            for member in sorted(self.away):
                self.swarm.start_node(member)
            self.was_short |= bool(self.away)
            self.away = set()

    def _kill(self, member: int) -> None:
        self._note_peaks()
        name = f"node {member}"
        self.spent += cpu_s(dict(self.swarm.children.named_pids())[name])
        self.swarm.children.kill(name)
        self.away.add(member)

    def _nodes(self) -> list[int]:
        return [pid for name, pid in self.swarm.children.named_pids() if name.startswith("node")]

    def _look(self) -> Moment:
        used = self.spent + sum(cpu_s(pid) for pid in self._nodes())
        return Moment(time.monotonic(), used, lo_bytes(), self.written)

    def _note_peaks(self) -> None:
        self.found.peak_mb = max(self.found.peak_mb, *(high_water_mb(p) for p in self._nodes()))

    async def _compare(self, model: Model) -> float:
        """Return the largest error of the model's values: each is where it began, or has moved."""
        here = next(i for i in range(1, self.options.nodes + 1) if i not in self.away)
        path = self.swarm.homes[here - 1].blobs_path / f"{model.digest}.bin"
        async with asyncio.timeout(COMES_S):
            while not path.exists():
                await asyncio.sleep(0.01)
            values = np.fromfile(path, "<f4").astype(np.float64)
        values = values[values != 0]  # padding
        errors = np.minimum(abs(values - START), abs(values - self.expected))
        return float(errors.max())


def step_of(member: int, turn: int) -> float:
    """Return the number that a member's trainer adds in a round: less than CLIP."""
    return random.Random(member).random() / turn


def make_spec(options: argparse.Namespace, is_masked: bool) -> Spec:
    """The terms of a measured study; a plain one differs in its privacy alone."""
    privacy = Privacy(masked=True, clip_millionths=int(CLIP * 1e6)) if is_masked else Privacy()
    return Spec(
        name="bench", rounds=ROUNDS, min_peers=options.nodes - options.drop,
        quorum_grace_ms=60_000, leader_timeout_ms=60_000, privacy=privacy,
    )  # fmt: skip


def run(options: argparse.Namespace, is_masked: bool) -> Found:
    """Measure one new swarm. Plain rounds have no drop-outs: they are what masked ones are
    compared with."""
    root = Path(tempfile.mkdtemp(prefix="swarmhub-bench-"))
    try:
        with Processes() as children:
            swarm = LocalSwarm(root, options.nodes, children, driver=options.ledger)
            drop = options.drop if is_masked else 0
            return asyncio.run(Run(swarm, options, drop).measure(make_spec(options, is_masked)))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Measure pairs of swarms by turns; returns figures of both kinds, and ratios."""
    found = {True: Found(), False: Found()}
    for pair in range(options.pairs):
        for is_masked in (True, False) if pair % 2 else (False, True):
            one, all_of_it = run(options, is_masked), found[is_masked]
            all_of_it.rounds += one.rounds
            all_of_it.sets += one.sets
            all_of_it.retries += one.retries
            all_of_it.peak_mb = max(all_of_it.peak_mb, one.peak_mb)
            all_of_it.settled = max(all_of_it.settled, one.settled)
            all_of_it.error = max(all_of_it.error, one.error)
    masked, plain = found[True], found[False]
    ratios = {
        name: round(masked.median(of) / plain.median(of), 3)
        for name, of in (("wall", "wall_s"), ("cpu", "cpu_s"))
    } | {"bytes": round(masked.moved / plain.moved, 3)}
    return {
        "nodes": options.nodes,
        "mb": options.mb,
        "rounds": len(masked.rounds),
        "drop": options.drop,
        "drop_at": options.drop_at if options.drop else "",
        "plain": plain.figures,
        "masked": masked.figures,
        "ratios": ratios,
        "more_peak_mb": round(masked.peak_mb - plain.peak_mb, 1),
    }


def judge(answer: dict[str, Any]) -> list[str]:
    """Return what is wrong, in sentences."""
    wrong, ratios, masked = [], answer["ratios"], answer["masked"]
    limit = LIMITS["cpu with drop-outs" if answer["drop"] else "cpu"]
    if ratios["cpu"] > limit:
        wrong.append(f"a masked round takes {ratios['cpu']} x the CPU of a plain one, not {limit}")
    if ratios["bytes"] > LIMITS["bytes"] and not answer["drop"]:
        wrong.append(f"a masked round moves {ratios['bytes']} x the bytes, not {LIMITS['bytes']}")
    if answer["more_peak_mb"] > MORE_MB:
        wrong.append(f"a node takes {answer['more_peak_mb']} MB more memory, not {MORE_MB}")
    kb = LEDGER_KB.get(answer["nodes"])
    if kb is not None and masked["ledger_kb"] > kb:
        wrong.append(f"a masked round takes {masked['ledger_kb']} KB of the ledger, not {kb}")
    if masked["retries"]:
        wrong.append(f"{masked['retries']} rounds asked for new keys")
    allowed = masked["settled"] * (ERROR * CLIP + float(np.finfo(np.float32).eps))
    if masked["error"] > allowed:
        wrong.append(f"the model errs by {masked['error']}")
    return wrong
