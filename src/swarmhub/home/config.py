"""Configuration of a home (node.toml), and the names and addresses in it.

The format number is raised if older versions of swarmhub cannot read the home.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmhub.contract.consortium.cards import DIALS_OUT
from swarmhub.contract.names import find_address_fault, find_name_fault
from swarmhub.errors import BadInput, HomeError
from swarmhub.home.tracking import parse_track
from swarmhub.logs import FORMATS
from swarmhub.transport.relay.streams import relays_of

FORMAT = 1
CONFIG = "node.toml"
COMETBFT = "cometbft"
MAX_PORT = 65_535
HIDDEN = "127.0.0.1:7400"  # listening address of a host behind relays
HUB_KEYS = ("hub_listen", "hub_names", "hub_prefix", "hub_user", "hub_data")
CATALOGUE_KEYS = (  # what the catalogue of studies says of this hospital, and no ledger has
    "catalogue_contact",
    "catalogue_legislation",
    "catalogue_hdab",
    "catalogue_hdab_contact",
    "catalogue_categories",
    "catalogue_legal_basis",
)
CATALOGUE_PLACES = ("catalogue_contact", "catalogue_hdab_contact")
HUB_OFF = "off"
DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,15})?([eE]-[0-9]{1,2})?")
WEB = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{3,500}")
IRI = re.compile(rf"mailto:[A-Za-z0-9._%+-]{{1,64}}@[A-Za-z0-9.-]{{1,250}}|{WEB.pattern}")
HEALTH_CATEGORIES = (  # of the vocabulary of HealthDCAT-AP, which follows Article 51
    "DIOH", "EHCT", "EHRS", "EINS", "EMRD", "HGPD", "HPML", "HRAD", "IDHP", "MRMR", "NRPE",
    "PGEH", "PHDR", "RMMD", "RPDG", "RQSH", "WELA",
)  # fmt: skip
NEEDED_KEYS = ("name", "ledger", "address", "listen")
LOG_KEYS = ("log_format", "track")
BUDGET_KEYS = ("budget_epsilon", "budget_delta", "budget_per")
OPTIONAL_KEYS = (
    "ledger_address", "ledger_listen", "health_listen", *HUB_KEYS, *LOG_KEYS, *BUDGET_KEYS,
    *CATALOGUE_KEYS,
)  # fmt: skip
NUMBERS = {  # settings of a networked ledger, with their minimum and maximum
    "gossip_ms": (1, 1_000),
    "commit_ms": (0, 60_000),
    "propose_ms": (100, 60_000),
    "keep_blocks": (0, 1 << 40),
}
KNOWN_KEYS = ("format", *NEEDED_KEYS, *OPTIONAL_KEYS, *NUMBERS)


@dataclass(frozen=True)
class Config:
    """The operator's settings. `ledger` is a path, absolute or relative to the home, for a ledger
    that the nodes of one machine share, or "cometbft"."""

    name: str  # of the hospital
    ledger: str  # the path of a file for one machine, or "cometbft"
    address: str  # host:port under which the other members reach this node
    listen: str  # host:port on which it listens
    ledger_address: str = ""  # host:port under which the others reach the engine
    ledger_listen: str = ""  # where the engine listens
    health_listen: str = ""  # host:port on which GET /health and /metrics answer, for monitoring
    hub_listen: str = ""  # host:port of the pages; "off"; "": the loopback, from port 7490 on
    hub_names: str = ""  # further host names of the hub, behind a proxy
    hub_prefix: str = ""  # the path before all pages, behind a proxy: "/swarmhub"
    hub_data: str = ""  # the folder of data files that the pages may look at
    hub_user: str = ""  # header in which a trusted proxy names the user
    log_format: str = ""  # "text" or "json"; "": as SWARMHUB_LOG says, or text
    track: str = ""  # where training metrics go: mlflow:URL, mlflow:/FOLDER, tensorboard:/FOLDER
    budget_epsilon: str = ""  # most over all studies with the same data: "5"; "": each study's own
    budget_delta: str = ""  # at this delta: "1e-5"
    budget_per: str = ""  # "data": told apart by their digest; "home": all data of this home
    catalogue_contact: str = ""  # mailto: or https: of those that answer questions about the data
    catalogue_legislation: str = ""  # addresses (ELI) of the laws that apply, separated by spaces
    catalogue_hdab: str = ""  # name of the health data access body
    catalogue_hdab_contact: str = ""  # mailto: or https: of that body
    catalogue_categories: str = ""  # of Article 51 of the EHDS regulation: "EHRS HPML"
    catalogue_legal_basis: str = ""  # legal basis of the processing, in words
    gossip_ms: int = 5  # pause between two messages to another engine; more on links that are slow
    commit_ms: int = 0  # wait after each block for votes that are late
    propose_ms: int = 400  # wait for a block's proposer, before the next one proposes
    keep_blocks: int = 100_000  # minimum; of older blocks only milestones are kept; 0: keep all


def parse_config(text: str, root: Path) -> Config:
    """Return the configuration in `text`, of the home at `root`. Raises HomeError if it is not
    one, or its format is another one."""
    path = root / CONFIG
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not TOML, or nested too deeply
        raise HomeError(f"Cannot read {path}: {error}.") from None
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
            raise HomeError(f"{path}: unknown key {key[:60]!r}; {hint}")
    texts, numbers = _take_texts(path, found), _take_numbers(path, found)
    known = ("name", "ledger", *HUB_KEYS, *LOG_KEYS, *BUDGET_KEYS, *CATALOGUE_KEYS)
    for key in [k for k in texts if k not in known]:
        check_places(path, key, texts[key])
    check_hub(path, texts)
    check_logs(path, texts)
    check_catalogue(path, texts)
    check_budget(path, texts)
    return Config(**texts, **numbers)


def _take_texts(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    values = {k: found.get(k) for k in NEEDED_KEYS}
    values |= {k: found[k] for k in OPTIONAL_KEYS if k in found}
    for key, value in values.items():
        if not isinstance(value, str) or not value:
            raise HomeError(f"{path}: expected text for '{key}', got {str(value)[:60]!r}.")
    return {k: str(v) for k, v in values.items()}


def _take_numbers(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    numbers = {k: found[k] for k in NUMBERS if k in found}
    for key, value in numbers.items():
        low, high = NUMBERS[key]
        if type(value) is not int or not low <= value <= high:
            raise HomeError(
                f"{path}: expected a number from {low} to {high} for '{key}', got "
                f"{str(value)[:60]!r}."
            )
    return numbers


def encode_config(config: Config) -> bytes:
    """Return the content of node.toml."""
    lines = [f"format = {FORMAT}"]
    usual = Config("", "", "", "")
    values = {key: getattr(config, key) for key in KNOWN_KEYS[1:]}
    values = {key: value for key, value in values.items() if value != getattr(usual, key)}
    lines += [f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in values.items()]
    return ("\n".join(lines) + "\n").encode()


def make_config(name: str, address: str, listen: str, ledger: str) -> Config:
    """Return the configuration of a new home, without the addresses of an engine. Raises BadInput
    if a name or an address is not one."""
    name = read_name(name)
    if not ledger:
        raise BadInput(f"Expected --ledger {COMETBFT} or the path of a file, got ''.")
    relays = relays_of(address)
    for place in relays or [address]:
        parse_address(place)
    if relays:
        listen = listen or HIDDEN
    parse_address(listen or address)
    return Config(name, ledger, address, listen or address)


def add_engine(config: Config, address: str = "", listen: str = "") -> Config:
    """Return the configuration with the addresses of the ledger's engine; those that are not given
    have the ports after the node's own. Raises BadInput if one is not an address."""
    place = address or (DIALS_OUT if relays_of(config.address) else next_port(config.address))
    known = address not in ("", DIALS_OUT)
    listens = listen or (place if known else next_port(config.listen))
    if place != DIALS_OUT:
        parse_address(place)
    parse_address(listens)
    return replace(config, ledger_address=place, ledger_listen=listens)


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


