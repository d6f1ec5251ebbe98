"""Connections to other members in words, and those that are slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swarmhub.transport.links import Link
from swarmhub.types import MemberId

SLOW = 10  # times slower than the median
NOT_MEASURED = "not measured yet"


def say_way(link: Link) -> str:
    """Return the way to a member in words."""
    match link.way:
        case "direct":
            return "direct"
        case "relay":
            return f"via the relay of {link.via}"
        case "incoming":
            return "dialled in: it has connected to this node"
        case _:
            return "none"


def say_rate(per_s: int) -> str:
    """Return a rate in MB/s (10^6 bytes), with three digits."""
    return f"{per_s / 1e6:.3g} MB/s" if per_s else NOT_MEASURED


def say_round_trip(us: int) -> str:
    """Return a round trip in milliseconds, with three digits."""
    return f"{us / 1000:.3g} ms" if us else NOT_MEASURED


def rate_of(link: Link) -> int:
    """Return the rate by which a link is compared, in bytes per second: what was received, else
    what was sent; 0 if neither was measured."""
    return link.received_per_s or link.sent_per_s


def read_links(told: Sequence[dict[str, Any]]) -> list[Link]:
    """Return the links in a node's status."""
    return [Link(**one) for one in told]


def compute_median(links: Sequence[Link]) -> int:
    """Return the median of the rates that were measured, 0 if none was; of an even number, the mean
    of the two in the middle."""
    rates = sorted(rate_of(link) for link in links if rate_of(link))
    if not rates:
        return 0
    return (rates[len(rates) // 2] + rates[(len(rates) - 1) // 2]) // 2


def find_slow(links: Sequence[Link]) -> set[MemberId]:
    """Return the members with a rate that is SLOW times below the median of all that were
    measured."""
    median = compute_median(links)
    return {link.member for link in links if 0 < SLOW * rate_of(link) <= median}


def warn_of(link: Link, links: Sequence[Link]) -> str:
    """Return a sentence on what is worth changing about a link; "" if nothing is."""
    if link.member in find_slow(links):
        median = say_rate(compute_median(links))
        return (
            f"{say_rate(rate_of(link))} against {median} as the median of all members: "
            "look at the line, the firewall's inspection or a proxy between the two"
        )
    if link.way == "relay":
        return (
            "everything passes a third machine: if that is too slow, have a port opened at one of "
            "the two and give that member an address of its own (docs/guides/machines.md)"
        )
    return ""


def say_link(link: Link) -> str:
    """Return all that is known of a link, in one line."""
    if not rate_of(link) and not link.round_trip_us:
        return f"{say_way(link)}; {NOT_MEASURED}"
    rates = f"{say_rate(link.received_per_s)} from there, {say_rate(link.sent_per_s)} to there"
    return f"{say_way(link)}; {rates}, round trip {say_round_trip(link.round_trip_us)}"
