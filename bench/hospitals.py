"""Twenty rounds as hospitals have them: slow links, unequal sites, and a fault in every round.

    python bench/hospitals.py [--nodes 8 --rounds 20 --mb 50 --seed 1 --minutes 15]

Hosts are network namespaces (needs root, ip, tc, setpriv and CometBFT; without them: exit code 2)
with links of 20 to 1000 Mbit/s and 10 to 60 ms there and back. Declared samples are 94 to 1; the
largest hospital is required, trains nine times as long, and is slower still until the fault of the
round has come. Faults are drawn by --seed (`hospital_faults.py`). What fails is started again as
systemd would, nothing else is done by hand. A line for each round, one JSON line at the end; exit
code 1 if a requirement is not met.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "hosts")]

from bed import why_not  # noqa: E402
from hospital_acts import ACTS, PATIENCE_S  # noqa: E402
from hospital_bed import LOOK_S, STUDY_NAME, Hospitals  # noqa: E402
from hospital_checks import Played, Seen, judge, say_round  # noqa: E402
from hospital_faults import (  # noqa: E402
    BY_NAME,
    OBSERVER,
    SKIPPED,
    Fault,
    find_largest,
    make_schedule,
    make_sites,
)

from swarmhub.contract.consortium.thresholds import compute_faults  # noqa: E402
from swarmhub.contract.records import Spec  # noqa: E402
from swarmhub.contract.round.kinds import TRAIN  # noqa: E402
from swarmhub.contract.transactions import Start  # noqa: E402
from swarmhub.errors import LedgerError  # noqa: E402
from swarmhub.home.ledgers import open_for_desk  # noqa: E402
from swarmhub.ledger.cometbft.binary import find_binary  # noqa: E402
from swarmhub.operations.attendance import AttendanceBook  # noqa: E402
from swarmhub.operations.ledger_client import LedgerClient  # noqa: E402

SLOWNESS = 9  # training time of the largest hospital, in those of the others
GRACE_MS = 8_000
LEADER_MS = 10_000
LOGS = ("node", "trainer", "doctor")
PROGRAMS = ("ip", "tc", "setpriv", "mount", "sha256sum")


def find_missing() -> list[str]:
    """What this machine lacks for a run."""
    missing = [f"the command '{p}'" for p in PROGRAMS if shutil.which(p) is None]
    if os.geteuid() != 0:
        missing.append("root")
    elif not missing and why_not():
        missing.append(why_not())
    try:
        find_binary()
    except LedgerError as error:
        missing.append(str(error))
    return missing


def make_terms(options: argparse.Namespace, largest: int) -> Spec:
    """The study's terms; the wire format is one of them if this version has it."""
    known = {f.name for f in dataclasses.fields(Spec)}
    wire: dict[str, Any] = {"wire": options.wire} if options.wire and "wire" in known else {}
    if options.wire and not wire:
        print("these terms have no wire format; --wire is left out", file=sys.stderr)
    away = compute_faults(options.nodes)
    return Spec(
        name=STUDY_NAME, rounds=options.rounds, min_peers=2 * away + 1, required=(largest,),
        quorum_grace_ms=GRACE_MS, leader_timeout_ms=LEADER_MS, transfer_bytes_per_s=2_000_000,
        **wire,
    )  # fmt: skip


async def open_study(bed: Hospitals, spec: Spec) -> None:
    """Propose, approve, enrol with each hospital's samples, start."""
    ledger = await open_for_desk(bed.homes[0], bed.homes[0].key("account"), patience_s=90)
    clients = [LedgerClient(ledger, home.key("account")) for home in bed.homes]
    await clients[0].propose(spec)
    for client in clients[1:]:
        await client.approve(spec.name)
    for client, site in zip(clients, bed.sites, strict=True):
        await client.enrol(spec.name, site.samples)
    await clients[0].submit(Start(spec.name))
    await ledger.close()


