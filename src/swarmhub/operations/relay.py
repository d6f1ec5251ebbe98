"""`swarmhub relay`: a member's machine forwards the traffic of members behind firewalls.

It runs beside the member's node, as a process of its own: it has the member's TLS key, reads the
members from the node's ledger, and has access to nothing else of the home.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from swarmhub.contract.records import get_members
from swarmhub.errors import BadInput
from swarmhub.home.config import parse_address
from swarmhub.home.home import Home
from swarmhub.home.ledgers import DeskLedger, open_for_desk
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.transport.relay.server import Relay
from swarmhub.transport.tls import Peers

LOOK_S = 5.0


async def relay(
    home: Home, listen: str, stopping: asyncio.Event, tell: Callable[[str], None]
) -> None:
    """Run until `stopping` is set. Raises BadInput if the port is taken or this home is not a
    member's."""
    host, port = parse_address(listen)
    account = home.key("account")
    ledger = await open_for_desk(home, account)
    try:
        LedgerClient(ledger, account).me  # noqa: B018  # raises with what to do
        peers = Peers(home.certificate_path, home.key_path("tls"))
        mine = peers.own()  # the certificate of this process, even if the file changes
        problem: list[str] = []

        def follow(_: object = None) -> None:
            members = get_members(ledger.state)
            peers.update(members)
            if mine not in {bytes.fromhex(m.tls) for m in members}:
                problem.append(
                    "The ledger has another certificate for this hospital, and nobody trusts this "
                    "one; start the relay again when its node has its new keys."
                )
                stopping.set()

        follow()
        ledger.subscribe(follow)
        carrier = Relay(peers)
        try:
            await carrier.start(host, port)
            tell(f"relays on {listen} for the members of {ledger.tip.chain_id}")
            await _follow_until(stopping, ledger, follow)
            if problem:
                raise BadInput(problem[0])
        finally:
            await carrier.close()
            tell(f"carried {carrier.passed} bytes")
    finally:
        await ledger.close()


async def _follow_until(
    stopping: asyncio.Event, ledger: DeskLedger, follow: Callable[[], None]
) -> None:
    """Look at the ledger now and then, also if blocks were forgotten before they were seen."""
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await stopping.wait()
        if ledger.failure is not None:
            raise ledger.failure
        follow()
