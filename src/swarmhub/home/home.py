"""A node's home directory, with all files of one hospital's node.

    node.toml      name, ledger, address, listening address      keys/    never leave this home
    blobs/         parameter buffers                              state/   journal, last head seen
    local/         trainers' private state                        run/     lock, local API, leases
    logs/                                                         ledger/  state, engine (if any)

The format number in node.toml is raised if older versions of swarmhub cannot read the home.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
import os
import tomllib
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmhub import codec, keys
from swarmhub.contract.consortium.cards import DIALS_OUT
from swarmhub.contract.names import find_address_fault, find_name_fault
from swarmhub.contract.records import Card, Member, get_members
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import card_message
from swarmhub.errors import BadInput, HomeError
from swarmhub.failpoints import failpoint
from swarmhub.files import seal, shut_out_others, unseal, write_durably, write_whole
from swarmhub.ledger.cometbft import compute_peer_id
from swarmhub.transport.relay.streams import relays_of
from swarmhub.types import CARD_DOMAIN

FORMAT = 1
FOLDERS = ("keys", "blobs", "state", "local", "run", "logs")
CONFIG = "node.toml"
COMETBFT = "cometbft"
MAX_PORT = 65_535
HIDDEN = "127.0.0.1:7400"  # listening address of a host behind relays
ROTATABLE = ("account", "tls", "consensus", "ledger")
NEEDED_KEYS = ("name", "ledger", "address", "listen")
OPTIONAL_KEYS = ("ledger_address", "ledger_listen", "health_listen")
NUMBERS = {  # settings of a networked ledger, with their minimum and maximum
    "gossip_ms": (1, 1_000),
    "commit_ms": (0, 60_000),
    "propose_ms": (100, 60_000),
    "keep_blocks": (0, 1 << 40),
}
KNOWN_KEYS = ("format", *NEEDED_KEYS, *OPTIONAL_KEYS, *NUMBERS)

log = logging.getLogger("swarmhub.home")


@dataclass(frozen=True)
class Config:
    """The operator's settings. `ledger` is a path, absolute or relative to the home, for a ledger
    that the nodes of one machine share, or "cometbft"."""

    name: str
    ledger: str
    address: str  # host:port under which the other members reach this node
    listen: str  # host:port on which it listens
    ledger_address: str = ""  # the same two for the ledger's engine, if there is one
    ledger_listen: str = ""
    health_listen: str = ""  # host:port on which GET /health answers, for monitoring
    gossip_ms: int = 5  # pause between two messages to another engine; more on links that are slow
    commit_ms: int = 0  # wait after each block for votes that are late
    propose_ms: int = 400  # wait for a block's proposer, before the next one proposes
    keep_blocks: int = 100_000  # minimum; of older blocks only milestones are kept; 0: keep all


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
        name = read_name(name)
        if not ledger:
            raise BadInput(f"Expected --ledger {COMETBFT} or the path of a file, got ''.")
        relays = relays_of(address)
        for place in relays or [address]:
            parse_address(place)
        if relays:
            listen = listen or HIDDEN
        parse_address(listen or address)
        if (root / CONFIG).exists():
            raise HomeError(f"There is a home at {root} already; choose another --home.")
        config = Config(name, ledger, address, listen or address)
        if ledger == COMETBFT:
            place = ledger_address or (DIALS_OUT if relays else next_port(address))
            known = ledger_address not in ("", DIALS_OUT)
            listens = ledger_listen or (place if known else next_port(config.listen))
            config = replace(config, ledger_address=place, ledger_listen=listens)
            if place != DIALS_OUT:
                parse_address(place)
            parse_address(listens)
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
        return cls.parse(text, root)

    @classmethod
    def parse(cls, text: str, root: Path) -> Home:
        """Return a home with the configuration in `text`. Raises HomeError as `open` does."""
        try:
            found = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # not TOML, or nested too deeply
            raise HomeError(f"Cannot read {root / CONFIG}: {error}.") from None
        if found.get("format") != FORMAT:
            came = repr(str(found["format"])[:60]) if "format" in found else "none"
            raise HomeError(
                f"Expected a home of format {FORMAT} at {root}, got {came}; "
                "use the swarmhub version that made it, or make a new home."
            )
        for key in found:
            if key not in KNOWN_KEYS:
                near = difflib.get_close_matches(key, KNOWN_KEYS, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(KNOWN_KEYS)}."
                raise HomeError(f"{root / CONFIG}: unknown key {key[:60]!r}; {hint}")
        values = {k: found.get(k) for k in NEEDED_KEYS}
        values |= {k: found[k] for k in OPTIONAL_KEYS if k in found}
        for key, value in values.items():
            if not isinstance(value, str) or not value:
                raise HomeError(
                    f"{root / CONFIG}: expected text for '{key}', got {str(value)[:60]!r}."
                )
        numbers = {k: found[k] for k in NUMBERS if k in found}
        for key, value in numbers.items():
            low, high = NUMBERS[key]
            if type(value) is not int or not low <= value <= high:
                raise HomeError(
                    f"{root / CONFIG}: expected a number from {low} to {high} for '{key}', got "
                    f"{str(value)[:60]!r}."
                )
        texts: dict[str, Any] = {k: str(v) for k, v in values.items()}
        for key in [k for k in texts if k not in ("name", "ledger")]:
            check_places(root / CONFIG, key, texts[key])
        return cls(root, Config(**texts, **numbers))

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
        lines = [f"format = {FORMAT}"]
        usual = Config("", "", "", "")
        values = {key: getattr(self.config, key) for key in KNOWN_KEYS[1:]}
        values = {key: value for key, value in values.items() if value != getattr(usual, key)}
        lines += [f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in values.items()]
        write_durably(self.root / CONFIG, ("\n".join(lines) + "\n").encode())

    # where things are

    def key_path(self, name: str) -> Path:
        """Return the path of the key `account`, `tls`, `consensus` or `ledger` (the engine's key,
        if there is an engine)."""
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
        """Load a private key."""
        return keys.PrivateKey.load(self.key_path(name))

    def card(self, rotated: Collection[str] = ()) -> Card:
        """Return this hospital's signed card; `rotated` names the keys of which it has the new
        ones."""

        def shown(name: str, path: Path) -> Path:
            new = next_to(path)
            return new if name in rotated and new.exists() else path

        def key(name: str) -> keys.PrivateKey:
            return keys.PrivateKey.load(shown(name, self.key_path(name)))

        account, ledger = key("account"), ""
        if self.is_networked:
            ledger = f"{compute_peer_id(key('ledger').public)}@{self.config.ledger_address}"
        unsigned = Card(
            name=self.config.name,
            account=account.public,
            tls=_read_certificate(shown("tls", self.certificate_path)).hex(),
            consensus=key("consensus").public,
            address=self.config.address,
            ledger=ledger,
        )
        signature = account.sign(CARD_DOMAIN, card_message(unsigned))
        return Card(**{**codec.to_json(unsigned), "signature": signature})

    def begin_rotation(self, names: Iterable[str]) -> keys.PrivateKey:
        """Create new keys of these names beside those in use; keys of an interrupted rotation are
        kept. Returns the account key after the rotation."""
        self.mend_rotation()
        names = list(names)
        for name in names:
            if name == "ledger" and not self.is_networked:
                continue
            path = next_to(self.key_path(name))
            if not path.exists():
                keys.PrivateKey().save(path)
            if name == "tls":
                made = keys.make_certificate(keys.PrivateKey.load(path))
                write_durably(next_to(self.certificate_path), keys.to_pem(made).encode())
        account = self.key_path("account")
        return keys.PrivateKey.load(next_to(account) if "account" in names else account)

    def new_keys(self, state: Reader) -> dict[str, Member]:
        """Return the new keys that are on the ledger but not yet in use: name to member record."""
        members = get_members(state)
        owners: dict[str, dict[str | None, Member]] = {
            "account": {m.account: m for m in members},
            "tls": {keys.read_public(bytes.fromhex(m.tls)): m for m in members if m.tls},
            "consensus": {m.consensus: m for m in members},
            "ledger": {m.ledger.partition("@")[0]: m for m in members},
        }
        found = {}
        for name in ROTATABLE:
            path = next_to(self.key_path(name))
            if not path.exists():
                continue
            try:
                public = keys.PrivateKey.load(path).public
            except HomeError:
                if path.exists():
                    raise
                continue  # a command or the node was faster
            owner = owners[name].get(compute_peer_id(public) if name == "ledger" else public)
            if owner is not None:
                found[name] = owner
        return found

    def finish_rotation(self, state: Reader) -> list[str]:
        """Put the new keys that are on the ledger in use; returns their names. May be called twice,
        or by a command and the node at the same time."""
        done = list(self.new_keys(state))
        for name in done:
            self.put_in_place(name)
        return done

    def is_rotating(self) -> bool:
        """Whether there are new keys beside those in use."""
        return any(next_to(self.key_path(name)).exists() for name in ROTATABLE)

    def keys_changed_ns(self) -> int:
        """Return the modification time of the folder of keys: a cheap sign that `is_rotating` may
        differ. 0 if the folder cannot be read."""
        try:
            return os.stat(f"{self.root}/keys").st_mtime_ns
        except OSError:
            return 0

    def newest_ledger_key(self) -> keys.PrivateKey | None:
        """Return the engine's newest key, registered or not; None if it cannot be read now."""
        path = self.key_path("ledger")
        for place in (next_to(path), path):  # the first may be renamed to the second meanwhile
            with contextlib.suppress(HomeError):
                return keys.PrivateKey.load(place)
        return None

    def put_in_place(self, name: str) -> None:
        """Put the new key (and certificate) of this name in use."""
        paths = [self.certificate_path] if name == "tls" else []
        for path in [*paths, self.key_path(name)]:  # the key last: it marks unfinished work
            with contextlib.suppress(FileNotFoundError):
                next_to(path).replace(path)

    def mend_rotation(self) -> None:
        """Complete a rotation that a crash interrupted between the new certificate and its key."""
        new = next_to(self.key_path("tls"))
        with contextlib.suppress(HomeError, BadInput):  # nothing to repair, or not here
            shown = keys.read_public(_read_certificate(self.certificate_path))
            if new.exists() and shown == keys.PrivateKey.load(new).public:
                new.replace(self.key_path("tls"))

    def identity(self) -> tuple[bytes, ...]:
        """Return the content of the key files; it differs after a rotation."""
        paths = [*(self.key_path(name) for name in ROTATABLE), self.certificate_path]
        return tuple(path.read_bytes() for path in paths if path.exists())

    # the last head seen

    def last_head(self) -> tuple[int, str] | None:
        """Return the last (height, block id) that this node saw, kept outside the ledger's file.
        Raises HomeError if its file is damaged."""
        path = self.state_path("head")
        try:
            found = codec.parse(unseal(path.read_bytes()) or b"")
            return int(found["height"]), str(found["id"])
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError, BadInput):
            raise HomeError(
                f"The file {path} was damaged and is left aside; whether the ledger was rolled "
                "back cannot be told this time."
            ) from None

    def last_head_if_whole(self) -> tuple[int, str] | None:
        """Return the same for a command; if the file is damaged, log that and return None."""
        try:
            return self.last_head()
        except HomeError as error:
            log.warning("%s", error)
            return None

    def save_head(self, height: int, block: str) -> None:
        """Store the head. Not synced: after a power cut an older head may be read."""
        path = self.state_path("head")
        write_whole(path, seal(codec.encode({"height": height, "id": block})))
        failpoint("head.saved")


