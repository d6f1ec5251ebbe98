"""Joining a consortium whose members have machines of their own, with an invitation's token."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub import codec, keys
from swarmhub.contract.execution import compute_chain_id
from swarmhub.contract.records import read_genesis_json
from swarmhub.contract.transactions import Apply, Rotate
from swarmhub.errors import BadInput, PeerError, plain
from swarmhub.home import bootstrap
from swarmhub.home.home import COMETBFT, Home
from swarmhub.home.invitations import InvitationToken
from swarmhub.ledger import sign_transaction
from swarmhub.ledger.cometbft import create_comet_ledger, read_genesis
from swarmhub.ledger.cometbft.engine import STATE_FILE
from swarmhub.ledger.sqlite.driver import wall_clock_ms
from swarmhub.node.sent import SentBook, sent_of
from swarmhub.operations.client import make_application
from swarmhub.transport.join_client import JoinClient, JoinEndpoint


@dataclass(frozen=True)
class Joined:
    """What came of it."""

    chain: str
    motion: int
    fingerprint: str  # of this hospital's account key: read it out over the telephone


async def join(home: Home, ticket: InvitationToken) -> Joined:
    """Learn the consortium's genesis from a member, begin a ledger with it in this home, and
    apply. BadInput where the invitation is not good (any more)."""
    _check_ticket(ticket)
    with _guest(home, ticket) as guest:
        try:
            found = await guest.ask()
        except PeerError as error:
            raise BadInput(
                f"No member of {ticket.chain} lets this invitation in ({error}); if this hospital "
                "has applied with it already, go on with 'swarmhub up', else ask for a new one."
            ) from None
        genesis = read_genesis_json(found.get("genesis"))
        same = hashlib.sha256(codec.pack(genesis)).hexdigest() == ticket.genesis
        if not same or compute_chain_id(genesis) != ticket.chain:
            raise BadInput("The member's consortium is not the one that the invitation is for.")
        home.use_cometbft()
        if not (home.engine_path / STATE_FILE).exists():
            create_comet_ledger(home.engine_path, genesis)
        elif read_genesis(home.engine_path) != genesis:
            raise BadInput(
                f"This home is of another consortium; make one for {ticket.chain} with 'swarmhub "
                "init'."
            )
        bootstrap.note(home, ticket, bootstrap.read_engines(found))
        account = home.key("account")
        body = make_application(home.card(), ticket)
        result = await _hand_in(guest, body, ticket, home)
    motion = result.get("motion")
    if type(motion) is not int:
        raise BadInput("The member's answer does not name a motion; ask it whether it has yours.")
    return Joined(ticket.chain, motion, account.public[:32])


async def come_back(home: Home, ticket: InvitationToken, rotation: Rotate) -> None:
    """Hand in a member's new keys with another member's invitation, where nobody lets in its old
    ones any more. BadInput where the contract refuses."""
    _check_ticket(ticket)
    with _guest(home, ticket) as guest:
        await _hand_in(guest, rotation, ticket, home)


def _check_ticket(ticket: InvitationToken) -> None:
    if ticket.ledger != COMETBFT or not ticket.doors:
        raise BadInput(
            "The invitation is for a ledger that is shared on one machine; use it there with "
            "'swarmhub consortium apply'."
        )
    if ticket.expires_ms < wall_clock_ms():
        raise BadInput(f"The invitation of {ticket.sponsor} has expired; ask for a new one.")


async def _hand_in(
    guest: JoinClient, body: Apply | Rotate, ticket: InvitationToken, home: Home
) -> dict[str, Any]:
    tx = sign_transaction(body, ticket.chain, wall_clock_ms(), home.key("account"))
    SentBook(home.sent_path).append(sent_of(body, len(tx)))
    try:
        result = await guest.hand_in(tx)
    except PeerError as error:
        raise BadInput(
            f"No member took it to the ledger ({error}); try again, or ask for a new invitation if "
            "this one was used."
        ) from None
    if result.get("code") != "ok":
        code, message = plain(result.get("code")), plain(result.get("message"))
        raise BadInput(f"The contract refused ({code}): {message}")
    return result


@contextlib.contextmanager
def _guest(home: Home, ticket: InvitationToken) -> Iterator[JoinClient]:
    with tempfile.TemporaryDirectory(dir=home.root / "run") as name:
        folder = Path(name)
        try:
            secret = keys.PrivateKey(bytes.fromhex(ticket.secret))
            certificate = bytes.fromhex(ticket.certificate)
            doors = [(d.address, bytes.fromhex(d.tls)) for d in ticket.doors]
            secret.save(folder / "key.pem")
            (folder / "guest.crt").write_text(keys.to_pem(certificate))
            places = [JoinEndpoint(address, tls.hex()) for address, tls in doors if len(tls) == 32]
            guest = JoinClient(places, folder / "guest.crt", folder / "key.pem")
        except (ValueError, OSError):  # an SSLError is an OSError
            raise BadInput("The invitation is damaged; ask for a new one.") from None
        yield guest
