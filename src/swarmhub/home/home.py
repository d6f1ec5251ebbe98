"""A node's home directory, with all files of one hospital's node.

node.toml      name, ledger, address, listening address      keys/    never leave this home
blobs/         parameter buffers                              state/   journal, last head seen
local/         trainers' private state                        run/     lock, local API, leases
logs/                                                         ledger/  state, engine (if any)
documents/     code and ethics documents of studies
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from swarmhub import keys
from swarmhub.contract.consortium.cards import DIALS_OUT
from swarmhub.errors import HomeError
from swarmhub.files import shut_out_others, write_durably
from swarmhub.home.config import (
    COMETBFT,
    CONFIG,
    Config,
    add_engine,
    encode_config,
    make_config,
    next_port,
    parse_config,
)
from swarmhub.transport.relay.streams import relays_of

FOLDERS = ("keys", "blobs", "documents", "state", "local", "run", "logs")


class Home:
    """An open home."""

    def __init__(self, root: Path, config: Config) -> None:
        self.root = root
        self.config = config

    # making and opening

    @classmethod
    def create(
        cls,
        root: Path,
        name: str,
        address: str,
        listen: str = "",
        ledger: str = "ledger.sqlite",
        ledger_address: str = "",
        ledger_listen: str = "",
    ) -> Home:
        """Create a home with fresh keys. Raises HomeError if one exists: keys are never replaced.

        An address `@host:port` names the relay (or relays, separated by commas) of a host that
        cannot be connected to; it then listens on the loopback."""
        config = make_config(name, address, listen, ledger)
        if (root / CONFIG).exists():
            raise HomeError(f"There is a home at {root} already; choose another --home.")
        if ledger == COMETBFT:
            config = add_engine(config, ledger_address, ledger_listen)
        home = cls(root, config)
        try:
            home.make_folders()
            if any((root / "keys").iterdir()):
                raise HomeError(f"There are keys in {root}/keys already; they are kept.")
            try:
                home._make_keys()
                home.write_config()
            except OSError:
                for path in (root / "keys").iterdir():  # no one has seen them yet
                    path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise HomeError(f"Cannot make a home at {root} ({error.strerror}).") from None
        return home

    def make_folders(self) -> None:
        """Create the missing folders: a backup may have left out empty ones."""
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
            shut_out_others(self.root / folder)

    def _make_keys(self) -> None:
        tls = keys.PrivateKey()
        keys.PrivateKey().save(self.key_path("account"))
        keys.PrivateKey().save(self.key_path("consensus"))
        keys.ReleaseKey().save(self.key_path("release"))
        if self.is_networked:
            keys.PrivateKey().save(self.key_path("ledger"))
        tls.save(self.key_path("tls"))
        certificate = keys.make_certificate(tls)
        write_durably(self.certificate_path, keys.to_pem(certificate).encode())

    @classmethod
    def open(cls, root: Path) -> Home:
        """Open a home. Raises HomeError if there is none, or its format is another one."""
        root = root.absolute()  # trainers in other directories are given paths of this home
        try:
            text = (root / CONFIG).read_text("utf-8-sig")
        except FileNotFoundError:
            raise HomeError(
                f"Expected a node's home at {root}, found none; run 'swarmhub init' or give --home."
            ) from None
        except (ValueError, OSError) as error:  # not UTF-8
            raise HomeError(f"Cannot read {root / CONFIG}: {error}.") from None
        return cls(root, parse_config(text, root))

    def use_cometbft(self) -> None:
        """Switch this home to a networked ledger. Raises HomeError if it has another ledger."""
        if self.is_networked:
            return
        if self.ledger_path.exists():
            raise HomeError(
                f"This home has the ledger {self.ledger_path}; make a new one with 'swarmhub init'."
            )
        address = self.config.address
        place = DIALS_OUT if relays_of(address) else next_port(address)
        self.config = replace(
            self.config,
            ledger=COMETBFT,
            ledger_address=self.config.ledger_address or place,
            ledger_listen=self.config.ledger_listen or next_port(self.config.listen),
        )
        if not self.key_path("ledger").exists():
            keys.PrivateKey().save(self.key_path("ledger"))
        self.write_config()

    def write_config(self) -> None:
        """Write node.toml."""
        write_durably(self.root / CONFIG, encode_config(self.config))

    # where things are

    def key_path(self, name: str) -> Path:
        """Return the path of the key `account`, `tls`, `consensus`, `release` (for models) or
        `ledger` (the engine's key, if there is an engine)."""
        return self.root / "keys" / f"{name}.pem"

    @property
    def certificate_path(self) -> Path:
        return self.root / "keys" / "tls.crt"

    @property
    def is_networked(self) -> bool:
        """Whether its ledger is networked, i.e. replicated over several machines."""
        return self.config.ledger == COMETBFT

    @property
    def engine_path(self) -> Path:
        """The folder of the ledger's engine, if there is one."""
        return self.root / "ledger"

    @property
    def genesis_path(self) -> Path:
        """Path at which the founding hospital keeps the genesis for the other founders."""
        return self.root / "genesis.json"

    @property
    def ledger_path(self) -> Path:
        return self.engine_path if self.is_networked else self.root / self.config.ledger

    @property
    def blobs_path(self) -> Path:
        return self.root / "blobs"

    @property
    def documents_path(self) -> Path:
        """The documents of studies: their code, and the votes that allow them."""
        return self.root / "documents"

    def state_path(self, name: str) -> Path:
        """Return the path of a file in the node's journal."""
        return self.root / "state" / name

    def is_forgotten(self, study: str) -> bool:
        """Return whether this hospital has forgotten a study that is over."""
        return self.state_path(f"{study}.forgotten").exists()

    def mark_forgotten(self, study: str) -> None:
        """Exclude the node from a study that is over, from now on; on disk when this returns."""
        write_durably(self.state_path(f"{study}.forgotten"), b"")

    def forgotten(self) -> list[str]:
        """Return the studies that are marked as forgotten."""
        return sorted(path.stem for path in (self.root / "state").glob("*.forgotten"))

    @property
    def sent_path(self) -> Path:
        """The record of what left this hospital."""
        return self.state_path("sent.jsonl")

    def run_path(self, name: str) -> Path:
        """Return the path of a file that is valid only while a process runs."""
        return self.root / "run" / name

    def local_path(self, study: str) -> Path:
        """Return the path of a trainer's private folder for a study."""
        return self.root / "local" / study

    # keys

    def key(self, name: str) -> keys.PrivateKey:
        """Load an ed25519 key."""
        return keys.PrivateKey.load(self.key_path(name))
