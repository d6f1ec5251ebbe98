"""`swarmhub relay`: a member's machine carries the traffic of members that nobody can connect to.

It runs beside the member's node, as a process of its own: it has the member's TLS key, reads who is
a member from the node's ledger, and sees nothing else of the home.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarmhub.contract.records import get_members
from swarmhub.errors import BadInput
from swarmhub.node.desk import Desk
from swarmhub.node.home import Home, parse_address
from swarmhub.node.ledgers import open_for_desk
from swarmhub.transport.relay import Relay
from swarmhub.transport.tls import Peers


async def relay(
    home: Home, listen: str, stopping: asyncio.Event, tell: Callable[[str], None]
) -> None:
    """Run until `stopping` is set. BadInput where the port is taken or this home is no member's."""
    host, port = parse_address(listen)
    account = home.key("account")
    ledger = await open_for_desk(home, account)
    try:
        Desk(ledger, account).me  # noqa: B018  # says what to do where it is none
        peers = Peers(home.certificate_path, home.key_path("tls"))
        if peers.own() not in {bytes.fromhex(m.tls) for m in get_members(ledger.state)}:
            raise BadInput(
                "The ledger has another certificate for this hospital; nobody trusts it."
            )
        peers.update(get_members(ledger.state))
        ledger.subscribe(lambda committed: peers.update(get_members(ledger.state)))
        carrier = Relay(peers)
        try:
            await carrier.start(host, port)
            tell(f"relays on {listen} for the members of {ledger.tip.chain_id}")
            await stopping.wait()
        finally:
            await carrier.close()
            tell(f"carried {carrier.passed} bytes")
    finally:
        await ledger.close()
