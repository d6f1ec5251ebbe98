"""Keys that the ledger has for this hospital and this home does not: replaced in another copy of
the home, or by another holder of its account key."""

from __future__ import annotations

from swarmhub.contract.records import Member, get_member_of_key, get_members
from swarmhub.contract.state import Reader
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.ledger.cometbft import compute_peer_id
from swarmhub.types import PublicKey


def find_foreign_keys(home: Home, state: Reader, account: PublicKey) -> str:
    """Return a sentence on what differs and what to do; "" if the keys agree."""
    me = get_member_of_key(state, account)
    if me is None:
        other = next((m for m in get_members(state) if m.name == home.config.name), None)
        return _say_account(home, other) if other is not None else ""
    if not me.tls:
        return ""  # revoked: its standing says so
    names = _differing(home, me)
    if names == ["tls"]:
        return (
            f"The certificate {home.certificate_path} is not the one that the ledger has for this "
            "hospital; other members refuse it. Restore it from a backup, or replace it with "
            "'swarmhub consortium rotate-key tls'."
        )
    if names == ["consensus"]:
        return (
            "The consensus key of this home is not the one that the ledger has for this hospital, "
            "so this node has no vote. Register it with 'swarmhub consortium rotate-key consensus'."
        )
    if names:
        return (
            f"The ledger has other keys for this hospital ({', '.join(names)}) than this home"
            f"{_since(me)}; were they replaced in another copy of it? Stop the other copy, and "
            "type 'swarmhub consortium rotate-key --all' here; if the others refuse this node, "
            "ask a member for an invitation and add '--invitation TOKEN'."
        )
    return ""


def _say_account(home: Home, other: Member) -> str:
    return (
        f"The ledger has another account key for '{other.name}' (member {other.id}) than this home"
        f"{_since(other)}: this home's keys are void. Copy the folder keys/ of the home that has "
        f"the new ones to {home.root / 'keys'} and start again; if nobody of this hospital has "
        f"done that, telephone another member to remove member {other.id}, and join again."
    )


def _since(member: Member) -> str:
    return f" since block {member.rotated}" if member.rotated else ""


def _differing(home: Home, me: Member) -> list[str]:
    """Return the names of the keys that differ. Raises HomeError if one cannot be read."""
    card = make_card(home)
    names = ("tls", "consensus", "release")
    found = [name for name in names if getattr(card, name) != getattr(me, name)]
    if home.is_networked:
        ours = compute_peer_id(home.key("ledger").public)
        found += ["ledger"] if me.ledger.partition("@")[0] != ours else []
    return found
