"""A chain that comes to version 2, and program code with and without that version."""

from __future__ import annotations

import contextlib

import pytest
import version2
from builders import Consortium

from swarmhub.contract import State, envelope
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import Announce, Upgrade, Vote
from swarmhub.ledger.blocks import replay, replay_genesis

BOTH = (1, 2)


@contextlib.contextmanager
def updated():
    """Run program code that has version 2 as well; afterwards it is the old one again."""
    with pytest.MonkeyPatch.context() as patch:
        envelope._read_again.cache_clear()  # it has decoded with the other code
        version2.install(patch.setitem)
        yield
    envelope._read_again.cache_clear()


def scheduled(n=3, after=4, **genesis):
    """n members on updated nodes whose chain comes to version 2 so many blocks later."""
    c = Consortium(n, **genesis)
    for member in c.chain.active:
        c.ok(member, Announce(BOTH))
    c.ok(1, Upgrade(2, after))
    for member in c.chain.active[1:]:
        if c.open_motions:
            c.ok(member, Vote(c.open_motions[-1], True))
    assert c.chain.next_version.number == 2
    return c


def cross(c):
    """Make empty blocks up to the first one of version 2."""
    while c.chain.contract_version == 1:
        c.idle(1000)
    return c


def replay_all(blocks, stop=1 << 60):
    """Execute blocks as another node does; returns (tip, state) before the height `stop`."""
    state, overlay = State(), Overlay(State())
    tip, _ = replay_genesis(blocks[0], overlay)
    state.commit(overlay.writes, tip.tree)
    for block in blocks[1:stop]:
        overlay = Overlay(state)
        tip, _ = replay(tip, overlay, block)
        state.commit(overlay.writes, tip.tree)
    return tip, state
