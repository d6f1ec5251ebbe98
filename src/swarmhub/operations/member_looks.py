"""The members for people: their last contributions, keys, and the connections to them."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.records import LastSettled
from swarmhub.home.links import load_links
from swarmhub.operations.links import warn_of
from swarmhub.operations.looks import Seen, find_me, list_studies
from swarmhub.transport.links import Link
from swarmhub.types import MemberId


@dataclass(frozen=True)
class MemberLine:
    """A member. `last` is its newest settled contribution of all studies, with the study's name;
    `link` is the connection to it as this hospital's node has measured it, `warning` says what is
    worth changing about it ("" for nothing)."""

    id: MemberId
    name: str
    address: str
    fingerprint: str
    is_validator: bool
    is_me: bool
    last: LastSettled | None
    last_study: str
    studies: tuple[str, ...]
    link: Link
    warning: str


def look_at_members(seen: Seen) -> tuple[MemberLine, ...]:
    """Return the active members, with their newest settled contributions."""
    studies, me = list_studies(seen), find_me(seen)
    links = load_links(seen.home, seen.view.ledger.tip.chain_id)
    of_member = {link.member: link for link in links}
    found = []
    for member in seen.view.members():
        last = [(s.last_settled_of(member.id), s.name) for s in studies]
        known = [(one, name) for one, name in last if one is not None]
        newest, study = max(known, key=lambda f: f[0].time_ms, default=(None, ""))
        enrolled = [s.name for s in studies if s.samples_of(member.id) is not None]
        link = of_member.get(member.id, Link(member.id))
        found.append(
            MemberLine(
                member.id, member.name, member.address, member.account[:32], bool(member.power),
                member.id == me, newest, study, tuple(enrolled), link, warn_of(link, links),
            )
        )  # fmt: skip
    return tuple(found)
