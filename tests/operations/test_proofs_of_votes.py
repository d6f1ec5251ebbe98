"""Proofs by the votes of real engines: every transaction of a block, a refusal among them."""

import asyncio

import pytest
from builders import genesis_of
from engines import needs_cometbft, start
from ledger_tools import WAIT_S, done, propose, signed

from swarmhub.contract.transactions import Vote
from swarmhub.errors import BadInput
from swarmhub.operations.proofs.forms import write_proof
from swarmhub.operations.proofs.prove import check_proof
from swarmhub.operations.proofs.votes_proof import make_votes_proof

pytestmark = [needs_cometbft, pytest.mark.engine]


def test_every_transaction_of_a_block_is_proven_with_its_result(tmp_path):
    async def main():
        ledgers = await start(tmp_path, genesis_of(["h1", "h2", "h3", "h4"]))
        one = ledgers[0]
        bodies = [Vote(99, True), *(propose(name) for name in "abcd")]
        asked = [signed(one, body) for body in bodies]
        waiting = [await one.submit(tx) for tx in asked]
        results = [await submission.result(WAIT_S) for submission in waiting]
        await done(one, signed(one, propose("later")))  # its block is after theirs
        assert [r.code == "ok" for r in results] == [False, True, True, True, True]
        heights = set()
        for result in results:
            proof = await make_votes_proof(one.settings.folder, result.id[:16])
            found = check_proof(write_proof(proof))
            assert (found.tx, found.code, found.missing) == (result.id, result.code, "")
            heights.add(found.height)
        assert len(heights) < len(results)  # paths of more than a leaf
        assert check_proof(write_proof(proof), found.genesis).origin == "proven"
        with pytest.raises(BadInput, match="There is no one transaction '00000000'"):
            await make_votes_proof(one.settings.folder, "00000000")
        for ledger in ledgers:
            await ledger.close()

    asyncio.run(main())
