"""The BFT ledger: driver `cometbft`, for members on machines of their own."""

from swarmhub.ledger.cometbft.driver import (
    CometLedger,
    CometVisitor,
    create_comet_ledger,
    read_genesis,
    verify_comet_ledger,
)
from swarmhub.ledger.cometbft.engine import Settings, compute_peer_id

__all__ = [
    "CometLedger",
    "CometVisitor",
    "Settings",
    "compute_peer_id",
    "create_comet_ledger",
    "read_genesis",
    "verify_comet_ledger",
]
