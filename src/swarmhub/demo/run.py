"""The demo from top to bottom: found, admit, propose, start, watch, compare."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmhub.contract.consortium.thresholds import compute_quorum
from swarmhub.contract.events import Event, MergeStarted, RoundOpened, Settled
from swarmhub.contract.records import ROUND, STUDY, Model, Spec
from swarmhub.contract.results import get_document
from swarmhub.contract.round.kinds import MERGING, TRAIN
from swarmhub.contract.transactions import Start
from swarmhub.data.known import make_statistics
from swarmhub.demo.compare import HeldOut, Parameters
from swarmhub.demo.models import read_held, read_layout
from swarmhub.demo.options import Options
from swarmhub.demo.outcome import Outcome, RoundLine, Screen, Takeover
from swarmhub.demo.patience import Patience, say_what_is_missing
from swarmhub.demo.privacy import say_protected
from swarmhub.demo.processes import Processes, free_address
from swarmhub.demo.sites import Site
from swarmhub.errors import BadInput, LedgerError, SwarmhubError
from swarmhub.files import lock
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.ledgers import found_ledger, open_for_desk
from swarmhub.hub.child import SWITCH
from swarmhub.hub.process import make_link, say_link
from swarmhub.ledger import Committed
from swarmhub.operations.budgets import make_study_budget
from swarmhub.operations.ledger_client import LedgerClient, make_genesis
from swarmhub.operations.models import Target, export_model
from swarmhub.operations.privacy_budget import count_steps
from swarmhub.operations.privacy_terms import name_mode
from swarmhub.operations.report.write import write_report

MARKER = "demo.json"
RESTART_AFTER_S = 3.0  # the killed node restarts after its round, or after so long
START_S = 120.0  # for a node to open its ledger
LOOK_S = 0.5  # between two checks of the children
STALLED_S = 600.0  # time without news on the ledger after which the demo fails


def claim_root(root: Path) -> Any:
    """Lock a directory for a demo: new, empty, or of an earlier demo that is over."""
    if root.exists() and any(root.iterdir()) and not (root / MARKER).exists():
        raise BadInput(f"Expected an empty or new directory, got {root}; choose another --home.")
    root.mkdir(parents=True, exist_ok=True)
    held = lock(root / MARKER)
    if held is None:
        raise BadInput(f"A demo is running in {root}; choose another --home for this one.")
    for path in root.iterdir():
        if path.name != MARKER:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return held


@dataclass(frozen=True)
class News:
    """An event of the ledger, with its time of arrival here (monotonic) and its block's time."""

    heard_s: float
    block_ms: int
    event: Event


