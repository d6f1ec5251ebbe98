"""Notices of a trainer to the person at its terminal, a sentence at a time."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable
from types import TracebackType

from swarmhub import logs
from swarmhub.errors import SwarmhubError

AGAIN_S = 60.0  # a continuing wait is reported again

LOGGER = "swarmhub.trainer"

Say = Callable[[str], None]


def to_stderr(sentence: str) -> None:
    """Print a sentence at once, separate from the trainer's own output."""
    logs.say(sentence, LOGGER, logging.INFO)


def end_with_a_sentence() -> None:
    """Make this process end with one sentence and exit code 2, as every command does, if an error
    of swarmhub is not caught. A program with an excepthook of its own keeps it."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _say_error


def _say_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if isinstance(error, SwarmhubError):
        logs.say(str(error), LOGGER)
        raise SystemExit(2)
    logs.say_uncaught(kind, error, trace)


class Notices:
    """Notices that are said once, or once a minute if they persist. `say` takes a sentence."""

    def __init__(self, say: Say = to_stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self.say = say
        self._clock = clock
        self._said: set[str] = set()
        self._waits_for = ""
        self._said_s = 0.0

    def once(self, sentence: str) -> None:
        """Say a sentence, unless it has been said."""
        if sentence not in self._said:
            self._said.add(sentence)
            self.say(sentence)

    def waiting(self, sentence: str) -> None:
        """Say what this waits for: when that changes (apart from numbers in it), and again every
        minute."""
        what, now_s = re.sub(r"\d+", "", sentence), self._clock()
        if what != self._waits_for or now_s - self._said_s >= AGAIN_S:
            self._waits_for, self._said_s = what, now_s
            self.say(sentence)

    def goes_on(self, sentence: str = "") -> None:
        """End the wait: say `sentence` if there was one and it is not empty."""
        if self._waits_for and sentence:
            self.say(sentence)
        self._waits_for = ""
