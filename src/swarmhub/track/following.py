"""The ledger, followed: the rounds of every study, and the steps that its tracker lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarmhub.contract import events as e
from swarmhub.contract.records import STUDY, get_names
from swarmhub.home.home import Home
from swarmhub.ledger import Committed, SqliteLedger
from swarmhub.ledger.cometbft import CometReadClient
from swarmhub.operations.rounds import RoundBook
from swarmhub.track.progress import Progress
from swarmhub.track.values import Step, steps_of

AT_ONCE = 500  # blocks that are read at once

ReadLedger = SqliteLedger | CometReadClient


class Rounds:
    """The books of all studies. `news` is set after every block that belongs to one."""

    def __init__(self) -> None:
        self.books: dict[str, RoundBook] = {}
        self.news = asyncio.Event()
        self._height = -1

    def see(self, committed: Committed) -> None:
        """Add a block; one that has been seen is left out."""
        if committed.height <= self._height:
            return
        self._height = committed.height
        for study in {e.get_study(event) for event in committed.events} - {""}:
            self.books.setdefault(study, RoundBook(study, 0)).see(committed)
            self.news.set()

    def find_due(self, ledger: ReadLedger, progress: Progress) -> list[Step]:
        """Return the steps that are not written yet."""
        names = get_names(ledger.state)
        return [
            step
            for study, book in self.books.items()
            for step in steps_of(study, book.rounds(), names)
            if step.number > progress.of(study).last(step.part)
        ]

    def find_over(self, ledger: ReadLedger, progress: Progress) -> list[str]:
        """Return the studies that are over, and their run is not known to be closed."""
        return [
            study
            for study in self.books
            if not progress.of(study).closed
            if (found := STUDY.get(ledger.state, study)) is None or found.is_over
        ]


async def open_ledger(home: Home, see: Callable[[Committed], None]) -> ReadLedger:
    """Open a home's ledger for reading; `see` gets all blocks that are kept here, and each new
    one. Raises SwarmhubError if it cannot be read (yet)."""
    if not home.is_networked:
        ledger = await SqliteLedger.open(home.ledger_path, listener=see)
        ledger.subscribe(see)
        return ledger
    comet = await CometReadClient.open(home.engine_path)
    for height in range(0, comet.tip.height + 1, AT_ONCE):
        for block in comet.kept(height, min(height + AT_ONCE, comet.tip.height + 1)):
            see(block)
        await asyncio.sleep(0)
    comet.subscribe(see)
    return comet
