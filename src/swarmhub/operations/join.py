"""Joining a consortium on a networked ledger, with an invitation token."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub import codec, keys
from swarmhub.clock import wall_clock_ms
from swarmhub.contract.execution import compute_chain_id
from swarmhub.contract.records import read_genesis_json
from swarmhub.contract.transactions import Apply, Rotate
from swarmhub.errors import BadInput, PeerError, plain
from swarmhub.home import bootstrap
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.invitations import InvitationToken
from swarmhub.ledger import sign_transaction
from swarmhub.ledger.cometbft import create_comet_ledger, read_genesis
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.node.sent import SentBook, sent_of
from swarmhub.operations.ledger_client import make_application
from swarmhub.transport.join_client import JoinClient, JoinEndpoint


@dataclass(frozen=True)
class Joined:
    """The outcome of `join`."""

    chain: str
    motion: int
    fingerprint: str  # of this hospital's account key, to be read out over the telephone


async def join(home: Home, token: InvitationToken) -> Joined:
    """Ask a member for the consortium's genesis, create a ledger with it in this home, and apply.
    Raises BadInput if the invitation is not valid (any more)."""
    _check_ticket(token)
    with _guest(home, token) as joiner:
        try:
            found = await joiner.ask()
        except PeerError as error:
            raise BadInput(
                f"No member of {token.chain} lets this invitation in ({error}); if this hospital "
                "has applied with it already, go on with 'swarmhub up', else ask for a new one."
            ) from None
        genesis = read_genesis_json(found.get("genesis"))
        same = hashlib.sha256(codec.pack(genesis)).hexdigest() == token.genesis
        if not same or compute_chain_id(genesis) != token.chain:
            raise BadInput("The member's consortium is not the one that the invitation is for.")
        home.use_cometbft()
        if not (home.engine_path / STATE_FILE).exists():
            create_comet_ledger(home.engine_path, genesis)
        elif read_genesis(home.engine_path) != genesis:
            raise BadInput(
                f"This home is of another consortium; make one for {token.chain} with 'swarmhub "
                "init'."
            )
        bootstrap.note(home, token, bootstrap.read_engines(found))
        account = home.key("account")
        body = make_application(make_card(home), token)
        result = await _hand_in(joiner, body, token, home)
    motion = result.get("motion")
    if type(motion) is not int:
        raise BadInput("The member's answer does not name a motion; ask it whether it has yours.")
    return Joined(token.chain, motion, account.public[:32])


async def come_back(home: Home, token: InvitationToken, rotation: Rotate) -> None:
    """Submit a member's new keys with another member's invitation, if no member accepts the old
    ones. Raises BadInput if the contract refuses."""
    _check_ticket(token)
    with _guest(home, token) as joiner:
        await _hand_in(joiner, rotation, token, home)


def _check_ticket(token: InvitationToken) -> None:
    if token.ledger != COMETBFT or not token.doors:
        raise BadInput(
            "The invitation is for a ledger that is shared on one machine; use it there with "
            "'swarmhub consortium apply'."
        )
    if token.expires_ms < wall_clock_ms():
        raise BadInput(f"The invitation of {token.sponsor} has expired; ask for a new one.")


async def _hand_in(
    joiner: JoinClient, body: Apply | Rotate, token: InvitationToken, home: Home
) -> dict[str, Any]:
    tx = sign_transaction(body, token.chain, wall_clock_ms(), home.key("account"))
    SentBook(home.sent_path).append(sent_of(body, len(tx)))
    try:
        result = await joiner.hand_in(tx)
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
def _guest(home: Home, token: InvitationToken) -> Iterator[JoinClient]:
    with tempfile.TemporaryDirectory(dir=home.root / "run") as name:
        folder = Path(name)
        try:
            secret = keys.PrivateKey(bytes.fromhex(token.secret))
            certificate = bytes.fromhex(token.certificate)
            doors = [(d.address, bytes.fromhex(d.tls)) for d in token.doors]
            secret.save(folder / "key.pem")
            (folder / "joiner.crt").write_text(keys.to_pem(certificate))
            places = [JoinEndpoint(address, tls.hex()) for address, tls in doors if len(tls) == 32]
            joiner = JoinClient(places, folder / "joiner.crt", folder / "key.pem")
        except (ValueError, OSError):  # an SSLError is an OSError
            raise BadInput("The invitation is damaged; ask for a new one.") from None
        yield joiner
