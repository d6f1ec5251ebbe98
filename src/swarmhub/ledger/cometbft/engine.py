"""The engine: CometBFT as a child process, its generated files, and the socket for requests.

All its files are written anew at each start from keys, genesis and members, so there is nothing for
an operator to edit. It talks to this node over two unix sockets in its folder (ABCI and RPC) and to
the engines of other members over one TCP port.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import datetime
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from swarmhub import codec
from swarmhub.contract.execution import compute_chain_id
from swarmhub.contract.records import Genesis
from swarmhub.contract.transactions import MAX_TX_BYTES
from swarmhub.errors import BadInput, LedgerError
from swarmhub.files import is_passing, write_durably
from swarmhub.keys import PrivateKey, write_secret
from swarmhub.ledger.blocks import MAX_BLOCK_BYTES
from swarmhub.ledger.cometbft.rpc import Rpc
from swarmhub.ledger.cometbft.signing import SIGNED_FILE, read_height, write_height
from swarmhub.ledger.database import SHORTAGE_PAUSE_S

VERSION = "0.38.25"
MODULE = "github.com/cometbft/cometbft/cmd/cometbft"
VARIABLE = "SWARMHUB_COMETBFT"
# characters allowed in a list of peers in the engine's configuration
PLACE = re.compile(r"[0-9A-Za-z.:_\[\]-]{1,253}:[0-9]{1,5}")
PEER = re.compile("[0-9a-f]{40}@" + PLACE.pattern)
STATE_FILE, ABCI_SOCKET, RPC_SOCKET, LOG_FILE = (
    "state.sqlite",
    "abci.sock",
    "rpc.sock",
    "engine.log",
)
MAX_EVIDENCE_BYTES = 1 << 15  # of contradictory votes, some 400 bytes each
STOP_S = 5.0
MAX_LOG_BYTES = 16 << 20
MAX_LINE = 4096  # of its output, if a line does not end
STEADY_S = 60.0  # an engine that has run for so long may be restarted at once
RESTARTS = 5  # limit for one that has not
TRUST_HOURS = 336  # older blocks are not trusted: their signers may be gone
PR_SET_PDEATHSIG = 1
# Go's messages if this machine has no space or no descriptors
SHORTAGES = ("no space left on device", "disk quota exceeded", "too many open files")
# the engine then hangs, and does not end by itself
GIVEN_UP = re.compile(r"E\[[^]]*\] CONSENSUS FAILURE!!!")
MARKS = ("ERROR", "panic:", "E[")

log = logging.getLogger("swarmhub.engine")


@dataclass(frozen=True)
class Settings:
    """The settings of one member's engine. Times suit a local network; on links with long delays a
    higher `gossip_ms` saves traffic."""

    folder: Path
    genesis: Genesis
    consensus: PrivateKey
    peer: PrivateKey
    listen: str  # host:port for the engines of other members
    address: str  # host:port under which they connect to it
    gossip_ms: int = 5
    commit_ms: int = 0
    propose_ms: int = 400  # an absent proposer costs so much, then the next one proposes
    keep_blocks: int = 100_000  # minimum; older ones are forgotten, but for milestones
    # returns the newest key for `peer`: a different one during a rotation, None if unknown
    newest_peer: Callable[[], PrivateKey | None] = lambda: None


@dataclass(frozen=True)
class Entry:
    """The start of a newcomer's engine from a later state (CometBFT's state sync): its light client
    trusts one block and requests others at sockets in the engine's folder."""

    height: int
    hash: str  # of the block at that height, in hex
    sockets: tuple[str, ...]  # file names
    snapshots: frozenset[str]  # hashes of acceptable ones


def find_binary() -> Path:
    """Return the path of the engine's program. Raises LedgerError, which says how to get it."""
    places = [os.environ.get(VARIABLE, ""), str(own_binary()), shutil.which("cometbft") or ""]
    for place in filter(None, places):
        if os.access(place, os.X_OK):
            return Path(place)
    raise LedgerError(
        f"Expected CometBFT v{VERSION} as 'cometbft', found none; install it with 'swarmhub ledger "
        f"install' (needs Go), or set {VARIABLE} to the program's path."
    )


