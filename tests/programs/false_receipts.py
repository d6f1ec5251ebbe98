"""A node that hands in receipts with false signatures, and no true one."""

import asyncio
import contextlib
import sys

from swarmhub import codec
from swarmhub.cli import main
from swarmhub.contract.records import ROUND
from swarmhub.contract.round.election import get_leader
from swarmhub.errors import PeerError
from swarmhub.node.offers import OfferExchange
from swarmhub.node.study_driver import StudyDriver
from swarmhub.protocol import Offered, ReceiptCame

learn, tasks = StudyDriver.learn, set()


async def hand_in(driver, offer):
    receipt = ReceiptCame(offer.number, offer.revision, offer.digest, driver.local.me, "00" * 64)
    body = codec.encode({**codec.to_json(receipt), "study": driver.study})
    while driver._position.number == offer.number:
        r = ROUND.get(driver._services.state, driver.study)
        leader = get_leader(r) if r is not None and r.phase == "MERGING" else None
        if leader not in (None, driver.local.me):
            with contextlib.suppress(PeerError):
                answer = await driver._services.client.sessions.request(
                    leader, "POST", "/v1/receipt", data=body
                )
                answer.release()
        await asyncio.sleep(0.005)


def hear(self, event):
    if isinstance(event, Offered):
        task = asyncio.create_task(hand_in(self, event))
        tasks.add(task)
    learn(self, event)


async def no_true_one(self, effect):
    await asyncio.sleep(1e6)


StudyDriver.learn, OfferExchange.send_receipt = hear, no_true_one
sys.exit(main())
