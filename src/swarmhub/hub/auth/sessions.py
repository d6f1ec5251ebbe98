"""Sessions of users that are logged in. They are in memory: they end with the hub."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from swarmhub.clock import wall_clock_ms
from swarmhub.hub.auth.users import hash_of

IDLE_MS = 60 * 60_000
LIFE_MS = 12 * 3_600_000
MAX_SESSIONS = 1000
ATTEMPTS, WITHIN_MS = 10, 5 * 60_000  # that fail, of a name or an address
MAX_TRACKED = 10_000


@dataclass
class Session:
    """A person's session. `csrf` stands in every form; `seen_ms` is the last request;
    `is_of_proxy`: a trusted proxy names the user, so no cookie proves it."""

    user: str
    csrf: str
    began_ms: int
    seen_ms: int
    is_of_proxy: bool = False
    said: list[tuple[str, str]] = field(default_factory=list)  # level, sentence: for the next page


class Sessions:
    """The sessions of a hub, by the hash of their cookie."""

    def __init__(self, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._now_ms = now_ms
        self._known: OrderedDict[str, Session] = OrderedDict()

    def begin(self, user: str) -> str:
        """Return the cookie of a new session."""
        now, cookie = self._now_ms(), secrets.token_urlsafe(32)
        self._known[hash_of(cookie)] = Session(user, secrets.token_urlsafe(24), now, now)
        while len(self._known) > MAX_SESSIONS:
            self._known.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, and note that it is in use; None if it has ended."""
        key, now = hash_of(cookie), self._now_ms()
        found = self._known.get(key)
        if found is None:
            return None
        if now - found.seen_ms > IDLE_MS or now - found.began_ms > LIFE_MS:
            del self._known[key]
            return None
        found.seen_ms = now
        return found

    def of_proxy(self, user: str) -> Session:
        """Return the session of a user that a trusted proxy names."""
        key, now = f"proxy {user}", self._now_ms()
        found = self._known.get(key)
        if found is None:
            found = Session(user, secrets.token_urlsafe(24), now, now, is_of_proxy=True)
            self._known[key] = found
        return found

    def end(self, cookie: str) -> None:
        """End a session."""
        self._known.pop(hash_of(cookie), None)

    def end_all(self, user: str) -> None:
        """End all sessions of a user."""
        for key in [k for k, s in self._known.items() if s.user == user]:
            del self._known[key]


class Attempts:
    """Logins that failed, by name and by address: after ATTEMPTS within WITHIN_MS none is looked
    at."""

    def __init__(self, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._now_ms = now_ms
        self._failed: OrderedDict[str, deque[int]] = OrderedDict()

    def are_too_many(self, *keys: str) -> bool:
        """Return whether one of them has failed too often."""
        return any(len(self._recent(key)) >= ATTEMPTS for key in keys)

    def note(self, *keys: str) -> None:
        """Note that a login has failed."""
        for key in keys:
            self._recent(key)
            self._failed.setdefault(key, deque(maxlen=ATTEMPTS)).append(self._now_ms())
            self._failed.move_to_end(key)
        while len(self._failed) > MAX_TRACKED:
            self._failed.popitem(last=False)

    def _recent(self, key: str) -> deque[int]:
        found = self._failed.get(key, deque())
        while found and self._now_ms() - found[0] > WITHIN_MS:
            found.popleft()
        return found