def own_binary() -> Path:
    """Return the path at which 'swarmhub ledger install' puts it."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "swarmhub" / "bin" / "cometbft"


def check_version(binary: Path) -> None:
    """Raise LedgerError if the program is not the release that this driver was tested with."""
    try:
        done = subprocess.run(
            [binary, "version"], capture_output=True, text=True, timeout=20, check=False
        )
        found = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LedgerError(f"The program {binary} cannot be run ({error}).") from None
    if found.removeprefix("v").partition("+")[0] != VERSION:
        raise LedgerError(
            f"Expected CometBFT v{VERSION} at {binary}, got {found[:40]!r}; get the right one with "
            "'swarmhub ledger install'."
        )


def install() -> Path:
    """Build the engine with Go into the user's data folder; returns its path."""
    go = shutil.which("go") or next(
        (p for p in ("/usr/local/go/bin/go",) if os.access(p, os.X_OK)), None
    )
    if go is None:
        raise LedgerError(
            "Expected Go as 'go', found none; install Go 1.22 or newer, or copy a cometbft "
            f"v{VERSION} program to {own_binary()}."
        )
    target = own_binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go, "install", f"{MODULE}@v{VERSION}"],
        env={**os.environ, "GOBIN": str(target.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise LedgerError(f"Go could not build CometBFT: {last[:300]}")
    check_version(target)
    return target


# the generated files


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
        "app_state": codec.to_json(genesis),
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


# the child


class Engine:
    """The child process; restarted if it ends without being told to."""

    def __init__(
        self,
        settings: Settings,
        on_failure: Callable[[LedgerError], None],
        on_again: Callable[[], None] = lambda: None,
        on_trouble: Callable[[LedgerError], None] = lambda error: None,
    ) -> None:
        self.settings = settings
        self.folder = settings.folder
        self.rpc = Rpc(settings.folder / RPC_SOCKET)
        self._on_failure = on_failure
        self._on_again = on_again  # called after a restart, which loses its mempool
        self._on_trouble = on_trouble  # called at every shortage of this machine
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._wanted = False  # whether its end is wanted
        self._said = ""  # its last error
        self._shortage = ""  # the shortage that it has reported

    async def start(
        self,
        peers: Callable[[], Sequence[str]],
        verbose: bool = False,
        entry: Callable[[], Entry | None] = lambda: None,
    ) -> None:
        """Start it. `peers` and `entry` are called at each start: its peers, and how it begins if
        it has no block yet."""
        binary = find_binary()
        await asyncio.to_thread(check_version, binary)
        check_port(self.settings.listen)

        async def spawn() -> None:
            await self._spawn(binary, peers(), verbose, entry())

        await spawn()
        self._watch = asyncio.create_task(self._keep_up(spawn))

    async def _spawn(
        self, binary: Path, peers: Sequence[str], verbose: bool, entry: Entry | None
    ) -> None:
        await asyncio.to_thread(write_files, self.settings, peers, verbose, entry)
        (self.folder / RPC_SOCKET).unlink(missing_ok=True)
        path = self.folder / LOG_FILE
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        kept = path.open("ab", buffering=0)
        try:
            self._child = await asyncio.create_subprocess_exec(
                binary, "start", "--home", str(self.folder), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip
        except BaseException:
            kept.close()
            raise
        self._said, self._shortage = "", ""
        self._listening = asyncio.create_task(self._listen(self._child, kept))

    async def _keep_up(self, spawn: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._start_again_and_again(spawn)
        except BadInput as error:
            self._on_failure(LedgerError(str(error)))
        except Exception as error:  # the node ends with a sentence
            log.exception("the engine is not looked after any more")
            self._on_failure(LedgerError(f"CometBFT cannot be started again ({error})."))

    async def _start_again_and_again(self, spawn: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            assert self._child is not None
            code = await self._child.wait()
            if self._listening is not None:
                await self._listening  # for its last output
            if self._wanted or loop.time() - started > STEADY_S:
                failures, self._wanted = 0, False
            else:
                failures += 1
            if failures and self._shortage:
                failures = 0
                self._on_trouble(
                    LedgerError(f"CometBFT ended ({self._shortage}); it is started again.")
                )
                await asyncio.sleep(SHORTAGE_PAUSE_S)
            if failures > RESTARTS:
                self._on_failure(
                    LedgerError(
                        f"CometBFT ends again and again (exit code {code}): {self.last_words()} "
                        f"(log: {self.folder / LOG_FILE})."
                    )
                )
                return
            if failures:
                await asyncio.sleep(min(0.2 * 2**failures, 5.0))
            await self._spawn_when_possible(spawn)
            self._on_again()

    async def _spawn_when_possible(self, spawn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await spawn()
            except OSError as error:
                if not is_passing(error):
                    raise
                self._on_trouble(LedgerError(f"CometBFT cannot be started now ({error})."))
            await asyncio.sleep(SHORTAGE_PAUSE_S)

    def restart(self) -> None:
        """Restart it, with its present peers."""
        if self._child is not None and self._child.returncode is None:
            self._wanted = True
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(STOP_S, self._kill, self._child)

    def kill(self) -> None:
        """Kill it before it does anything more; it is restarted at once."""
        if self._child is not None and self._child.returncode is None:
            self._wanted = True
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()

    def _kill(self, child: asyncio.subprocess.Process) -> None:
        """Kill a process that hangs although it was asked to end or has failed."""
        if child.returncode is None:
            log.warning("CometBFT hangs; it is killed")
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    def last_words(self) -> str:
        """The last error that it has logged, for people."""
        return self._said or "it said nothing"

    async def _listen(self, child: asyncio.subprocess.Process, kept: IO[bytes]) -> None:
        """Copy the engine's output into its own log and into the node's."""
        assert child.stdout is not None
        rest = ""
        with kept:
            while piece := await child.stdout.read(1 << 16):
                with contextlib.suppress(OSError):  # a full disk must not block the engine
                    kept.write(piece)
                *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
                rest = rest[-MAX_LINE:]
                for line in lines:
                    self._hear(line, child)
        if rest:
            self._hear(rest, child)

    def _hear(self, line: str, child: asyncio.subprocess.Process) -> None:
        log.info("%s", line)
        is_error = line.startswith(MARKS)
        if is_error or not self._said.startswith(MARKS):
            self._said = line.strip()[:300] or self._said
        if is_error:
            self._shortage = next((words for words in SHORTAGES if words in line), self._shortage)
        if GIVEN_UP.match(line):
            self._kill(child)  # it is then restarted

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._child.pid if self._child else None

    async def stop(self) -> None:
        """Ask it to end, then kill it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self.rpc.close()
        child = self._child
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        if self._listening is not None:
            await self._listening


def check_port(listen: str) -> None:
    """Raise LedgerError if the port cannot be listened on: the engine would end without a clear
    message."""
    host, _, port = listen.rpartition(":")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
    except OSError as error:
        raise LedgerError(
            f"Cannot listen on {listen} for the ledger ({error.strerror or error}); stop what uses "
            "the port, or change ledger_listen in node.toml."
        ) from None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
