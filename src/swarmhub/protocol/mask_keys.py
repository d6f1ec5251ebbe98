"""Keys of masked rounds: made before they are asked for, and sent along with what goes anyway."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.records import RoundKeys
from swarmhub.contract.round.budget import is_spent
from swarmhub.contract.round.election import get_expected
from swarmhub.contract.round.kinds import KEYING, OPEN
from swarmhub.contract.round.masks import has_stored_keys, is_to_be_masked
from swarmhub.contract.transactions import Key, Ready
from swarmhub.protocol.effects import Effect, MakeKeys, Submit
from swarmhub.protocol.view import View

Turn = tuple[int, int]  # a round's number, and the revision in which keys are asked for


def get_next_keying(view: View) -> Turn | None:
    """Return the keying of the next round, if that may be masked: its keys go with the own
    contribution to this one, so no round waits for keys."""
    return (view.r.number + 1, 0) if is_to_be_masked(view.spec, view.r) else None


def get_keying(view: View) -> Turn | None:
    """Return the keying for which a member that becomes ready now sends keys."""
    r = view.r
    if r.masks and r.phase in (OPEN, KEYING):
        return r.number, r.masks.keying
    return get_next_keying(view)


def make_keys(view: View, turn: Turn | None) -> Iterator[Effect]:
    """Make this node's keys for a keying, as long as the ledger does not have them."""
    if turn and is_owed(view, turn) and turn not in view.local.masks.keys:
        yield MakeKeys(view.r.study, *turn)


def is_owed(view: View, turn: Turn) -> bool:
    """Return whether the ledger has no keys of this node for a keying."""
    return not has_stored_keys(view.state, view.r.study, turn[0], view.me, turn[1])


def take_along(view: View, turn: Turn | None) -> tuple[bool, RoundKeys | None]:
    """Return whether a transaction may go, and the keys that it takes along: it waits until they
    are made; None if it needs none."""
    if turn is None or not is_owed(view, turn):
        return True, None
    made = view.local.masks.keys.get(turn)
    if made is None:
        return False, None
    return True, RoundKeys(made.number, made.pair, made.seal, made.keying)


def send_keys(view: View, turn: Turn) -> Iterator[Effect]:
    """Send this node's keys for the open round, if it is ready, they are not there yet, and its
    privacy budget is not spent."""
    if not view.local.attached or not is_ready(view):
        return
    if is_spent(view.state, view.spec, view.me):
        return
    yield from make_keys(view, turn)
    _, keys = take_along(view, turn)
    if keys is not None:
        yield Submit(Key(view.r.study, keys))


def is_ready(view: View) -> bool:
    """Return whether the ledger knows that a trainer stands here."""
    return view.me in {*get_expected(view.r), *view.study.ready}


def announce_ready(view: View) -> Iterator[Effect]:
    """Say that a trainer stands here, if the roster does not have this node, and its privacy budget
    is not spent."""
    if not view.local.attached or is_ready(view):
        return
    if is_spent(view.state, view.spec, view.me):
        return
    turn = get_keying(view)
    yield from make_keys(view, turn)
    may_go, keys = take_along(view, turn)
    if may_go:
        yield Submit(Ready(view.r.study, keys))
