"""The choice of transactions for a block, and the bounds of one that another proposes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.contract.records import get_member_of_key
from swarmhub.contract.state import Reader
from swarmhub.contract.versions import read_transaction_at
from swarmhub.errors import Malformed
from swarmhub.ledger.blocks import MAX_BLOCK_BYTES, MAX_BLOCK_TXS
from swarmhub.types import MemberId


def choose(state: Reader, height: int, txs: Sequence[bytes], max_bytes: int) -> list[bytes]:
    """Return the transactions of the block of this height, in order of arrival: each member's
    oldest in turn, up to its budget; those that do not parse are left out."""
    queues: dict[MemberId, deque[int]] = {}
    for i, data in enumerate(txs):
        member = _member_of(state, height, data)
        if member is not None:
            queues.setdefault(member, deque()).append(i)
    room = {m: MAX_TXS_PER_MEMBER if m else MAX_TXS_OF_STRANGERS for m in queues}
    chosen: list[int] = []
    size = 0
    while queues and len(chosen) < MAX_BLOCK_TXS:
        for member in list(queues):
            i = queues[member].popleft()
            if len(chosen) == MAX_BLOCK_TXS or size + len(txs[i]) + 16 > max_bytes:
                del queues[member]
                continue
            chosen.append(i)
            size += len(txs[i]) + 16  # and the engine's framing of each
            room[member] -= 1
            if not queues[member] or not room[member]:
                del queues[member]
    return [txs[i] for i in sorted(chosen)]


def is_within_bounds(state: Reader, height: int, txs: Iterable[bytes]) -> bool:
    """Return whether an honest node could have proposed this: size, encoding, every member's
    budget."""
    counts: dict[MemberId, int] = {}
    total = size = 0
    for data in txs:
        member = _member_of(state, height, data)
        if member is None:
            return False
        counts[member] = counts.get(member, 0) + 1
        total, size = total + 1, size + len(data)
    most = {m: MAX_TXS_PER_MEMBER if m else MAX_TXS_OF_STRANGERS for m in counts}
    fair = all(counts[m] <= most[m] for m in counts)
    return fair and total <= MAX_BLOCK_TXS and size <= MAX_BLOCK_BYTES


def _member_of(state: Reader, height: int, data: bytes) -> MemberId | None:
    """Return the member that signed the transaction (0: a stranger); None if it does not parse."""
    try:
        found = get_member_of_key(state, read_transaction_at(state, height, data).signer)
    except Malformed:
        return None
    return found.id if found else 0
