"""Files that the engine reads at its start.

All are written anew each time from keys, genesis and members, so there is nothing for an operator
to edit.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.contract.envelope import MAX_TX_BYTES
from swarmhub.contract.execution import compute_chain_id
from swarmhub.contract.records import Genesis
from swarmhub.files import write_durably
from swarmhub.keys import PrivateKey, write_secret
from swarmhub.ledger.blocks import MAX_BLOCK_BYTES
from swarmhub.ledger.cometbft.settings import ABCI_SOCKET, RPC_SOCKET, Entry, Settings
from swarmhub.ledger.cometbft.signing import SIGNED_FILE, read_height, write_height

# characters allowed in a list of peers in the engine's configuration
PLACE = re.compile(r"[0-9A-Za-z.:_\[\]-]{1,253}:[0-9]{1,5}")
PEER = re.compile("[0-9a-f]{40}@" + PLACE.pattern)
MAX_EVIDENCE_BYTES = 1 << 15  # of contradictory votes, some 400 bytes each
TRUST_HOURS = 336  # older blocks are not trusted: their signers may be gone


def compute_peer_id(public: str) -> str:
    """Return the peer id of an engine's key: the first 20 bytes of its sha256, in hex."""
    return hashlib.sha256(bytes.fromhex(public)).digest()[:20].hex()


def write_files(
    settings: Settings, peers: Sequence[str], verbose: bool, entry: Entry | None = None
) -> None:
    """Write all files that the engine reads at its start. Peers come from others; those that are
    not ID@host:port are left out."""
    peers = [p for p in peers if PEER.fullmatch(p)]
    config, data = settings.folder / "config", settings.folder / "data"
    config.mkdir(parents=True, exist_ok=True, mode=0o700)
    data.mkdir(exist_ok=True, mode=0o700)
    write_durably(config / "config.toml", _config(settings, peers, verbose, entry).encode())
    write_durably(config / "genesis.json", json.dumps(_genesis(settings.genesis)).encode())
    _write_key(config / "node_key.json", {"priv_key": _private(settings.peer)})
    consensus = settings.consensus
    _write_key(
        config / "priv_validator_key.json",
        {
            "address": compute_peer_id(consensus.public).upper(),
            "pub_key": {"type": "tendermint/PubKeyEd25519", "value": _b64(consensus.public)},
            "priv_key": _private(consensus),
        },
    )
    signed = settings.folder / SIGNED_FILE  # never to be rolled back
    if signed.exists():
        read_height(signed)  # the engine would end without a clear message
    else:
        write_height(signed, 0)


def _private(key: PrivateKey) -> dict[str, str]:
    value = base64.b64encode(key.seed + bytes.fromhex(key.public)).decode()
    return {"type": "tendermint/PrivKeyEd25519", "value": value}


def _b64(public: str) -> str:
    return base64.b64encode(bytes.fromhex(public)).decode()


def _write_key(path: Path, content: Any) -> None:
    path.unlink(missing_ok=True)
    write_secret(path, json.dumps(content).encode())


def _genesis(genesis: Genesis) -> dict[str, Any]:
    time = datetime.datetime.fromtimestamp(genesis.time_ms / 1000, datetime.UTC)
    return {
        "genesis_time": time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{genesis.time_ms % 1000:03d}Z",
        "chain_id": compute_chain_id(genesis),
        "initial_height": "1",
        "consensus_params": {
            "block": {"max_bytes": str(MAX_BLOCK_BYTES), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": "100000", "max_age_duration": "1209600000000000",
                "max_bytes": str(MAX_EVIDENCE_BYTES),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": "1"},
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "app_hash": "",
        "app_state": codec.to_sparse_json(genesis),
    }  # fmt: skip


def _config(settings: Settings, peers: Sequence[str], verbose: bool, entry: Entry | None) -> str:
    gossip, commit = settings.gossip_ms, settings.commit_ms
    sync = ""
    if entry is not None:
        servers = ",".join(f"unix://{name}" for name in entry.sockets)
        sync = f"""
[statesync]
enable = true
rpc_servers = "{servers}"
trust_height = {entry.height}
trust_hash = "{entry.hash}"
trust_period = "{TRUST_HOURS}h0m0s"
discovery_time = "5s"
chunk_request_timeout = "10s"
"""
    return f"""# written by swarmhub at each start
moniker = "member"
proxy_app = "unix://{ABCI_SOCKET}"
abci = "socket"
filter_peers = true
log_level = "{"info" if verbose else "p2p:none,*:error"}"
log_format = "plain"

[rpc]
laddr = "unix://{RPC_SOCKET}"
unsafe = true
max_body_bytes = {4 * MAX_TX_BYTES}

[p2p]
laddr = "tcp://{settings.listen}"
external_address = "{settings.address if PLACE.fullmatch(settings.address) else ""}"
persistent_peers = "{",".join(peers)}"
persistent_peers_max_dial_period = "5s"
pex = false
addr_book_strict = false
allow_duplicate_ip = true
flush_throttle_timeout = "{max(1, gossip // 2)}ms"

[mempool]
max_tx_bytes = {MAX_TX_BYTES}
size = 5000
keep-invalid-txs-in-cache = false

[consensus]
timeout_propose = "{settings.propose_ms}ms"
timeout_propose_delta = "500ms"
timeout_prevote = "200ms"
timeout_prevote_delta = "200ms"
timeout_precommit = "200ms"
timeout_precommit_delta = "200ms"
timeout_commit = "{commit}ms"
create_empty_blocks = false
create_empty_blocks_interval = "0s"
peer_gossip_sleep_duration = "{gossip}ms"
peer_query_maj23_sleep_duration = "{max(50, 4 * gossip)}ms"

[tx_index]
indexer = "null"

[instrumentation]
prometheus = false
{sync}"""
