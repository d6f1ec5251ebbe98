"""Sentences for operators about consensus keys that have signed two blocks of one height."""

from __future__ import annotations

from swarmhub.contract.records import get_double_sign, get_former_keys, get_members
from swarmhub.contract.state import Reader
from swarmhub.types import MemberId


def find_double_signs(state: Reader, me: MemberId | None) -> list[str]:
    """Return a sentence for each double signing on record, from the view of member `me` (None: no
    member): of present keys, and of those that were replaced before it became known. A key that was
    replaced afterwards is not reported."""
    said = []
    for member in get_members(state):
        own = member.id == me
        who = "This hospital" if own else f"'{member.name}' (member {member.id})"
        if found := get_double_sign(state, member):
            said.append(_say_present(who, found.height, own))
        late = [former for former in get_former_keys(state, member.id) if former.late]
        said += [_say_former(who, former.double_signed, member.id, own) for former in late]
    return said


def _say_present(who: str, height: int, own: bool) -> str:
    there = "" if own else " at that hospital"
    return (
        f"{who} has signed two blocks of height {height}: its home runs twice, or an old copy of "
        "it was put back. Its consensus key has lost its vote. Make sure that one copy runs and no "
        f"other, then type 'swarmhub consortium rotate-key consensus'{there}."
    )


def _say_former(who: str, height: int, member: MemberId, own: bool) -> str:
    todo = (
        "Make sure that one copy of its home runs and no other."
        if own
        else f"Ask why; the members can remove it ('swarmhub consortium remove {member}')."
    )
    return (
        f"{who} has signed two blocks of height {height} with a consensus key that it replaced "
        f"before this was known. That key has no vote; its present one keeps its own. {todo}"
    )
