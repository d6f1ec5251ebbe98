"""The hub's users, in `state/hub-users.json`: names, roles, and the proof of each.

A passphrase is kept as its scrypt hash, a token (for scripts) as its sha256: a token has 256 random
bits, so a plain hash suffices. An account of this machine that can write the file can read
the keys beside it as well.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from swarmhub import codec
from swarmhub.errors import BadInput, HomeError, Malformed, plain
from swarmhub.files import write_durably
from swarmhub.operations.roles import ROLES, Role

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
LEAST_LETTERS, MOST_LETTERS = 12, 200  # of a passphrase
N, R, P = 1 << 14, 8, 1  # of scrypt: 16 MB, some 50 ms
MAX_USERS = 1000
HERE = "operator"  # the account that starts the node, and so can read its keys


@dataclass(frozen=True)
class User:
    """A person: roles beside `viewer`, which all have; `salt` and `passphrase` of scrypt in hex, ""
    before one is set; `tokens` are sha256 of tokens for scripts."""

    name: str
    roles: tuple[Role, ...] = ()
    salt: str = ""
    passphrase: str = ""
    tokens: tuple[str, ...] = ()

    def may(self, role: Role) -> bool:
        """Return whether the person has a role."""
        return role == "viewer" or role in self.roles


OPERATOR = User(HERE, tuple(r for r in ROLES if r != "viewer"))


def hash_of(secret: str) -> str:
    """Return the sha256 of a random secret, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _stretch(passphrase: str, salt: str) -> str:
    found = hashlib.scrypt(passphrase.encode(), salt=bytes.fromhex(salt), n=N, r=R, p=P)
    return found.hex()


class Users:
    """The users of a home. The file is read anew at every question: commands change it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, User]:
        """Return the users by name. Raises HomeError if the file is damaged."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            found = codec.parse(data)
            if not isinstance(found, list):
                raise Malformed("it is no list.")
            users = [codec.from_json(User, item) for item in found]
        except Malformed as error:
            raise HomeError(
                f"The hub's users in {self._path} cannot be read: {error} Restore the file, or "
                "remove it and add the users again."
            ) from None
        return {user.name: user for user in users}

    def find(self, name: str) -> User | None:
        """Return a user; None if there is none of this name."""
        return self.all().get(name)

    def need(self, name: str) -> User:
        """Return a user. Raises BadInput if there is none of this name."""
        found = self.find(name)
        if found is None:
            raise BadInput(
                f"There is no user '{plain(name, 40)}'; add one with 'swarmhub hub user add'."
            )
        return found

    def add(self, name: str, roles: tuple[Role, ...]) -> User:
        """Add a user, or give one other roles. Raises BadInput for a name that cannot be."""
        if not NAME.fullmatch(name) or name == HERE:
            raise BadInput(
                "Expected a user's name of 1 to 64 letters, digits and '._@-', other than "
                f"'{HERE}', got '{plain(name, 40)}'."
            )
        users = self.all()
        if name not in users and len(users) >= MAX_USERS:
            raise BadInput(f"Expected at most {MAX_USERS} users; remove some.")
        kept = tuple(r for r in ROLES if r in roles and r != "viewer")
        user = replace(users.get(name, User(name)), roles=kept)
        self._write({**users, name: user})
        return user

    def remove(self, name: str) -> None:
        """Remove a user. Raises BadInput if there is none of this name."""
        self.need(name)
        self._write({n: user for n, user in self.all().items() if n != name})

    def set_passphrase(self, name: str, passphrase: str) -> None:
        """Set a user's passphrase. Raises BadInput if it is too short or too long."""
        user = self.need(name)
        if not LEAST_LETTERS <= len(passphrase) <= MOST_LETTERS:
            raise BadInput(
                f"Expected a passphrase of {LEAST_LETTERS} to {MOST_LETTERS} characters, got "
                f"{len(passphrase)}."
            )
        salt = secrets.token_hex(16)
        found = replace(user, salt=salt, passphrase=_stretch(passphrase, salt))
        self._write({**self.all(), name: found})

    def add_token(self, name: str) -> str:
        """Return a new token for scripts, which is shown once."""
        user, token = self.need(name), secrets.token_urlsafe(32)
        found = replace(user, tokens=(*user.tokens, hash_of(token)))
        self._write({**self.all(), name: found})
        return token

    def check(self, name: str, passphrase: str) -> User | None:
        """Return the user if the passphrase is theirs. It takes as long for an unknown name."""
        user = self.find(name)
        salt = user.salt if user and user.salt else "00" * 16
        given = _stretch(passphrase[:MOST_LETTERS], salt)
        known = user.passphrase if user and user.passphrase else "00" * 64
        return user if hmac.compare_digest(given, known) else None

    def find_by_token(self, token: str) -> User | None:
        """Return the user of a token; None if it is nobody's."""
        hashed = hash_of(token)
        for user in self.all().values():
            if any(hmac.compare_digest(hashed, known) for known in user.tokens):
                return user
        return None

    def _write(self, users: dict[str, User]) -> None:
        ordered = [codec.to_json(users[name]) for name in sorted(users)]
        write_durably(self._path, json.dumps(ordered, indent=1).encode())
        self._path.chmod(0o600)
