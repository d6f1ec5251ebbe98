"""Cards of members and applicants: their form, and the values that no two members share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from swarmhub.contract.consortium.misbehaviour import check_never_replaced
from swarmhub.contract.consortium.motions import get_motions
from swarmhub.contract.consortium.upgrades import check_versions
from swarmhub.contract.context import Context
from swarmhub.contract.names import (
    MAX_RELAYS,
    check_name,
    find_address_fault,
    fold_address,
    fold_name,
    is_address,
    is_behind_relays,
)
from swarmhub.contract.records import Card, Member, get_members
from swarmhub.contract.refusals import AlreadyDone, BadValue
from swarmhub.contract.transactions import card_message
from swarmhub.types import CARD_DOMAIN

MAX_CERTIFICATE_BYTES = 2048
P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1  # y^2 = x^3 - 3x + b modulo p (FIPS 186)
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
DIALS_OUT = "-"  # in a ledger's address: nobody can connect to this engine; it connects to others


class Claim(NamedTuple):
    """One thing that belongs to one member alone."""

    kind: str  # as a refusal names it
    value: str  # as it is compared


def check_card(ctx: Context, card: Card, member: Member | None = None) -> None:
    """Refuse a card that is malformed, unsigned, or collides with another member's."""
    check_name(card.name)
    if not is_key(card.account) or not is_key(card.consensus):
        raise BadValue("account", "public keys of 64 hex digits", card.account)
    if not is_release_key(card.release):
        raise BadValue("release", "a point of P-256, compressed, in hex", card.release)
    if not 0 < len(card.tls) <= 2 * MAX_CERTIFICATE_BYTES or not is_hex(card.tls):
        raise BadValue("tls", "a certificate of at most 2 KiB in hex", card.tls[:16])
    if card.address[:1] == "@":
        if not is_behind_relays(card.address):
            raise BadValue("address", f"@host:port of 1 to {MAX_RELAYS} relays", card.address)
    elif fault := find_address_fault(card.address):
        raise BadValue("address", fault, card.address)
    node, _, place = card.ledger.partition("@")
    known = len(node) == 40 and is_hex(node) and (is_address(place) or place == DIALS_OUT)
    if card.ledger and not known:
        raise BadValue("ledger", "ID@host:port with an ID of 40 hex digits", card.ledger)
    check_versions(card.versions)
    if not ctx.env.verify(card.account, CARD_DOMAIN, card_message(card), card.signature):
        raise BadValue("signature", "the card signed by its account key", card.signature[:16])
    ours = get_claims(card)
    for other in get_members(ctx.state):
        if member is not None and other.id == member.id:
            continue
        common = find_common(ours, get_claims(other))
        if common is None:
            continue
        if common.kind == "name":
            raise AlreadyDone(
                f"a member is named {other.name!r}; choose a name that looks different"
            )
        if common.kind == "address":
            raise AlreadyDone(f"member {other.id} is at {common.value}; give another address")
        raise AlreadyDone(f"the {common.kind} of the card belongs to member {other.id}")
    if member is None or card.consensus != member.consensus:
        check_never_replaced(ctx, card.consensus)


def check_applicants(ctx: Context, card: Card, member: Member) -> None:
    """Refuse a rotation to a value that an applicant of an open motion has: otherwise any member
    could keep the applicant out."""
    taken = [c for c in get_claims(card) if c not in get_claims(member)]
    for motion in get_motions(ctx.state):
        common = find_common(taken, get_claims(motion.applicant)) if motion.applicant else None
        if common is not None:
            raise AlreadyDone(
                f"the {common.kind} of the card belongs to the applicant of motion {motion.id}"
            )


def get_claims(card: Card | Member) -> list[Claim]:
    """Return the values of a card, or of a member, that no other member may have."""
    engine, _, place = card.ledger.partition("@")
    own = "" if card.address[:1] == "@" else card.address  # several members may share relays
    claims = [
        Claim("name", fold_name(card.name)),
        Claim("account key", card.account),
        *(Claim("address", _say(a)) for a in (own, place) if a not in ("", DIALS_OUT)),
        Claim("certificate", card.tls),
        Claim("consensus key", card.consensus),
        Claim("ledger ID", engine),
        Claim("release key", card.release),
    ]
    return [claim for claim in claims if claim.value]


def find_common(ours: Iterable[Claim], theirs: Iterable[Claim]) -> Claim | None:
    """Return the first of our claims that is among theirs; None if there is none."""
    theirs = list(theirs)
    return next((claim for claim in ours if claim in theirs), None)


def _say(address: str) -> str:
    host, port = fold_address(address)
    return f"{host}:{port}"


def is_hex(text: str) -> bool:
    """Return whether a text is whole bytes in lower-case hex."""
    return len(text) % 2 == 0 and all(c in "0123456789abcdef" for c in text)


def is_release_key(text: str) -> bool:
    """Return whether a text is a point of the curve P-256, compressed (SEC 1, 2.3.3), in hex."""
    if len(text) != 66 or text[:2] not in ("02", "03") or not is_hex(text):
        return False
    x = int(text[2:], 16)
    square = (x * x * x - 3 * x + P256_B) % P256_P
    return x < P256_P and pow(square, (P256_P - 1) // 2, P256_P) == 1  # Euler's criterion


def is_key(text: str) -> bool:
    """Return whether a text is a public key: 32 bytes in hex."""
    return len(text) == 64 and is_hex(text)
