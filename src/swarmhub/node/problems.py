"""Problems for the operator of a running node: in its log, and in `swarmhub status`.

A problem stays until the node is restarted, or, if it has a topic, until the topic has another.
Trouble is retried, and over if it has not come for QUIET_S; its start and end are logged once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from swarmhub.blobs.files import disk_error

QUIET_S = 10.0  # trouble that has not come for so long is over: retries come sooner
AGAIN_S = 3.0  # between two tries of work that this machine lacks resources for
MOST = 20  # sentences kept, the newest ones

log = logging.getLogger("swarmhub.node")


class Problems:
    """Sentences about one node, in the order in which they came."""

    def __init__(self, root: Path) -> None:
        """`root` is the node's home."""
        self.sentences: list[str] = []
        self._root = root
        self._topics: dict[str, str] = {}
        self._troubles: dict[str, asyncio.TimerHandle] = {}  # transient ones
        self._again: dict[Callable[[], None], asyncio.TimerHandle] = {}  # pending retries

    def report(self, sentence: str, level: int = logging.ERROR) -> None:
        """Log and show a lasting problem."""
        log.log(level, "%s", sentence)
        self.sentences = [*[s for s in self.sentences if s != sentence], sentence][-MOST:]

    def update(self, topic: str, sentence: str) -> None:
        """Report the present problem of a topic, once; "" if it has none any more."""
        before = self._topics.get(topic, "")
        self._topics[topic] = sentence
        if sentence != before:
            if before not in self._topics.values():  # another topic may have the same
                self.withdraw(before)
            if sentence:
                self.report(sentence)

    def withdraw(self, sentence: str) -> None:
        """Stop showing a problem that no longer holds."""
        if sentence in self._troubles:
            self._troubles.pop(sentence).cancel()
        if sentence in self.sentences:
            self.sentences = [s for s in self.sentences if s != sentence]
            log.info("over: %s", sentence)

    def report_trouble(self, sentence: str, level: int = logging.ERROR) -> None:
        """Log transient trouble once, and show it until it has not come for QUIET_S. The level is
        WARNING for a state of the swarm that is no fault of this node."""
        if sentence in self._troubles:
            self._troubles[sentence].cancel()
        else:
            self.report(sentence, level)
        loop = asyncio.get_running_loop()
        self._troubles[sentence] = loop.call_later(QUIET_S, self.withdraw, sentence)

    def report_shortage(self, error: OSError, folder: Path | None = None) -> str:
        """Report a shortage of this machine (no space, no descriptors) in a folder of the home;
        returns the sentence."""
        sentence = str(disk_error(error, folder or self._root))
        self.report_trouble(sentence)
        return sentence

    def insist(self, work: Callable[[], None]) -> None:
        """Run `work`; if this machine fails, report it and retry later."""
        if work in self._again:
            self._again.pop(work).cancel()
        try:
            work()
        except OSError as error:
            self.report_shortage(error)
            loop = asyncio.get_running_loop()
            self._again[work] = loop.call_later(AGAIN_S, self.insist, work)
