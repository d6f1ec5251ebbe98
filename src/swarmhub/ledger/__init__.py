"""The replicated ledger. One protocol, drivers `memory`, `sqlite` and `cometbft`, one block
transition."""

from swarmhub.ledger.base import Ledger, Submission, advance_block_time, sign_transaction
from swarmhub.ledger.blocks import Block, Committed, Tip, make_genesis_block
from swarmhub.ledger.memory import MemoryChain, MemoryLedger
from swarmhub.ledger.sqlite.block_file import create_ledger
from swarmhub.ledger.sqlite.driver import SqliteLedger

__all__ = [
    "Block",
    "Committed",
    "Ledger",
    "MemoryChain",
    "MemoryLedger",
    "SqliteLedger",
    "Submission",
    "Tip",
    "advance_block_time",
    "create_ledger",
    "make_genesis_block",
    "sign_transaction",
]
