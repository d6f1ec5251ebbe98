"""Records a proof by the votes of four real engines, for tests without any.

A hospital revokes its machine's keys and comes back with a rotation, so that the validators change
twice before the transaction that is proven.
"""

import asyncio
import tempfile
from pathlib import Path

from builders import card_of, genesis_of, key
from engines import start
from ledger_tools import done, propose, signed

from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import get_member_of_key
from swarmhub.contract.transactions import Invite, Revoke, Rotate, Validate, card_message
from swarmhub.operations.proofs.forms import write_proof
from swarmhub.operations.proofs.votes_proof import make_votes_proof
from swarmhub.types import ROTATE_DOMAIN

RECORDED = Path(__file__).with_name("proof_of_votes.json")


async def record(folder):
    """Return the proof of an invitation."""
    ledgers = await start(folder, genesis_of(["h1", "h2", "h3", "h4"]))
    one = ledgers[0]
    try:
        engine = get_member_of_key(one.state, key("h4").public).ledger
        card = card_of("h4", consensus=key("h4/next").public, ledger=engine)
        proof = key("h4").sign(ROTATE_DOMAIN, card_message(card))
        for body in (Revoke(), Rotate(card, proof), Validate()):
            await done(one, signed(one, body, "h4"))
        for word in ("skin", "bone"):
            await done(one, signed(one, propose(word)))
        token = Invite(key("invitation").public, one.tip.time_ms + 3_600_000)
        asked = signed(one, token)
        await done(one, asked)
        await done(one, signed(one, propose("later")))
        return write_proof(
            await make_votes_proof(one.settings.folder, read_transaction(asked).id[:16])
        )
    finally:
        await asyncio.gather(*(ledger.close() for ledger in ledgers))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        RECORDED.write_bytes(asyncio.run(record(Path(folder))))