class Run:
    """One run: faults come and go, rounds are counted, statuses are read."""

    def __init__(self, bed: Hospitals, schedule: Sequence[Fault], options: argparse.Namespace):
        self.bed, self.options = bed, options
        self.waiting = [*schedule]
        self.played: list[Played] = []
        self.seen, self.book = Seen(), AttendanceBook(STUDY_NAME)
        self._height, self._told, self._turn = 0, 0, 0
        self._threads: list[threading.Thread] = []

    def go_on(self) -> bool:
        """One look: supervise, read the ledger and the statuses, start the next fault. Returns
        whether the study goes on."""
        self.bed.supervise()
        for committed in self.bed.blocks(self._height):
            self._height = committed.block.header.height
            self.book.see(committed)
        self._tell_rounds()
        turn = self.bed.place()[2]
        self._turn = turn or self._turn
        for study in self.bed.status(OBSERVER).get("studies", []):
            missing = [study["waits"], *(a["said"] for a in study.get("absent", []))]
            self.seen.look(study["round"], "; ".join(missing))
        for played in self._active():
            if played.host:
                said = self.bed.status(played.host)
                waits = [s["waits"] for s in said.get("studies", [])]
                played.at_home += [*said.get("problems", []), *waits, said.get("said", "")]
        if turn and self.waiting and self.waiting[0].turn <= turn and self._has_room():
            self._start(self.waiting.pop(0))
        return not self.bed.is_over()

    def _active(self) -> list[Played]:
        return [p for p in self.played if not p.is_over]

    def _has_room(self) -> bool:
        away = compute_faults(len(self.bed.members(OBSERVER)))
        return sum(p.host != 0 for p in self._active()) < max(1, away)

    def _start(self, fault: Fault) -> None:
        played = Played(fault, fault.host)
        self.played.append(played)
        if fault.kind in SKIPPED:
            played.what, played.until = f"{fault.kind} skipped: {SKIPPED[fault.kind]}", fault.turn
            played.is_over = True
            self._pace(fault.turn)
            return
        thread = threading.Thread(target=self._play, args=(played,), daemon=True)
        self._threads.append(thread)
        thread.start()
        self._pace(fault.turn)

    def _pace(self, turn: int) -> None:
        """Let the largest hospital finish its training of this round."""
        (self.bed.folder(find_largest(self.bed.sites)) / f"round-{turn}").touch()

    def _play(self, played: Played) -> None:
        host = played.host
        since = {log: self.bed.length(host, log) for log in LOGS} if host else {}
        try:
            played.what = ACTS[played.fault.kind](self.bed, played.fault)
        except Exception as error:  # any failure of an act is a result of the run
            played.failed = f"{type(error).__name__}: {str(error)[-300:]}"
        if not host and played.what:  # it is known now which one it was
            host = played.host = int(played.what.partition("Hospital ")[2].split()[0].strip(","))
        played.at_home += [self.bed.said(host, since.get(log, 0), log)
                           for log in LOGS if host]  # fmt: skip
        played.until = self._turn
        played.is_over = True

    def _tell_rounds(self) -> None:
        held = [r for r in self.book.rounds() if r.kind == TRAIN and r.settled_ms]
        for r in held[self._told :]:
            faults = [p.say() for p in self.played if p.befell(r.turn)]
            enrolled = len({c.member for c in r.contributions} | {a.member for a in r.absences})
            print(say_round(r, self.options.rounds, self.seen, faults, enrolled), flush=True)
        self._told = len(held)

    def finish(self, end: float) -> dict[int, str]:
        """Wait for the faults that are still there, and for the last model everywhere; returns the
        digests of its bytes by host."""
        while time.monotonic() < end and (self._active() or len({*self._finals().values()}) != 1):
            self.bed.supervise()
            time.sleep(LOOK_S)
        return self._finals()

    def _finals(self) -> dict[int, str]:
        names = self.bed.members(OBSERVER)
        hosts = [i for i in range(1, len(self.bed.homes) + 1) if f"Hospital {i}" in names]
        return {i: self.bed.final_bytes(i) for i in hosts}

    def verdict(self, finals: dict[int, str], began: float) -> dict[str, Any]:
        """What is printed as JSON."""
        options, held = self.options, self.book.rounds()
        short = judge(
            options.rounds, held, self.seen, self.played, [find_largest(self.bed.sites)],
            self.bed.by_hand, finals,
        )  # fmt: skip
        times = [(r.settled_ms - r.opened_ms) / 1000 for r in held
                 if r.kind == TRAIN and r.settled_ms]  # fmt: skip
        return {
            "seed": options.seed, "nodes": options.nodes, "mb": options.mb,
            "rounds": options.rounds, "seconds": round(time.monotonic() - began, 1),
            "round_s": times, "load": [round(x, 1) for x in os.getloadavg()],
            "restarts": self.bed.restarts,
            "faults": [
                {"round": p.fault.turn, "kind": p.fault.kind, "what": p.what, "failed": p.failed,
                 "at_home": p.find_word()[:200]}
                for p in self.played
            ],
            "pass": {name: not found for name, found in short.items()},
            "short": {name: found for name, found in short.items() if found},
        }  # fmt: skip


def play(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Set the hospitals up, run, and tear them down."""
    began = time.monotonic()
    sites = make_sites(options.seed, options.nodes, SLOWNESS)
    schedule = make_schedule(options.seed, options.rounds, sites, options.only)
    for i, site in enumerate(sites, 1):
        print(f"Hospital {i}: {site.mbit} Mbit/s, {site.round_trip_ms} ms, {site.samples} samples",
              flush=True)  # fmt: skip
    small = sorted({f.host for f in schedule if f.kind == "disk_full"})
    with Hospitals(root, sites, options.mb, options.pause, small) as bed:
        bed.found()
        asyncio.run(open_study(bed, make_terms(options, find_largest(sites))))
        for i in range(1, options.nodes + 1):
            bed.train(i)
        run = Run(bed, schedule, options)
        end = began + options.minutes * 60
        while run.go_on() and time.monotonic() < end:
            time.sleep(LOOK_S)
        found = run.verdict(run.finish(time.monotonic() + PATIENCE_S), began)
        if not all(found["pass"].values()) and options.logs:
            print(bed.logs(), file=sys.stderr)
        return found


def main() -> int:
    """Parse, check what is there, run, print; exit code 1 if a requirement is not met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mb", type=float, default=50.0, help="100 or 700, too: --minutes 90")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds of training")
    parser.add_argument("--minutes", type=float, default=15.0, help="then the run is over")
    parser.add_argument("--wire", default="int8", help="wire format, if the terms have one")
    parser.add_argument("--only", nargs="*", default=[], choices=[*BY_NAME], metavar="FAULT")
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    parser.add_argument("--logs", action="store_true", help="the ends of all logs on stderr")
    options = parser.parse_args()
    if options.nodes < 4 or options.rounds < 1:
        parser.error("expected at least 4 nodes and 1 round")
    if missing := find_missing():
        print(f"this machine lacks {'; '.join(missing)}", file=sys.stderr)
        return 2
    root = options.keep or Path(tempfile.mkdtemp(prefix="swarmhub-hospitals-"))
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        print(f"expected an empty folder, got {root}; give --keep another", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leave no namespace behind
    try:
        found = play(root, options)
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(found))
    return 0 if all(found["pass"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