def check_hub(config: Path, texts: dict[str, str]) -> None:
    """Raise HomeError for settings of the hub that cannot be."""
    listen, prefix = texts.get("hub_listen", ""), texts.get("hub_prefix", "")
    if listen not in ("", HUB_OFF):
        check_places(config, "hub_listen", listen)
    if prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", prefix):
        raise HomeError(f"{config}: expected a path such as '/swarmhub' for 'hub_prefix', got "
                        f"{prefix[:60]!r}.")  # fmt: skip
    folder = texts.get("hub_data", "")
    if folder and not Path(folder).is_absolute():
        raise HomeError(f"{config}: expected an absolute path for 'hub_data', got {folder[:60]!r}.")
    header = texts.get("hub_user", "")
    if header and not re.fullmatch(r"[A-Za-z0-9-]{1,60}", header):
        raise HomeError(f"{config}: expected the name of a header for 'hub_user', got "
                        f"{header[:60]!r}.")  # fmt: skip


def check_logs(config: Path, texts: dict[str, str]) -> None:
    """Raise HomeError for settings of logs and training metrics that cannot be."""
    chosen = texts.get("log_format", "")
    if chosen and chosen not in FORMATS:
        raise HomeError(f"{config}: expected 'text' or 'json' for 'log_format', got "
                        f"{chosen[:60]!r}.")  # fmt: skip
    try:
        if track := texts.get("track", ""):
            parse_track(track)
    except BadInput as error:
        raise HomeError(f"{config}: 'track': {error}") from None


def check_catalogue(config: Path, texts: dict[str, str]) -> None:
    """Raise HomeError for settings of the catalogue that cannot be."""
    for key in CATALOGUE_PLACES:
        if key in texts and not IRI.fullmatch(texts[key]):
            raise HomeError(
                f"{config}: expected 'mailto:NAME@HOST' or 'https://...' for '{key}', got "
                f"{texts[key][:60]!r}."
            )
    for law in texts.get("catalogue_legislation", "").split():
        if not WEB.fullmatch(law):
            raise HomeError(
                f"{config}: expected addresses such as "
                "'http://data.europa.eu/eli/reg/2025/327/oj' for 'catalogue_legislation', got "
                f"{law[:60]!r}."
            )
    for category in texts.get("catalogue_categories", "").split():
        if category not in HEALTH_CATEGORIES:
            raise HomeError(
                f"{config}: expected codes of {', '.join(HEALTH_CATEGORIES)} for "
                f"'catalogue_categories', got {category[:60]!r}."
            )


def check_budget(config: Path, texts: dict[str, str]) -> None:
    """Raise HomeError for settings of the privacy budget that cannot be."""
    for key, most in (("budget_epsilon", 100.0), ("budget_delta", 1e-3)):
        text = texts.get(key, "")
        value = float(text) if DECIMAL.fullmatch(text) else 0.0
        if text and not 0.0 < value <= most:
            raise HomeError(
                f"{config}: expected a number above 0 and up to {most:g}, in quotes, for '{key}', "
                f"got {text[:60]!r}."
            )
    per = texts.get("budget_per", "")
    if per not in ("", "data", "home"):
        raise HomeError(f"{config}: expected 'data' or 'home' for 'budget_per', got {per[:60]!r}.")


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
