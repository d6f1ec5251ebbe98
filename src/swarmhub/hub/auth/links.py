"""Links that work once: the first login, and a forgotten passphrase.

A link has 256 random bits; the home has its hash and its user (`state/hub-links/`). A command
and the hub share the folder.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from swarmhub.clock import wall_clock_ms
from swarmhub.files import write_durably
from swarmhub.hub.auth.users import hash_of

LIFE_MS = 24 * 3_600_000
MAX_LINKS = 1000


class Links:
    """The links of a home that have not been used yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, user: str, life_ms: int = LIFE_MS) -> str:
        """Return the secret of a new link for a user."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_old()
        secret = secrets.token_urlsafe(32)
        told = {"user": user, "until_ms": wall_clock_ms() + life_ms}
        path = self._folder / hash_of(secret)
        write_durably(path, json.dumps(told).encode())
        path.chmod(0o600)
        return secret

    def use(self, secret: str) -> str:
        """Return the user of a link, which does not work again; "" if it does not work."""
        path = self._folder / hash_of(secret)
        try:
            told = json.loads(path.read_bytes())
            path.unlink()
        except (OSError, ValueError):
            return ""
        return str(told["user"]) if told["until_ms"] > wall_clock_ms() else ""

    def _drop_old(self) -> None:
        found = sorted(self._folder.iterdir(), key=lambda p: p.stat().st_mtime)
        for path in found[: max(0, len(found) - MAX_LINKS + 1)]:
            path.unlink(missing_ok=True)
