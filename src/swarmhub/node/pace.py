"""The time that a hospital's trainer takes for a task, and since when it has the present one."""

from __future__ import annotations

from collections import deque

from swarmhub.words import say_age

KEPT = 5  # rounds


class Pace:
    """The pace of one study's trainer. Times are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._number = 0  # of the round of the trainer's task; 0: none
        self._since_s = 0.0
        self._took_s: deque[float] = deque(maxlen=KEPT)

    def begin(self, number: int, now_s: float) -> None:
        """Note that the trainer has been given the task of a round; a restarted one begins anew."""
        self._number, self._since_s = number, now_s

    def end(self, number: int, now_s: float) -> None:
        """Note the answer to the task of a round."""
        if number == self._number:
            self._took_s.append(now_s - self._since_s)
            self._number = 0

    def say(self, now_s: float) -> str:
        """Return a sentence on a trainer that is at work, with what its last rounds took."""
        if not self._number:
            return "the trainer here is at work"
        since = f"the trainer here has been at work for {_say(now_s - self._since_s)}"
        if not self._took_s:
            return since
        least, most = _say(min(self._took_s)), _say(max(self._took_s))
        took = least if least == most else f"{least} to {most}"
        rounds = "its last round" if len(self._took_s) == 1 else f"its last {len(self._took_s)}"
        return f"{since}; {rounds} took {took}"


def _say(seconds: float) -> str:
    return say_age(max(0, round(seconds * 1000)))
