"""The votes of validators: of a newcomer that has caught up, and before a node signs a block."""

from __future__ import annotations

import asyncio
import logging

from swarmhub.contract import State
from swarmhub.contract.consortium.upgrades import find_lacking
from swarmhub.contract.records import get_chain, get_double_sign, get_member_of_key, get_members
from swarmhub.contract.transactions import Validate
from swarmhub.ledger.cometbft import CometLedger
from swarmhub.ledger.cometbft.broadcaster import end
from swarmhub.node.services import Services
from swarmhub.transport.client import PeerClient
from swarmhub.types import PublicKey

CATCHING_UP_S = 0.5  # between two checks whether a newcomer has all blocks
HEIGHTS_S = 2.0  # to ask how far the others are, before this node signs a block

log = logging.getLogger("swarmhub.node")


async def become_validator(services: Services, ledger: CometLedger) -> None:
    """Declare that a newcomer has caught up, so that its vote counts from then on."""
    while True:
        me = get_member_of_key(ledger.state, services.account.public)
        mine = services.home.key("consensus").public
        able = (
            me
            and me.consensus == mine
            and not get_double_sign(ledger.state, me)
            and not find_lacking(get_chain(ledger.state), me.versions)
        )
        if able and ledger.signing.may_sign and await ledger.is_current():
            result = await services.submit(Validate())
            if result.ok or result.code == "AlreadyDone":
                log.info("validates from now on")
                return
            log.info("cannot validate yet: %s", result.message)
        await asyncio.sleep(CATCHING_UP_S)


async def ask_heights(client: PeerClient, account: PublicKey, state: State) -> list[int]:
    """Return the newest block of each other validator that answers in time. Members without a
    vote are not asked, or one that is not admitted yet could keep others from signing."""
    me = get_member_of_key(state, account)
    others = [m.id for m in get_members(state) if m.power and (me is None or m.id != me.id)]
    chain = get_chain(state).chain_id
    asking = [asyncio.create_task(client.height(m, chain)) for m in others]
    done, late = await asyncio.wait(asking, timeout=HEIGHTS_S) if asking else (set(), set())
    await end(*late)
    return [task.result() for task in done if task.exception() is None]
