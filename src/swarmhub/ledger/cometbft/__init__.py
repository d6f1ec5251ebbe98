"""The BFT ledger: driver `cometbft`, for members on machines of their own."""

from swarmhub.ledger.cometbft.driver import CometLedger
from swarmhub.ledger.cometbft.engine_files import compute_peer_id
from swarmhub.ledger.cometbft.folder import (
    PEERS_FILE,
    create_comet_ledger,
    read_genesis,
    verify_comet_ledger,
)
from swarmhub.ledger.cometbft.header_source import fetch_headers
from swarmhub.ledger.cometbft.read_client import CometReadClient
from swarmhub.ledger.cometbft.rpc import short_path
from swarmhub.ledger.cometbft.settings import Entry, Settings

__all__ = [
    "PEERS_FILE",
    "CometLedger",
    "CometReadClient",
    "Entry",
    "Settings",
    "compute_peer_id",
    "create_comet_ledger",
    "fetch_headers",
    "read_genesis",
    "short_path",
    "verify_comet_ledger",
]
