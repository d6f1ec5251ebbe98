"""What the operator of a running node should read: in its log, and in `swarmhub status`.

A problem stays until the node is started again; one with a topic until that has another. Trouble
is tried again, and is over when it has not come for QUIET_S: it is said once, and so is its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from swarmhub.blobs.store import disk_error

QUIET_S = 10.0  # trouble that has not come for so long is over: all is tried again before
AGAIN_S = 3.0  # between two tries of what this machine is short of something for
MOST = 20  # sentences that are kept, the newest

log = logging.getLogger("swarmhub.node")


class Problems:
    """Sentences about one node, in the order in which they came."""

    def __init__(self, root: Path) -> None:
        """`root` is the node's home."""
        self.sentences: list[str] = []
        self._root = root
        self._topics: dict[str, str] = {}
        self._troubles: dict[str, asyncio.TimerHandle] = {}  # those that pass
        self._again: dict[Callable[[], None], asyncio.TimerHandle] = {}  # what is tried again

    def report(self, sentence: str, level: int = logging.ERROR) -> None:
        """Say and show something that stays."""
        log.log(level, "%s", sentence)
        self.sentences = [*[s for s in self.sentences if s != sentence], sentence][-MOST:]

    def update(self, topic: str, sentence: str) -> None:
        """Report what is wrong with a topic now, once; "" if nothing is wrong with it any more."""
        before = self._topics.get(topic, "")
        self._topics[topic] = sentence
        if sentence != before:
            if before not in self._topics.values():  # another topic may have the same
                self.withdraw(before)
            if sentence:
                self.report(sentence)

    def withdraw(self, sentence: str) -> None:
        """Show something no more, because it does not hold any more."""
        if sentence in self._troubles:
            self._troubles.pop(sentence).cancel()
        if sentence in self.sentences:
            self.sentences = [s for s in self.sentences if s != sentence]
            log.info("over: %s", sentence)

    def report_trouble(self, sentence: str, level: int = logging.ERROR) -> None:
        """Say once, and show until it has not come for QUIET_S, what is tried again. The level is
        WARNING for a state of the swarm, in which nothing is wrong with this node."""
        if sentence in self._troubles:
            self._troubles[sentence].cancel()
        else:
            self.report(sentence, level)
        loop = asyncio.get_running_loop()
        self._troubles[sentence] = loop.call_later(QUIET_S, self.withdraw, sentence)

    def report_shortage(self, error: OSError, folder: Path | None = None) -> str:
        """Report trouble with this machine (no space, no descriptors) in a folder of the home;
        returns the sentence."""
        sentence = str(disk_error(error, folder or self._root))
        self.report_trouble(sentence)
        return sentence

    def insist(self, work: Callable[[], None]) -> None:
        """Do it; if this machine fails, say so, and do it again later."""
        if work in self._again:
            self._again.pop(work).cancel()
        try:
            work()
        except OSError as error:
            self.report_shortage(error)
            loop = asyncio.get_running_loop()
            self._again[work] = loop.call_later(AGAIN_S, self.insist, work)
