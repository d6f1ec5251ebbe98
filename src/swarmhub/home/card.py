"""A hospital's card: its name, public keys and addresses, as other members see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from swarmhub import keys
from swarmhub.contract.records import Card
from swarmhub.contract.transactions import card_message
from swarmhub.contract.versions import known
from swarmhub.errors import HomeError
from swarmhub.home.home import Home
from swarmhub.ledger.cometbft import compute_peer_id
from swarmhub.types import CARD_DOMAIN


def make_card(home: Home, rotated: Collection[str] = ()) -> Card:
    """Return the signed card of a home's hospital; `rotated` names the keys of which it has the
    new ones."""

    def shown(name: str, path: Path) -> Path:
        new = next_to(path)
        return new if name in rotated and new.exists() else path

    def key(name: str) -> keys.PrivateKey:
        return keys.PrivateKey.load(shown(name, home.key_path(name)))

    account, ledger = key("account"), ""
    if home.is_networked:
        ledger = f"{compute_peer_id(key('ledger').public)}@{home.config.ledger_address}"
    unsigned = Card(
        name=home.config.name,
        account=account.public,
        tls=read_certificate(shown("tls", home.certificate_path)).hex(),
        consensus=key("consensus").public,
        address=home.config.address,
        ledger=ledger,
        release=keys.ReleaseKey.load(shown("release", home.key_path("release"))).public,
        versions=known(),
    )
    return replace(unsigned, signature=account.sign(CARD_DOMAIN, card_message(unsigned)))


def next_to(path: Path) -> Path:
    """Return the path of the key or certificate that will replace the one at `path`."""
    return path.with_suffix(f".next{path.suffix}")


def read_certificate(path: Path) -> bytes:
    """Return a certificate (DER). Raises HomeError if it cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError):
        raise HomeError(f"Cannot read {path}; restore the home.") from None