@dataclass
class Demo:
    """A running demo."""

    options: Options
    spec: Spec
    sites: list[Site]
    screen: Screen
    children: Processes
    homes: list[Home] = field(default_factory=list)
    lines: list[RoundLine] = field(default_factory=list)
    unmeasured: int = 0  # rounds with a model that was deleted before it was measured here
    takeovers: list[Takeover] = field(default_factory=list)
    tell: Callable[[Outcome], None] = lambda outcome: None
    news: asyncio.Queue[News] = field(default_factory=asyncio.Queue)

    async def run(self, started: float) -> Outcome:
        """Run everything, from founding to the comparison."""
        sites = self.sites
        for site in sites:
            for note in site.notes:
                self.screen.warn(f"{site.name}: {note}")
        shared = str(self.options.root / "ledger.sqlite")
        networked = self.options.ledger == COMETBFT
        self.homes = [
            Home.create(
                s.folder / "home", s.name, free_address(),
                ledger=COMETBFT if networked else shared,
                ledger_address=free_address() if networked else "",
            )
            for s in sites
        ]  # fmt: skip
        founders = self.homes[:-1]
        genesis = make_genesis("demo", [make_card(home) for home in founders])
        for home in self.homes if networked else founders[:1]:
            chain = found_ledger(home, genesis)
        self.screen.step(f"founded {chain} with {len(founders)} member(s)")
        for i in range(len(sites)):
            self._start_node(i)
        self.ledger = await open_for_desk(founders[0], founders[0].key("account"), START_S)
        try:
            self.ledger.subscribe(self._hear)
            self.held_out = HeldOut(self.sites, self.spec)
            self.names: dict[int, str] = {}
            self._desks = [LedgerClient(self.ledger, home.key("account")) for home in self.homes]
            await self._admit_last()
            await self._open_study()
            for i in range(len(sites)):
                self._start_trainer(i)
            startup_s = await self._watch(started)
            outcome = await self._conclude(started, startup_s)
            self.tell(outcome)
            if self.options.hub:
                await self._stay()
            return outcome
        finally:
            await self.ledger.close()

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            block_ms = committed.block.header.time_ms
            self.news.put_nowait(News(time.monotonic(), block_ms, event))

    # founding

    def _start_node(self, i: int) -> None:
        home = self.homes[i]
        log = home.root / "logs" / "node.log"
        variables = {SWITCH: "on"} if self.options.hub and i == 0 else {}
        self.children.start(f"The node of {self.sites[i].name}", ["up", "--home", str(home.root)],
                            log, **variables)  # fmt: skip

    def _start_trainer(self, i: int) -> None:
        site, home = self.sites[i], self.homes[i]
        arguments = ["train", "table", self.spec.name, "--home", str(home.root)]
        for path in site.sources.data.paths:
            arguments += ["--data", str(path)]
        for path in site.sources.test.paths if site.sources.test else ():
            arguments += ["--test", str(path)]
        if decimal := site.sources.decimal:
            arguments += ["--decimal", decimal]
        log = home.root / "logs" / "trainer.log"
        self.children.start(f"The trainer of {site.name}", arguments, log)

    async def _admit_last(self) -> None:
        founders, newcomer = self._desks[:-1], self._desks[-1]
        token = await founders[0].invite(self.homes[0], 86_400_000)
        motion = await newcomer.apply(make_card(self.homes[-1]), token)
        votes, voters = 0, founders
        if self.options.hub:
            await self._open_hub()
            if not self.options.hub_auto:  # the visitor's vote, at the first hospital, decides
                voters = founders[1 : compute_quorum(len(founders))]
        for client in voters:
            if any(m.id == motion for m in client.motions()):
                await client.vote(motion, True)
                votes += 1
        if len(voters) < len(founders):
            await self._await_visitor(motion)
            votes += 1
        for client in self._desks:
            self.names[client.me.id] = client.me.name
        self.screen.step(f"{votes} member(s) voted {self.sites[-1].name} in")

    async def _open_hub(self) -> None:
        """Open the first hospital's pages in the browser, and print their link."""
        path = self.homes[0].run_path("hub.json")
        async with asyncio.timeout(START_S):
            while not path.exists():
                self.children.check()
                await asyncio.sleep(LOOK_S)
        link = make_link(self.homes[0])
        self.screen.step(f"the pages of {self.sites[0].name}: {link} ({say_link()})")
        await asyncio.to_thread(webbrowser.open, link)

    async def _await_visitor(self, motion: int) -> None:
        """Wait until the visitor has voted on the last hospital's application."""
        name = self.sites[-1].name
        self.screen.step(f"{name} has applied: vote for it on the page 'Today'")
        while any(m.id == motion for m in self._desks[0].motions()):
            self.children.check()
            self.screen.waiting(f"waiting for your vote on {name}, on the page 'Today'")
            await asyncio.sleep(LOOK_S)
        if not any(m.name == name for m in self._desks[0].members()):
            raise SwarmhubError(f"{name} was not voted in; the demo ends.")

    async def _stay(self) -> None:
        """Keep the hospitals running until Ctrl-C."""
        self.screen.step("the pages stay until Ctrl-C")
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                self.children.check()
                await asyncio.sleep(LOOK_S)

    async def _open_study(self) -> None:
        n = len(self.sites)
        await self._desks[0].propose(self.spec)
        for client in self._desks[1:]:
            await client.approve(self.spec.name)
        for client, site in zip(self._desks, self.sites, strict=True):
            await client.enrol(self.spec.name, site.rows)
        await self._desks[0].submit(Start(self.spec.name))
        self.screen.step(f"all {n} approved and joined the study '{self.spec.name}'")
        if self.spec.privacy.masked:
            self.screen.step("masked: hospitals train, and the others learn the sum of all alone")
        if self.spec.privacy.dp is not None:
            self.screen.step("with noise: no statistics and no metrics leave; noise is added first")

    # watching

    async def _watch(self, started: float) -> float:
        """Show the progress until the study is over; return the time to the first training step.
        This process may fall behind the nodes, or be stopped: what it shows follows from the
        ledger, and from models that nodes must keep."""
        opened_ms = 0
        turns: dict[int, int] = {}  # training round of each round; 0: of another kind
        killed: tuple[float, int, str] | None = None  # time, round, name
        wants_kill = self.options.kill_leader
        startup_s: float | None = None
        while (news := await self._next_news()) is not None:
            event = news.event
            if isinstance(event, RoundOpened):
                opened_ms = news.block_ms
                turns[event.number] = event.turn if event.kind == TRAIN else 0
                if event.kind == TRAIN and startup_s is None:
                    startup_s = news.heard_s - started
                self.screen.waiting(f"'{event.stage}': waiting for {len(event.roster)} hospital(s)")
            elif isinstance(event, MergeStarted) and event.leader is not None:
                number = turns.get(event.number, 0)
                leader = self.names[event.leader]
                if wants_kill and number >= 2 and await self._kill_if_merging(event, leader):
                    wants_kill = False
                    killed = (time.monotonic(), event.number, leader)
                    self.screen.step(f"killed -9 the leader {killed[2]} in round {number}")
                    # if too few are left to continue without it, it has to restart
                    loop = asyncio.get_running_loop()
                    loop.call_later(RESTART_AFTER_S, self._restart, killed[2])
            elif isinstance(event, Settled):
                if killed and killed[1] == event.model.number:
                    self._note_takeover(killed, news.heard_s, event.model, event.model.turn)
                    self._restart(killed[2])  # unless it restarted before
                    killed = None
                if event.model.kind == TRAIN:
                    self._show_round(event.model, (news.block_ms - opened_ms) / 1000)
        self.children.check()
        return startup_s or 0.0

    async def _conclude(self, started: float, startup_s: float) -> Outcome:
        """Compare the swarm with hospitals alone and with all data pooled."""
        if self.unmeasured:
            self.screen.warn(
                f"{self.unmeasured} round(s) have no figures of their own: this command was slower "
                "than the hospitals, and they no longer keep the models of those rounds."
            )
        final = STUDY.need(self.ledger.state, self.spec.name).current
        swarm = self._read_model(final) if final else None
        if final is not None and swarm is None:
            raise SwarmhubError(f"No node holds the settled model {final.digest[:16]}….")
        self.screen.waiting("training each hospital alone, and pooled, for comparison")
        scores = await asyncio.to_thread(self.held_out.compare, swarm)
        model_folder, report = await self._export()
        budget = make_study_budget(self.spec, self._count_steps(), self.names)
        return Outcome(
            nodes=len(self.sites),
            rounds=len(self.lines),
            startup_s=startup_s,
            total_s=time.monotonic() - started,
            lines=self.lines,
            scores=scores,
            model_digest=final.digest if final else "",
            model_folder=model_folder,
            report=report,
            ledger=self.homes[0].ledger_path,
            takeovers=self.takeovers,
            homes=[h.root for h in self.homes],
            patients=self.held_out.patients,
            measure=self.held_out.yardstick.title,
            privacy=name_mode(self.spec.privacy),
            hidden=say_protected(self.spec, self.homes, budget, scores.central),
            budget=budget,
        )

    def _count_steps(self) -> dict[int, int]:
        state = self.ledger.state
        return count_steps(state, self.spec, STUDY.need(state, self.spec.name))

    async def _next_news(self) -> News | None:
        """Return the next event; None if the study is over and no event is left. Reports what is
        waited for. Raises SwarmhubError if a child has failed, or nothing happens for STALLED_S."""
        patience = Patience(STALLED_S, time.monotonic())
        task = asyncio.current_task()
        while True:
            if task is not None and task.cancelling():  # a Ctrl-C that something below swallowed
                raise asyncio.CancelledError
            if self.news.empty() and not self._is_running():
                return None
            try:
                async with asyncio.timeout(LOOK_S):  # wait_for can swallow a Ctrl-C in Python 3.11
                    return await self.news.get()
            except TimeoutError:
                self.children.check()
            if self.ledger.failure:
                raise self.ledger.failure
            is_over = patience.look(time.monotonic())
            r = ROUND.get(self.ledger.state, self.spec.name)
            said = f"{say_what_is_missing(r, self.names)} ({patience.quiet_s:.0f} s)"
            self.screen.waiting(said)
            if is_over:
                raise LedgerError(f"Nothing happens: {said}; see the logs in {self.options.root}.")

    def _is_running(self) -> bool:
        return STUDY.need(self.ledger.state, self.spec.name).status == "running"

    def _show_round(self, model: Model, seconds: float) -> None:
        parameters = self._read_model(model)
        found = {} if parameters is None else self.held_out.measure(parameters)
        self.unmeasured += parameters is None
        line = RoundLine(
            number=model.turn,
            leader=self.names[model.leader],
            term=model.term,
            members=[self.names[s.member] for s in model.shares],
            missing=[n for m, n in self.names.items() if m not in {s.member for s in model.shares}],
            samples=sum(s.weight for s in model.shares),
            score=found.get(self.held_out.yardstick.metric),
            loss=found.get("loss"),
            seconds=seconds,
        )
        self.lines.append(line)
        self.screen.round(line)

    def _read_model(self, model: Model) -> Parameters | None:
        """Return the parameters of a settled model, if a node still keeps them."""
        if self.held_out.design is None:
            self._use_statistics()
        layout = read_layout(self._stores, model.layout)
        if layout is None:
            return None
        return read_held(self._stores, model.digest, lambda f: self.held_out.load(f, layout))

    def _use_statistics(self) -> None:
        """Measure over the design that follows from the swarm's merged statistics."""
        document: bytes | None = None
        if self.spec.privacy.dp is not None:
            document = make_statistics(self.held_out.schema)
        elif merged := get_document(self.ledger.state, self.spec.name):
            document = read_held(self._stores, merged.digest, lambda file: file.read())
        if not document:
            raise SwarmhubError("No node holds the merged statistics; see the logs.")
        for sentence in self.held_out.use(document):
            self.screen.warn(sentence)

    @property
    def _stores(self) -> list[Path]:
        return [home.blobs_path for home in self.homes]

    async def _export(self) -> tuple[Path, Path]:
        """Export the last model, and write the study's report, at the first node that holds it."""
        model, report = self.options.root / "model", self.options.root / "report.html"
        why = "see the logs"
        for home in self.homes:
            try:
                await export_model(home, self.spec.name, Target(model))
                await write_report(home, self.spec.name, report)
                return model, report
            except BadInput as error:
                why = str(error)
        raise SwarmhubError(f"The last model cannot be exported: {why}")

    # killing the leader

    async def _kill_if_merging(self, event: MergeStarted, leader: str) -> bool:
        """Kill the leader's node (SIGKILL) unless its round is settled before it can be stopped."""
        name = f"The node of {leader}"
        if self.homes[0].is_networked and leader == self.sites[0].name:
            return False  # this process reads the ledger at that node: wait for another leader
        self.children.signal(name, signal.SIGSTOP)
        await asyncio.sleep(0.05)  # a settlement may be on its way
        r = ROUND.get(self.ledger.state, self.spec.name)
        if r is None or (r.number, r.phase) != (event.number, MERGING):
            self.children.signal(name, signal.SIGCONT)
            return False
        self.children.kill(name)
        return True

    def _note_takeover(
        self, killed: tuple[float, int, str], at: float, model: Model, number: int
    ) -> None:
        to = self.names[model.leader]
        self.takeovers.append(Takeover(number, model.term, killed[2], to, at - killed[0]))
        self.screen.step(f"{to} took over and settled round {number} in {at - killed[0]:.2f} s")

    def _restart(self, name: str) -> None:
        """Restart the killed node: it reads the ledger and takes part as soon as it can."""
        i = next(i for i, s in enumerate(self.sites) if s.name == name)
        if self._is_running() and not self.children.is_running(f"The node of {name}"):
            self._start_node(i)


def run_demo(
    options: Options,
    sites: Callable[[], tuple[Spec, list[Site]]],
    screen: Screen,
    started: float,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Run a demo in `options.root`; no process survives it. `tell` hears the outcome before the
    pages of a demo with a hub are closed."""
    held = claim_root(options.root)
    try:
        with Processes() as children:
            spec, prepared = sites()
            demo = Demo(options, spec, prepared, screen, children, tell=tell)
            return asyncio.run(demo.run(started))
    finally:
        held.close()