def next_to(path: Path) -> Path:
    """Return the path of the key or certificate that will replace the one at `path`."""
    return path.with_suffix(f".next{path.suffix}")


def _read_certificate(path: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError):
        raise HomeError(f"Cannot read {path}; restore the home.") from None


def next_port(address: str) -> str:
    """Return an address with the same host and the next port."""
    host, port = parse_address(address)
    if port == MAX_PORT:
        raise BadInput(
            f"Expected a port below {MAX_PORT}, because the ledger uses the next one, got "
            f"{address!r}; choose another, or give --ledger-address."
        )
    return f"{host}:{port + 1}"


def check_places(config: Path, key: str, text: str) -> None:
    """Raise HomeError if a setting of a home is not an address (or addresses of relays)."""
    places = relays_of(text) or [text]
    try:
        for place in [] if text == DIALS_OUT else places:
            parse_address(place)
    except BadInput as error:
        raise HomeError(f"{config}: '{key}': {error}") from None


def read_name(name: str) -> str:
    """Return a hospital's or consortium's name in composed form (some systems type é as two
    characters). Raises BadInput if it is not a valid name."""
    name = unicodedata.normalize("NFC", name)
    if fault := find_name_fault(name):
        raise BadInput(f"Expected {fault}, for a name; got {name[:80]!r}.")
    return name


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`, with IPv6 addresses in brackets. Raises BadInput if
    `text` is not an address."""
    if fault := find_address_fault(text):
        raise BadInput(f"Expected {fault}, for an address; got {text[:80]!r}.")
    host, _, port = text.rpartition(":")
    return host, int(port)
