"""`swarmhub doctor`: checks of this host, its network and its ledger.

Each check is one line: its subject, whether it is well, and if not, what to change, in words that
can be handed to the firewall's administrator. Peers are asked to connect back, so that a port that
is closed in one direction only is found.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarmhub import __version__, keys
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import State
from swarmhub.contract.consortium.cards import DIALS_OUT
from swarmhub.contract.records import Member, get_member_of_key, get_members, get_names
from swarmhub.errors import HomeError, LedgerError, PeerError, SwarmhubError
from swarmhub.home.bootstrap import Bootstrap, is_newcomer
from swarmhub.home.expiry import find_expiry
from swarmhub.home.home import Home
from swarmhub.home.ledgers import DeskLedger, open_for_desk
from swarmhub.home.links import load_links
from swarmhub.home.membership import Standing, ask_all, find_standing
from swarmhub.ledger.cometbft.binary import check_version, find_binary
from swarmhub.ledger.cometbft.engine import check_port
from swarmhub.operations.links import say_link, warn_of
from swarmhub.operations.running_node import is_running
from swarmhub.transport.client import PeerClient
from swarmhub.transport.links import Link
from swarmhub.transport.reachability import Reachability, try_tcp
from swarmhub.transport.relay.streams import relays_of
from swarmhub.transport.tls import Peers
from swarmhub.types import MemberId

FREE_BYTES = 2 << 30
BEHIND_BLOCKS = 20
BY_RELAY = "a relay: what goes to this member passes a third machine"
CLOCK_MS = 5_000  # deadlines of studies are seconds and more


@dataclass(frozen=True)
class Finding:
    """The result of one check. `said` is for people; if `well` is false it says what to do; if
    `warns`, it works and could be better. The check of the membership has a `state` as well (see
    `Standing`)."""

    what: str
    well: bool
    said: str
    state: str = ""
    warns: bool = False


async def examine(home: Home) -> AsyncIterator[Finding]:
    """Run all checks: first whether this hospital is a member, then in the order in which they
    depend on each other."""
    account = home.key("account")
    running = is_running(home.root)
    ledger: DeskLedger | None = None
    try:
        try:
            ledger = await open_for_desk(home, account)
            standing = await _ask_for_standing(home, ledger)
            yield Finding("membership", standing.well, standing.said, standing.state)
        except SwarmhubError as error:
            yield Finding("ledger", False, str(error))
        yield _disk(home)
        yield _certificate(home)
        for what, listen in _listens(home).items():
            yield _port(what, listen, running)
        if home.is_networked:
            yield await asyncio.to_thread(_engine)
        me = get_member_of_key(ledger.state, account.public) if ledger else None
        if ledger is not None and me is not None:
            async for finding in _peers(home, ledger, me):
                yield finding
            links = load_links(home, ledger.tip.chain_id)
            for finding in check_links(links, get_names(ledger.state)):
                yield finding
    finally:
        if ledger is not None:
            await ledger.close()


async def _ask_for_standing(home: Home, ledger: DeskLedger) -> Standing:
    """Return the standing by the local ledger, and by the other members if the ledger may have
    advanced without this home."""
    account = home.key("account").public
    asked = None
    if home.is_networked:
        if ledger.tip.height == 0 and is_newcomer(home):
            entrance = Bootstrap(home)
            await entrance.look()
            return entrance.standing()
        client = make_client(home, ledger.state)
        try:
            members = get_members(ledger.state)
            found = await ask_all(client, [m.id for m in members if m.tls and m.account != account])
            asked = found if found.is_refused else None  # silent members have a line of their own
        finally:
            await client.close()
    return find_standing(ledger.state, account, home.config.name, asked)


def _listens(home: Home) -> dict[str, str]:
    found = {"data port": home.config.listen}
    if home.is_networked:
        found["ledger port"] = home.config.ledger_listen
    return found


def _disk(home: Home) -> Finding:
    free = shutil.disk_usage(home.root).free
    said = f"{free / 1e9:.1f} GB free at {home.root}"
    hint = "" if free >= FREE_BYTES else f"; a node wants {FREE_BYTES / 1e9:.0f} GB, free some"
    return Finding("disk", free >= FREE_BYTES, said + hint)


def _certificate(home: Home) -> Finding:
    try:
        days = keys.days_left(home.certificate_path.read_text())
        expiry = find_expiry(home)
    except (OSError, ValueError, HomeError) as error:
        return Finding("certificate", False, f"{home.certificate_path} cannot be used ({error})")
    well = days >= 0
    return Finding(
        "certificate", well, expiry or f"valid for {days} more days", warns=well and bool(expiry)
    )


def _port(what: str, listen: str, running: bool) -> Finding:
    if running:
        return Finding(what, True, f"the node has {listen}")
    try:
        check_port(listen)
    except LedgerError as error:
        return Finding(what, False, str(error))
    return Finding(what, True, f"{listen} is free; the node is not running")


def _engine() -> Finding:
    try:
        binary = find_binary()
        check_version(binary)
    except LedgerError as error:
        return Finding("CometBFT", False, str(error))
    return Finding("CometBFT", True, str(binary))


def make_client(home: Home, state: State) -> PeerClient:
    """Return a client for requests to the members that a state has."""
    peers = Peers(home.certificate_path, home.key_path("tls"))
    peers.update(get_members(state))
    return PeerClient(peers)


async def _peers(home: Home, ledger: DeskLedger, me: Member) -> AsyncIterator[Finding]:
    client = make_client(home, ledger.state)
    try:
        for other in [m for m in get_members(ledger.state) if m.id != me.id]:
            async for finding in _peer(client, ledger, me, other):
                yield finding
    finally:
        await client.close()


async def _peer(
    client: PeerClient, ledger: DeskLedger, me: Member, other: Member
) -> AsyncIterator[Finding]:
    places = [("data", place) for place in relays_of(other.address) or [other.address]]
    ledger_place = other.ledger.partition("@")[2]
    if ledger_place not in ("", DIALS_OUT):
        places.append(("ledger", ledger_place))
    for kind, place in places:
        problem = await try_tcp(place)
        what = f"to {other.name}, {kind}"
        if problem:
            said = f"{place}: {problem}; allow TCP from this host out to {place}"
            yield Finding(what, False, said)
        elif relays_of(other.address) and kind == "data":
            yield Finding(what, True, f"{place}, {BY_RELAY}", warns=True)
        else:
            yield Finding(what, True, place)
    asked_ms = wall_clock_ms()
    try:
        found = await client.reach(other.id)
    except PeerError as error:
        yield Finding(f"from {other.name}", False, f"it could not be asked to look back ({error})")
        return
    mine = {"data": me.address, "ledger": me.ledger.partition("@")[2]}
    for kind, problem in (("data", found.data), ("ledger", found.ledger)):
        if mine[kind] in ("", DIALS_OUT) or relays_of(mine[kind]):
            continue  # it cannot be connected to, and need not be
        what = f"from {other.name}, {kind}"
        if problem:
            said = f"{mine[kind]}: {problem}; allow TCP from {other.address.rpartition(':')[0]} in"
            yield Finding(what, False, said)
        else:
            yield Finding(what, True, mine[kind])
    off_ms = max(0, found.now_ms - wall_clock_ms(), asked_ms - found.now_ms)  # a lower bound
    for finding in _compare(other, found, off_ms, ledger.tip.height):
        yield finding


def check_links(links: Sequence[Link], names: Mapping[MemberId, str]) -> Iterator[Finding]:
    """Say what the node has measured of the way to each member, and warn of relays and of what is
    much slower than the median."""
    for link in links:
        warning = warn_of(link, links)
        said = f"{say_link(link)}; {warning}" if warning else say_link(link)
        what = f"way to {names.get(link.member, link.member)}"
        yield Finding(what, True, said, warns=bool(warning))


def _compare(other: Member, found: Reachability, off_ms: int, height: int) -> Iterator[Finding]:
    """Compare clock, version and blocks of another member with those here."""
    said = f"{off_ms / 1000:.1f} s from this host's" if off_ms > 100 else "as this host's"
    well = off_ms <= CLOCK_MS
    hint = "" if well else "; one of the two is wrong: compare with a third, and use NTP"
    yield Finding(f"clock of {other.name}", well, said + hint)
    same = found.version == __version__
    said = __version__ if same else f"{__version__} here, {found.version} there; upgrade the older"
    yield Finding(f"version of {other.name}", True, said)
    behind = found.height - height
    heights = f"block {height} here, {found.height} there"
    well = abs(behind) <= BEHIND_BLOCKS
    hint = "" if well else "; the ledger's port is closed in one direction, or the node is down"
    yield Finding(f"blocks of {other.name}", well, heights + hint)
