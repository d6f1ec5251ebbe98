"""Making a proof in a process of its own: on a ledger of one machine all blocks are executed
again."""

from __future__ import annotations

import asyncio
import sys

from swarmhub import codec
from swarmhub.errors import BadInput, HomeError, plain
from swarmhub.home.home import Home
from swarmhub.logs import read_sentence
from swarmhub.operations.proofs.forms import MAX_PROOF_BYTES

PROVE_S = 300.0
MAX_SAID = 2000  # characters of the sentence of a process that ends with an error
_turn = asyncio.Semaphore(2)  # processes at a time


async def prove_beside(home: Home, tx: str) -> bytes:
    """Return the proof of a transaction (its id) on a home's ledger. Raises BadInput as
    `prove_transaction`, HomeError if it takes too long."""
    if not codec.is_digest(tx):
        raise BadInput(
            f"There is no transaction '{plain(tx, 70)}': an id has 64 lower-case hex digits."
        )
    async with _turn:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "swarmhub", "ledger", "prove", tx, "--home", str(home.root),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, limit=MAX_PROOF_BYTES,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PROVE_S):
                data, said = await process.communicate()
        except TimeoutError:
            raise HomeError(
                f"The proof was not made within {PROVE_S:.0f} s; make it with 'swarmhub ledger "
                "prove'."
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines() or ["The proof failed."]
        raise BadInput(plain(read_sentence(lines[-1]), MAX_SAID))
    return data
