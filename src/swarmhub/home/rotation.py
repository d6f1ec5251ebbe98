"""Rotation of a home's keys: the new ones are beside those in use until the ledger has them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from swarmhub import keys
from swarmhub.contract.records import Member, get_member_of_key, get_members
from swarmhub.contract.state import Reader
from swarmhub.errors import BadInput, HomeError
from swarmhub.files import write_durably
from swarmhub.home.card import next_to, read_certificate
from swarmhub.home.home import Home
from swarmhub.ledger.cometbft import compute_peer_id

ROTATABLE = ("account", "tls", "consensus", "ledger", "release")


def begin_rotation(home: Home, names: Iterable[str]) -> keys.PrivateKey:
    """Create new keys of these names beside those in use; keys of an interrupted rotation are
    kept. Returns the account key after the rotation."""
    mend_rotation(home)
    names = list(names)
    for name in names:
        if name == "ledger" and not home.is_networked:
            continue
        path = next_to(home.key_path(name))
        if not path.exists():
            keys.make_key(name).save(path)
        if name == "tls":
            made = keys.make_certificate(keys.PrivateKey.load(path))
            write_durably(next_to(home.certificate_path), keys.to_pem(made).encode())
    account = home.key_path("account")
    return keys.PrivateKey.load(next_to(account) if "account" in names else account)


def find_new_keys(home: Home, state: Reader) -> dict[str, Member]:
    """Return the new keys that are on the ledger but not yet in use: name to member record."""
    members = get_members(state)
    owners: dict[str, dict[str | None, Member]] = {
        "account": {m.account: m for m in members},
        "tls": {keys.read_public(bytes.fromhex(m.tls)): m for m in members if m.tls},
        "consensus": {m.consensus: m for m in members},
        "ledger": {m.ledger.partition("@")[0]: m for m in members},
        "release": {m.release: m for m in members},
    }
    found = {}
    for name in ROTATABLE:
        path = next_to(home.key_path(name))
        if not path.exists():
            continue
        try:
            public = keys.load_key(name, path).public
        except HomeError:
            if path.exists():
                raise
            continue  # a command or the node was faster
        owner = owners[name].get(compute_peer_id(public) if name == "ledger" else public)
        if owner is not None:
            found[name] = owner
    return found


def finish_rotation(home: Home, state: Reader) -> list[str]:
    """Put the new keys that are on the ledger in use; returns their names. May be called twice,
    or by a command and the node at the same time."""
    done = list(find_new_keys(home, state))
    for name in done:
        put_in_place(home, name)
    return done


def is_rotating(home: Home) -> bool:
    """Whether there are new keys beside those in use."""
    return any(next_to(home.key_path(name)).exists() for name in ROTATABLE)


def is_renewing(home: Home, state: Reader) -> bool:
    """Whether the ledger has new keys of this home, in place already or beside the old ones, for a
    node that still runs with an account key that is no member's: it is about to start again."""
    with contextlib.suppress(HomeError):
        in_place = get_member_of_key(state, home.key("account").public) is not None
        return in_place or (is_rotating(home) and bool(find_new_keys(home, state)))
    return False


def keys_changed_ns(home: Home) -> int:
    """Return the modification time of the folder of keys: a cheap sign that `is_rotating` may
    differ. 0 if the folder cannot be read."""
    try:
        return os.stat(f"{home.root}/keys").st_mtime_ns
    except OSError:
        return 0


def load_newest_ledger_key(home: Home) -> keys.PrivateKey | None:
    """Return the engine's newest key, registered or not; None if it cannot be read now."""
    path = home.key_path("ledger")
    for place in (next_to(path), path):  # the first may be renamed to the second meanwhile
        with contextlib.suppress(HomeError):
            return keys.PrivateKey.load(place)
    return None


def put_in_place(home: Home, name: str) -> None:
    """Put the new key (and certificate) of this name in use."""
    paths = [home.certificate_path] if name == "tls" else []
    for path in [*paths, home.key_path(name)]:  # the key last: it marks unfinished work
        with contextlib.suppress(FileNotFoundError):
            next_to(path).replace(path)


def mend_rotation(home: Home) -> None:
    """Complete a rotation that a crash interrupted between the new certificate and its key."""
    new = next_to(home.key_path("tls"))
    with contextlib.suppress(HomeError, BadInput):  # nothing to repair, or not here
        shown = keys.read_public(read_certificate(home.certificate_path))
        if new.exists() and shown == keys.PrivateKey.load(new).public:
            new.replace(home.key_path("tls"))


def read_identity(home: Home) -> tuple[bytes, ...]:
    """Return the content of the key files; it differs after a rotation."""
    paths = [*(home.key_path(name) for name in ROTATABLE), home.certificate_path]
    return tuple(path.read_bytes() for path in paths if path.exists())
