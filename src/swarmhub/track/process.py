"""The tracker's own process: a child of the node's, so that no package of a tracker shares memory
with the keys, and none of its waits is a wait of the node's. It opens no key of the home."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable

from swarmhub.errors import BadInput, SwarmhubError
from swarmhub.home.forbidding import forbid_keys
from swarmhub.home.home import Home
from swarmhub.home.tracking import TrackTarget, parse_track
from swarmhub.track.following import ReadLedger, Rounds, open_ledger
from swarmhub.track.progress import Progress
from swarmhub.track.values import PARTS, Step, marker_of
from swarmhub.track.writer import RunTags, TrackError, Writer, open_writer

AGAIN_S = (2.0, 5.0, 15.0, 60.0)  # before the next try, after the first, second, ... failure
LEDGER_AGAIN_S = 1.0

log = logging.getLogger("swarmhub.track")

Report = Callable[[str], None]  # a sentence; "" if there is no problem any more


def take_stdout() -> Report:
    """Return what reports to the node over standard output. What a package prints goes to standard
    error from now on."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def report(sentence: str) -> None:
        print(json.dumps({"problem": sentence}), file=pipe, flush=True)

    return report


async def serve(home: Home, report: Report) -> None:
    """Write each settled round to the home's tracker until this process is ended. Raises BadInput,
    and reports it, if the tracker's package is missing."""
    forbid_keys(home, "The tracker")
    target = parse_track(home.config.track)
    rounds = Rounds()
    try:
        writer = await _open_writer(target, report)
    except BadInput as error:
        report(str(error))
        raise
    ledger = await _open_ledger(home, rounds)
    log.info("training metrics go to %s", target)
    tracker = Tracker(home, target, writer, rounds, ledger)
    failures = 0
    while True:
        try:
            await asyncio.to_thread(tracker.write, *tracker.find_due())
        except (TrackError, OSError) as error:
            report(say_failure(target, error))
            await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
            failures += 1
            continue
        report("")
        failures = 0
        await rounds.news.wait()
        rounds.news.clear()


def say_failure(target: TrackTarget, error: Exception) -> str:
    """Return the sentence for the operator."""
    return (
        f"Training metrics cannot be written to {target} ({error}); rounds go on, and nothing is "
        "lost: it is tried again."
    )


async def _open_writer(target: TrackTarget, report: Report) -> Writer:
    while True:
        try:
            return await asyncio.to_thread(open_writer, target)
        except TrackError as error:
            report(say_failure(target, error))
            await asyncio.sleep(AGAIN_S[1])


async def _open_ledger(home: Home, rounds: Rounds) -> ReadLedger:
    while True:
        try:
            return await open_ledger(home, rounds.see)
        except SwarmhubError as error:
            log.warning("the ledger cannot be read yet: %s", error)
            await asyncio.sleep(LEDGER_AGAIN_S)


class Tracker:
    """The steps that are written, and those that are due."""

    def __init__(
        self, home: Home, target: TrackTarget, writer: Writer, rounds: Rounds, ledger: ReadLedger
    ) -> None:
        self._hospital = home.config.name
        self._writer, self._rounds, self._ledger = writer, rounds, ledger
        self._progress = Progress(home.root / "state" / "track.json", str(target))
        self._asked: set[str] = set()  # studies with a run that has been looked at

    def find_due(self) -> tuple[list[Step], list[str]]:
        """Return the steps that are not written yet, and the studies whose run may be closed."""
        rounds, ledger, progress = self._rounds, self._ledger, self._progress
        return rounds.find_due(ledger, progress), rounds.find_over(ledger, progress)

    def write(self, steps: list[Step], over: list[str]) -> None:
        """Write steps, then close the runs of studies. Raises TrackError if the tracker cannot be
        written."""
        for step in steps:
            self._write(step)
        for study in over:
            written = self._progress.of(study)
            if written.run:
                self._writer.close_run(written.run)
            written.closed = True
            self._progress.save()

    def _write(self, step: Step) -> None:
        written = self._progress.of(step.study)
        if step.study not in self._asked:
            tags = RunTags(
                step.study, self._ledger.tip.chain_id, self._hospital, step.terms
            )  # fmt: skip
            written.run = self._writer.open_run(tags)
            for part in PARTS:
                written.note(part, self._writer.find_last(written.run, marker_of(part)))
            self._asked.add(step.study)
        if step.number > written.last(step.part):
            self._writer.write(written.run, step)
            written.note(step.part, step.number)
            self._progress.save()
