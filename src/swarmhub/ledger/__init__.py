"""The replicated record. One protocol, drivers `memory` and `sqlite`, one block transition."""

from swarmhub.ledger.base import Ledger, Submission, freshen, sign_transaction
from swarmhub.ledger.blocks import Block, Committed, Tip, make_genesis_block
from swarmhub.ledger.memory import MemoryChain, MemoryLedger
from swarmhub.ledger.sqlite.driver import SqliteLedger, create_ledger

__all__ = [
    "Block",
    "Committed",
    "Ledger",
    "MemoryChain",
    "MemoryLedger",
    "SqliteLedger",
    "Submission",
    "Tip",
    "create_ledger",
    "freshen",
    "make_genesis_block",
    "sign_transaction",
]
