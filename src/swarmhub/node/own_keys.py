"""This hospital's own keys on the ledger: a node restarts with rotated ones, and reports others."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection

from swarmhub.contract.events import Event, Revoked, Rotated
from swarmhub.errors import HomeError
from swarmhub.home.foreign_keys import find_foreign_keys
from swarmhub.home.rotation import (
    find_new_keys,
    finish_rotation,
    is_rotating,
    keys_changed_ns,
    read_identity,
)
from swarmhub.node.services import Services

log = logging.getLogger("swarmhub.node")


class OwnKeys:
    """The keys with which this node was started (`identity`), beside those on the ledger."""

    def __init__(self, services: Services, identity: tuple[bytes, ...]) -> None:
        self.renewed = False  # they have been rotated: start a new node on the home
        self._services = services
        self._identity = identity
        self._may_renew = True  # keys were rotated, and this node has not checked since
        self._keys_seen_ns = 0  # modification time of the folder of keys, as of the last block

    def follow(self, happened: Collection[Event]) -> None:
        """Check the keys after a block with these events."""
        home, problems = self._services.home, self._services.problems
        keys_ns = keys_changed_ns(home)
        if keys_ns != self._keys_seen_ns:
            self._keys_seen_ns = keys_ns
            self._may_renew |= is_rotating(home)
        self._may_renew |= any(isinstance(event, Rotated) for event in happened)
        if self._may_renew:
            problems.insist(self.renew)
        if any(isinstance(event, Revoked | Rotated) for event in happened):
            problems.insist(self.check)

    def renew(self) -> None:
        """Restart with this hospital's new keys if they are on the ledger. On a ledger with
        validators the next block still needs the vote of the old key: until it is there, the old
        keys stay in use."""
        home, state = self._services.home, self._services.state
        try:
            new = find_new_keys(home, state)
            me = next(iter(new.values()), self._services.me())
            if home.is_networked and me and 0 < me.rotated == self._services.ledger.tip.height:
                return
            finish_rotation(home, state)
            self._services.problems.update("rotation", "")
            self._may_renew = False
        except HomeError as error:  # of the new key; those in use may be valid
            self._services.problems.update("rotation", str(error))
        if read_identity(home) != self._identity:
            log.info("this hospital's keys have been rotated")
            self.renewed = True
            self._services.stopping.set()

    def check(self) -> None:
        """Report it if the ledger has other keys for this hospital than this home."""
        if self.renewed:
            return
        home, state = self._services.home, self._services.state
        with contextlib.suppress(HomeError):  # reported by `renew`
            if find_new_keys(home, state):
                return  # they will be in use after the next block
            sentence = find_foreign_keys(home, state, self._services.account.public)
            self._services.problems.update("keys", sentence)
