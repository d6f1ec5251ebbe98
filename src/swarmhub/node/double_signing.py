"""What an operator should know of consensus keys that have signed twice."""

from __future__ import annotations

from swarmhub.contract.records import get_double_sign, get_members
from swarmhub.contract.state import Reader
from swarmhub.types import MemberId


def find_double_signs(state: Reader, me: MemberId | None) -> list[str]:
    """A sentence for each member whose consensus key has signed two blocks of one height, for the
    node of member `me` (None: of no member)."""
    return [
        _say(member.name, member.id, found.height, member.id == me)
        for member in get_members(state)
        if (found := get_double_sign(state, member))
    ]


def _say(name: str, member: MemberId, height: int, own: bool) -> str:
    who = "This hospital" if own else f"'{name}' (member {member})"
    there = "" if own else " at that hospital"
    return (
        f"{who} has signed two blocks of height {height}: its home runs twice, or an old copy of "
        "it was put back. Its consensus key has lost its vote. Make sure that one copy runs and no "
        f"other, then type 'swarmhub consortium rotate-key consensus'{there}."
    )
