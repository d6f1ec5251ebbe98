"""Records a small chain of four real engines, for tests without any.

The chain has a study, with which three hospitals agree, and another one's; and then a hospital
rotates its consensus key, so that the validators change.
"""

import asyncio
import json
import tempfile
from pathlib import Path

from builders import HEART, card_of, genesis_of, key, spec_of
from engines import start
from ledger_tools import done, signed

from swarmhub import codec
from swarmhub.contract.records import STUDY, get_member_of_key
from swarmhub.contract.transactions import Approve, Propose, Rotate, card_message
from swarmhub.ledger.cometbft.header_source import fetch_validators
from swarmhub.types import ROTATE_DOMAIN

RECORDED = Path(__file__).with_name("recorded_chain.json")


async def play(ledger):
    """Submit the chain's transactions."""
    await done(ledger, signed(ledger, Propose(spec_of())))
    terms = STUDY.need(ledger.state, HEART).spec
    await done(ledger, *(signed(ledger, Approve(HEART, terms), who) for who in ("h2", "h3")))
    await done(ledger, signed(ledger, Propose(spec_of(name="lung")), "h3"))
    engine = get_member_of_key(ledger.state, key("h4").public).ledger
    card = card_of("h4", consensus=key("h4/next").public, ledger=engine)
    proof = key("h4").sign(ROTATE_DOMAIN, card_message(card))
    await done(ledger, signed(ledger, Rotate(card, proof), "h4"))
    for word in ("skin", "bone"):
        await done(ledger, signed(ledger, Propose(spec_of(name=word)), "h2"))


async def record(folder):
    """Return what an engine says of its chain."""
    ledgers = await start(folder, genesis_of(["h1", "h2", "h3", "h4"]))
    try:
        await play(ledgers[0])
        rpc, blocks = ledgers[0].engine.rpc, []
        for height in range(1, ledgers[0].tip.height + 1):
            commit = await rpc.call("commit", height=str(height))
            block = await rpc.call("block", height=str(height))
            blocks.append({
                "signed_header": commit["signed_header"],
                "validators": await fetch_validators(rpc, height),
                "txs": block["block"]["data"]["txs"],
            })  # fmt: skip
        genesis = codec.to_sparse_json(ledgers[0].settings.genesis)
        return {"genesis": genesis, "blocks": blocks}
    finally:
        await asyncio.gather(*(ledger.close() for ledger in ledgers))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(record(Path(folder)))
    RECORDED.write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n")
