"""Kill -9 at every named moment of a round, in swarms of real nodes and trainers, again and again.

    python bench/kill.py --kills 1000 [--json] [--seed 1] [--swarms 3] [--state FILE]
    python bench/kill.py --kills 90 --hang-s 30          stopped for so long, instead of killed

A deck of (role, moment) pairs is shuffled by the seed, and dealt to one swarm after the other (25
kills each, several swarms at a time). In a swarm of four one process at a time is a victim: the
leader of the next round, a contributor, a hospital that was away for two rounds and comes back,
or a trainer. It is armed with the moment, dies there by SIGKILL, and is started again at once or
when the others have settled the round. A few plans have two victims, since some moments are
reached only after a death. Every third swarm has a model of several chunks; in every tenth the
fourth node lies as leader, and the victims are those who dispute and recompute its merges.

kills        deaths by SIGKILL at a named moment (without those that only make a joiner late)
finished     whether every study went on when the killing was over, and came to its end
differing    nodes whose final model is missing, or that hold of any settled model other bytes than
             the ledger has the digest of
lost_rounds  rounds that were never settled, or without a contribution that the ledger had and
             nobody excluded
takeover_s   from a leader's death in mid-merge to the settlement by another, where all four had
             contributed and nobody else lied, died or was to die meanwhile. Such a leader stays
             dead until its round is settled, however long that takes; one in ten is started again
             at once, and is no sample, whoever settles then
leaders_killed       all deaths of leaders in mid-merge: each is a sample (takeovers), or is in
takeovers_discarded  with the reason why it is none
cards_missed         roles with moments that never came, though the campaign had them in its deck;
                     those of a full campaign (200 kills or more) are tried once more at its end

With --hang-s a victim is stopped at its moment (SIGSTOP) and goes on after so many seconds, while
the others go on without it; not while it has the ledger's turn to write, which is everybody's lock.
With --state, swarms that are done are noted in the file, and a second run goes on behind them.
The exit code is 1 where anything was lost, differs, did not finish or is a fault (then logs and
ledger are kept), and where a full campaign missed a moment or its takeovers took too long.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forkserver import ForkServer, Ward
from kill_deck import ROLES, Plan, deal, is_lying
from kill_tally import (
    KILLS_A_SWARM,
    NODES,
    Takeovers,
    Tally,
    count_kills,
    is_well,
    judge,
    note,
    outline,
    recall,
    say,
    second_chances,
    summarise,
)
from local_swarm import LocalSwarm

from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.contract.events import Contributed, Settled, Voided
from swarmhub.contract.records import ROUND, STUDY, Model, Round, Spec
from swarmhub.contract.round.election import (
    compute_leader_order,
    get_auditors,
    get_candidates,
    get_leader,
)
from swarmhub.contract.transactions import Finish
from swarmhub.errors import BadInput
from swarmhub.failpoints import VARIABLE as DIE_AT
from swarmhub.ledger import Committed
from swarmhub.types import Digest

MIN_PEERS = 3  # one dies at a time: f of four
ROUNDS_A_KILL, ROUNDS_A_S = 6, 8
PATIENCE_S, PATIENCE_ROUNDS = 5.0, 8  # a moment not reached by then is missed, and not counted
TRAINING_S = 0.1  # without it rounds go by while the dead start, and nobody is there to kill
SLOW_S = 3.0  # a takeover that is worth a look
OVER_S = 120.0  # a study that stands still for so long is lost
COMES_S = 20.0  # for the last model to be at every node
FOUND_FALSE = re.compile(r"The merge of round \d+ of 'bench' is false")
LIAR = 4  # the member that lies


class Campaign:
    """One swarm that lives through its plans."""

    def __init__(
        self, root: Path, number: int, seed: int, plans: list[Plan], ward: Any, hang_s: float
    ) -> None:
        self.root = root
        self.lying = any(p.role == "juror" for p in plans)
        self.hang_s = hang_s  # 0: victims are killed
        self.rounds_a_plan = ROUNDS_A_KILL + int(hang_s * ROUNDS_A_S)
        self.chance = random.Random(f"{seed}/{number}")
        self.plans = plans
        self.ward = ward
        scripts = {LIAR: Path(__file__).with_name("lying_node.py")} if self.lying else {}
        self.swarm = LocalSwarm(root, NODES, ward, scripts=scripts)
        self.tally = Tally(number, len(plans))
        self.takeovers = Takeovers(self.tally)
        self.mb = 2.5 if number % 3 == 2 else 0.004
        self.aim: Plan | None = None  # whoever fits the role now is armed
        self.victim = ""
        self.away: dict[str, float] = {}  # the dead, and when they died
        self.contributed: dict[int, set[int]] = {}
        self.models: dict[Digest, Digest] = {}  # all that were settled, with their layouts
        self.news = asyncio.Event()
        self.watches: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> Tally:
        """Start, carry the plans out, see the study finish, compare."""
        spec = Spec(
            name="bench", rounds=max(10, len(self.plans) * self.rounds_a_plan), min_peers=MIN_PEERS,
            quorum_grace_ms=500, leader_timeout_ms=3_000,
        )  # fmt: skip
        script = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(self.mb)]
        script += ["--pause", str(TRAINING_S)]
        await self.swarm.start(spec, script)
        for i in range(1, NODES + 1):
            self._attend(f"node {i}")
            self._attend(f"trainer {i}")
        self.swarm.ledger.subscribe(self._hear)
        try:
            for plan in self.plans:
                if self.round() is None:
                    self.tally.untried += 1
                    continue
                await self._carry_out(plan)
                await self._revive()
            await self._see_it_go_on()
            await self._compare()
        except TimeoutError:
            self.tally.faults.append(f"nothing happened for {OVER_S} s")
        finally:
            self._count_open()
            self.takeovers.discard("the round was never settled")
            await self.swarm.ledger.close()
            for name in [n for n in self._names() if self.is_watched(n)]:
                asyncio.get_running_loop().remove_reader(self.ward.sentinel(name))
            self.ward.stop()
            for watch in self.watches.values():
                watch.cancel()
        self._read_logs()
        return self.tally

    # looking

    def round(self) -> Round | None:
        """The open round."""
        return ROUND.get(self.swarm.ledger.state, "bench")

    def number(self) -> int:
        """Its number; past the end when the study is over."""
        r = self.round()
        return r.number if r else 1 << 30

    async def until(self, true: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for news until it holds; whether it did in time."""
        end = time.monotonic() + timeout_s
        while not true():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.news.wait()
        return True

    def _names(self) -> list[str]:
        return [f"{kind} {i}" for kind in ("node", "trainer") for i in range(1, NODES + 1)]

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            match event:
                case Contributed():
                    self.contributed.setdefault(event.number, set()).add(event.member)
                case Voided():
                    self.contributed[event.number].discard(event.member)
                    self.tally.excluded += 1
                case Settled():
                    self._settled(event.model)
        self._take_aim()
        self.news.set()

    def _settled(self, model: Model) -> None:
        self.tally.settled += 1
        number = model.number
        self.models[model.digest] = model.layout
        if model.kind == "train":
            merged = {s.member for s in model.shares}
            if merged != self.contributed.get(number):
                self.tally.lost_rounds += 1
                self.tally.faults.append(f"round {number} was settled without all contributions")
        took_s = self.takeovers.settled(number, model.leader)
        if took_s is not None and took_s > SLOW_S:
            say(f"swarm {self.tally.number}: the takeover of round {number} took {took_s} s")

    # killing

    def is_watched(self, name: str) -> bool:
        """Whether its end has not been noticed; one that hangs has not ended."""
        return name not in self.away or bool(self.hang_s and self.ward.is_running(name))

    def _attend(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.ward.sentinel(name), functools.partial(self._died, name))
        if self.hang_s:
            self.watches[name] = loop.create_task(self._watch(name))

    async def _watch(self, name: str) -> None:
        """Notice that it has been stopped. If another thread of it then has the turn to write,
        which is everybody's lock, it goes on until that is over."""
        pid = self.ward.pid(name)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            while not is_stopped(pid):
                await asyncio.sleep(0.01)
            while self.swarm.has_turn(pid):
                self.ward.signal(name, signal.SIGCONT)
                self.swarm.stop_node(int(name.split()[1]))
            self._lost(name)

    def _died(self, name: str) -> None:
        asyncio.get_running_loop().remove_reader(self.ward.sentinel(name))
        code = self.ward.take(name)
        kind = name.partition(" ")[0]
        wanted = 0 if self.hang_s else -9
        if code != wanted and (kind, code) != ("trainer", 0):  # its end is the study's end
            self.tally.faults.append(f"{name} ended with {code}")
        self._lost(name)

    def _lost(self, name: str) -> None:
        self.away[name] = time.monotonic()
        self.news.set()
        kind, _, i = name.partition(" ")
        if kind != "node":
            return
        self.takeovers.discard("another one died")
        r = self.round()
        if r and r.phase == "MERGING" and get_leader(r) == int(i) and not self.lying:
            alone = not any(n.startswith("node") and n != name for n in self.away)
            self.takeovers.died(r, int(i), alone)

    def _take_aim(self) -> None:
        """Arm whoever fits the role in the round as it is now, and nobody else."""
        r = self.round()
        if self.aim is None or r is None or self.victim in self.away:
            return
        order = compute_leader_order("bench", r.number, r.roster)
        leader = get_leader(r) if r.phase == "MERGING" else (order[0] if order else None)
        fits = self.aim.role == "leader"
        here = [i for i in r.roster or range(1, NODES + 1) if f"node {i}" not in self.away]
        able = [i for i in here if (i == leader) == fits]
        if self.aim.role == "juror":
            able = self._jurors(r, leader) if r.phase == "MERGING" else []
        if able and self.victim not in [f"node {i}" for i in able]:
            if self.victim:
                self._arm(self.victim, "")
            self.victim = f"node {self.chance.choice(able)}"
            self._arm(self.victim, self.aim.moment)

    def _jurors(self, r: Round, leader: int | None) -> list[int]:
        """Whoever is to dispute the liar's merge, or to say what it should be."""
        assert self.aim is not None
        if leader != LIAR:
            return []
        drawn = get_auditors(r, len(r.enrolled))
        disputes = self.aim.moment.endswith("dispute")
        others = [i for i in get_candidates(r) if i != LIAR and f"node {i}" not in self.away]
        return [i for i in others if (i in drawn) == disputes]

    async def _carry_out(self, plan: Plan) -> None:
        act = {
            "leader": self._kill_one, "contributor": self._kill_one, "trainer": self._kill_trainer,
            "late joiner": self._kill_late, "witness": self._kill_two, "juror": self._kill_one,
        }[plan.role]  # fmt: skip
        died = await act(plan)
        (self.tally.killed if died else self.tally.missed).append(str(plan))

    async def _kill_one(self, plan: Plan) -> bool:
        if plan.role == "leader":  # all are back from the last death, so that f are left to die
            await self._comes_true(lambda: (r := self.round()) is None or len(r.roster) == NODES)
        self.aim, self.victim = plan, ""
        self._take_aim()
        died = await self._comes_true(lambda: self.victim in self.away)
        self.aim = None
        if not died and self.victim:
            self._arm(self.victim, "")
        return died

    async def _kill_trainer(self, plan: Plan) -> bool:
        name = f"trainer {self.chance.randint(1, NODES)}"
        if name in self.away:
            return False
        self._arm(name, plan.moment)
        return await self._has_died(name)

    async def _kill_late(self, plan: Plan) -> bool:
        """Away for two rounds, then armed from its first moment on."""
        name = f"node {self.chance.randint(1, NODES)}"
        self._kill_now(name)
        await self.until(lambda: name in self.away, PATIENCE_S)
        await self._others_settle()
        since = self.number()
        await self.until(lambda: self.number() >= since + 2, PATIENCE_S)
        self._start(name, plan.moment)
        return await self._has_died(name)

    async def _kill_two(self, plan: Plan) -> bool:
        """Some moments come only after a death: a leader's, or a trainer's that all wait for."""
        if plan.moment == "submit.round.poke":
            self._kill_now(f"trainer {self.chance.randint(1, NODES)}")
        elif not await self._kill_one(Plan("leader", "merge.begun")):
            return False
        else:
            self.takeovers.discard("another one was to die")
            self.tally.killed.append("leader merge.begun")
        r = self.round()
        if r is None:
            return False
        poked = tuple(range(1, NODES + 1)) if plan.moment == "submit.round.poke" else None
        line = compute_leader_order("bench", r.number, poked or r.contributors or r.roster)
        name = next((f"node {i}" for i in line if f"node {i}" not in self.away), "")
        if not name:  # nobody is there yet, as a study begins
            return False
        self._arm(name, plan.moment)
        return await self._has_died(name)

    async def _comes_true(self, true: Callable[[], bool]) -> bool:
        last = self.number() + PATIENCE_ROUNDS
        return await self.until(lambda: true() or self.number() > last, PATIENCE_S) and true()

    async def _has_died(self, name: str) -> bool:
        died = await self._comes_true(lambda: name in self.away)
        if not died:
            self._arm(name, "")
        return died

    def _kill_now(self, name: str) -> None:
        kind, _, i = name.partition(" ")
        if name in self.away:
            return
        if not self.hang_s:
            self.ward.kill(name)
        elif kind == "node":
            self.swarm.stop_node(int(i))
        else:
            self.ward.signal(name, signal.SIGSTOP)

    def _arm(self, name: str, moment: str) -> None:
        self.ward.arm(name, f"{moment}:1:hang" if moment and self.hang_s else moment)

    async def _others_settle(self) -> None:
        """Wait until a dead leader's round is settled, however long it takes: who comes back before
        would cut off the longest takeovers."""
        if not await self.until(lambda: not self.takeovers.open, OVER_S):
            raise TimeoutError

    async def _revive(self) -> None:
        """Start the dead again: at once, or when the others have settled the round."""
        if self.chance.random() < (0.9 if self.takeovers.open else 0.4):
            since = self.number()
            await self._others_settle()
            await self.until(lambda: self.number() > since, PATIENCE_S)
        else:
            self.takeovers.discard("was started again at once")
        for name in list(self.away):
            if self.hang_s:
                await asyncio.sleep(self.away[name] + self.hang_s - time.monotonic())
                if not self.is_watched(name):  # a trainer whose study is over
                    continue
            self._start(name)

    def _start(self, name: str, moment: str = "") -> None:
        kind, _, i = name.partition(" ")
        if kind == "node":
            self.takeovers.back(int(i))
        if self.hang_s:
            self._arm(name, moment)
            del self.away[name]
            self.ward.signal(name, signal.SIGCONT)
            self.watches[name] = asyncio.get_running_loop().create_task(self._watch(name))
            return
        start = self.swarm.start_node if kind == "node" else self.swarm.start_trainer
        del self.away[name]
        start(int(i), **{DIE_AT: moment})
        self._attend(name)

    # the end

    async def _see_it_go_on(self) -> None:
        """Two more rounds when nobody dies any more; then the proposer ends the study, if it has
        not come to its end by itself."""
        for _ in range(2):
            since = self.number()
            if since < 1 << 30 and not await self.until(lambda n=since: self.number() > n, OVER_S):  # type: ignore[misc]
                raise TimeoutError
        if self.round() is not None:
            with contextlib.suppress(BadInput):  # it has ended by itself meanwhile
                await self.swarm.desks[0].submit(Finish("bench"))

    async def _compare(self) -> None:
        study = STUDY.need(self.swarm.ledger.state, "bench")
        self.tally.finished = study.status == "finished"
        self.tally.differing = NODES  # until they are seen to have it
        if study.current is None:
            return
        paths = [h.blobs_path / f"{study.current.digest}.bin" for h in self.swarm.homes]
        end = time.monotonic() + COMES_S
        while time.monotonic() < end and not all(p.exists() for p in paths):
            await asyncio.sleep(0.05)
        settled = {**self.models, study.current.digest: study.current.layout}
        self.tally.differing = sum(
            not p.exists() or any(not is_that(q, settled) for q in p.parent.glob("*.bin"))
            for p in paths
        )

    def _count_open(self) -> None:
        """Rounds that the ledger opened and nobody settled (the evaluation settles nothing)."""
        r = self.round()
        if r is not None:
            self.tally.lost_rounds += 1
            self.tally.faults.append(f"round {r.number} was never settled ({r.phase})")

    def _read_logs(self) -> None:
        for path in sorted(self.root.glob("h*/logs/*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()
            if self.lying:  # that is what they are to find
                lines = [x for x in lines if not FOUND_FALSE.search(x)]
            for mark in ("Traceback", " ERROR "):
                for line in [x for x in lines if mark in x][:3]:
                    self.tally.faults.append(f"{path.parent.parent.name}/{path.name}: {line}")


def is_stopped(pid: int) -> bool:
    """Whether all threads of a process stand still. Raises FileNotFoundError or ProcessLookupError
    if it has ended."""
    states = [
        path.read_text().rpartition(")")[2].split()[0]
        for path in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    if not states:
        raise ProcessLookupError
    return set(states) == {"T"}


def is_that(path: Path, settled: dict[Digest, Digest]) -> bool:
    """Whether a blob, where it is one that the ledger has settled, is that bit for bit."""
    layout = settled.get(path.stem)
    try:
        return layout is None or fingerprint_of(path, layout).digest == path.stem
    except FileNotFoundError:  # it is needed no more, and was deleted meanwhile
        return True


# many swarms


async def run_all(options: argparse.Namespace, root: Path, done: list[Tally]) -> list[Tally]:
    """Deal the deck to swarms until there are enough kills; several swarms at a time."""
    cards = [
        deal(options.seed, options.role, bool(options.hang_s), lying) for lying in (False, True)
    ]
    forkserver = ForkServer()
    numbers = iter(range(1 << 30))
    for tally in done:
        next(numbers)
        for _ in range(tally.plans):
            next(cards[is_lying(tally.number)])
    started = time.monotonic()
    earlier = count_kills(done)
    under_way: dict[int, Campaign] = {}

    async def live(number: int, plans: list[Plan], dealt: int) -> None:
        folder = root / f"swarm{number}"
        folder.mkdir(parents=True)
        ward = Ward(forkserver, f"{number}/")
        campaign = Campaign(folder, number, options.seed, plans, ward, options.hang_s)
        campaign.tally.plans = dealt
        under_way[number] = campaign
        try:
            tally = await campaign.run()
        finally:
            del under_way[number]
        done.append(tally)
        note(options, tally, folder)
        kills = count_kills(done)
        rate = (kills - earlier) / (time.monotonic() - started)
        say(f"{kills:5d} of {options.kills} kills, {rate:.2f} a second, {outline(tally)}")

    async def work() -> None:
        while True:
            hoped = count_kills(done) + sum(len(c.plans) for c in under_way.values())
            if hoped >= options.kills:
                return
            wanted = min(KILLS_A_SWARM, options.kills - hoped)
            number = next(numbers)
            dealt = [next(cards[is_lying(number)]) for _ in range(wanted)]
            await live(number, dealt, wanted)

    try:
        await asyncio.gather(*(work() for _ in range(options.swarms)))
        for again in second_chances(options, done):
            await live(next(numbers), again, 0)
    finally:
        forkserver.stop()
    return done


def main() -> int:
    """Parse, run, print; exit code 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--role", action="append", choices=list(ROLES), help="only such victims")
    parser.add_argument("--hang-s", type=float, default=0.0, help="stop victims for so long")
    parser.add_argument("--swarms", type=int, default=3, help="so many at a time")
    parser.add_argument("--state", type=Path, help="note swarms here, go on behind those noted")
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    options.role = options.role or list(ROLES)
    root = options.keep or Path(tempfile.mkdtemp(prefix="swarmhub-kill-"))
    started = time.monotonic()
    tallies = asyncio.run(run_all(options, root, recall(options)))
    found = summarise(options, tallies, time.monotonic() - started)
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))
    wrong = judge(found)
    for sentence in wrong:
        say(f"WRONG: {sentence}")
    if not all(is_well(t) for t in tallies):
        say(f"the files of what went wrong are in {root}")
    elif not options.keep:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
