"""Operations of a member that need no running node: read the ledger, sign, submit, wait."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import Result
from swarmhub.contract.events import AdmissionMoved
from swarmhub.contract.records import (
    INVITATION,
    SPEC,
    Card,
    Genesis,
    Member,
    Spec,
    read_genesis_json,
)
from swarmhub.contract.transactions import (
    Amend,
    Apply,
    Approve,
    Enrol,
    Invite,
    Propose,
    Refuse,
    Release,
    Revoke,
    Rotate,
    Vote,
    card_message,
)
from swarmhub.contract.versions import known
from swarmhub.errors import BadInput, LedgerError, Malformed
from swarmhub.files import without_mark, write_durably
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.home.invitations import MAX_ENDPOINTS, Endpoint, InvitationToken, fingerprint_of
from swarmhub.home.ledgers import DeskLedger, found_ledger, open_for_desk
from swarmhub.home.record_log import RecordLog
from swarmhub.keys import PrivateKey, issue_certificate
from swarmhub.ledger import SqliteLedger, advance_block_time, sign_transaction
from swarmhub.ledger.base import Listener
from swarmhub.ledger.blocks import MAX_GENESIS_BYTES
from swarmhub.ledger.cometbft import read_genesis
from swarmhub.node.sent import SentBook, sent_of
from swarmhub.operations import acting
from swarmhub.operations.acting import Acted, name_person, open_acts
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.privacy_budget import check_budget_terms
from swarmhub.transport.relay.streams import relays_of
from swarmhub.types import INVITE_DOMAIN, ROTATE_DOMAIN

RESULT_TIMEOUT_S = 60.0
FORGOTTEN_S = 3.0  # a restarted engine has lost its mempool

log = logging.getLogger("swarmhub.client")


class LedgerClient(LedgerView):
    """An open ledger and an account key: reads, signs and submits for one hospital."""

    def __init__(
        self,
        ledger: DeskLedger,
        account: PrivateKey,
        sent: SentBook | None = None,
        acts: RecordLog[Acted] | None = None,
    ) -> None:
        super().__init__(ledger, account.public)
        self.account = account
        self.sent = sent  # records what it submits
        self.acts = acts  # records for whom

    async def submit(self, body: Any) -> Result:
        """Sign, submit, wait. Raises BadInput with the contract's sentence if it refuses, and if
        the noise of terms does not suffice for their budget, which no contract can reckon."""
        self._check_budget(body)
        await advance_block_time(self.ledger, self.account)
        now_ms = self.ledger.estimate_ms()
        tx = sign_transaction(body, self.ledger.tip.chain_id, now_ms, self.account)
        if self.sent is not None:
            try:
                self.sent.append(sent_of(body, len(tx)))
            except OSError as error:  # a transaction may be urgent: it does not wait for its record
                log.warning("what is sent now is not in the record: %s", error)
        result = None
        for _ in range(round(RESULT_TIMEOUT_S / FORGOTTEN_S)):  # an engine may have lost it
            submission = await self.ledger.submit(tx)
            with contextlib.suppress(TimeoutError):
                result = await submission.result(FORGOTTEN_S)
                break
            if isinstance(self.ledger, SqliteLedger) and self.ledger.trouble:
                raise self.ledger.trouble
        if result is None:
            failure = self.ledger.failure or LedgerError(
                f"The ledger had no result within {RESULT_TIMEOUT_S:.0f} s; look at it with "
                "'swarmhub ledger verify', then try again."
            )
            raise failure
        acting.height.set(self.ledger.tip.height)
        self._record(body, result)
        if not result.ok:
            raise BadInput(f"The contract refused ({result.code}): {result.message}")
        return result

    def _check_budget(self, body: Any) -> None:
        if isinstance(body, Propose | Amend):
            check_budget_terms(body.spec)
        elif isinstance(body, Approve | Enrol):
            spec = SPEC.get(self.ledger.state, body.study)
            if spec is not None:
                check_budget_terms(spec)

    def _record(self, body: Any, result: Result) -> None:
        """Record the person for whom a transaction was signed."""
        if self.acts is None:
            return
        study = sent_of(body, 0).study
        refused = "" if result.ok else f"{result.code}: {result.message}"
        acted = Acted(wall_clock_ms(), name_person(), body.KIND, study, result.id, refused)
        try:
            self.acts.append(acted)
        except OSError as error:
            log.warning("what %s did is not in the record: %s", acted.person, error)

    # consortium

    async def invite(self, home: Home, valid_ms: int) -> InvitationToken:
        """Register a fresh invitation and return the token for the newcomer."""
        secret = PrivateKey()
        expires_ms = self.ledger.estimate_ms() + valid_ms
        await self.submit(Invite(secret.public, expires_ms))
        where = home.config.ledger if home.is_networked else str(home.ledger_path.resolve())
        token = InvitationToken(
            self.ledger.tip.chain_id, where, self.me.name, expires_ms, secret.seed.hex()
        )
        if not home.is_networked:
            return token
        genesis = codec.pack(read_genesis(home.engine_path))
        others = [m for m in self.members() if m.id != self.me.id]
        doors = find_endpoints([self.me, *others])
        if not doors:
            raise BadInput("A newcomer can connect to no member: all stand behind relays.")
        certificate = issue_certificate(
            home.key("tls"), bytes.fromhex(self.me.tls), secret, expires_ms
        )
        tip = self.ledger.tip.height
        newest = await self.ledger.blocks(tip, tip + 1)
        if not newest:
            raise BadInput("This node has no block yet after the state it began with; try again.")
        return replace(
            token,
            trusted_height=tip,
            trusted_hash=newest[0].agreed,
            genesis=hashlib.sha256(genesis).hexdigest(),
            certificate=certificate.hex(),
            doors=doors,
        )

    async def apply(self, card: Card, token: InvitationToken) -> int:
        """Apply for admission with a token; returns the motion's number."""
        application = make_application(card, token)
        if INVITATION.get(self.ledger.state, application.invitation) is None:
            raise BadInput(
                f"The invitation of {token.sponsor} is not good any more: it was used, or has "
                "expired. If this hospital has applied with it, the members vote now; else ask for "
                "a new one."
            )
        result = await self.submit(application)
        return next(e.motion for e in result.events if isinstance(e, AdmissionMoved))

    async def vote(self, motion: int, aye: bool) -> Result:
        """Vote on a motion."""
        return await self.submit(Vote(motion, aye))

    async def rotate(self, card: Card, new: PrivateKey) -> Result:
        """Replace this member's keys with those of the card; `new` is its account key."""
        return await self.submit(make_rotation(card, new))

    async def revoke(self) -> Result:
        """Revoke the keys of this member's machine."""
        return await self.submit(Revoke())

    # study

    async def propose(self, spec: Spec) -> Result:
        """Propose a study to the members."""
        return await self.submit(Propose(spec))

    async def approve(self, name: str) -> Result:
        """Approve the study's exact terms at this hospital."""
        return await self.submit(Approve(name, self.need_study(name).spec))

    async def refuse(self, name: str, reason: str = "") -> Result:
        """Refuse the study at this hospital."""
        return await self.submit(Refuse(name, self.need_study(name).spec, reason))

    async def enrol(self, name: str, samples: int) -> Result:
        """Enrol with so many training samples."""
        return await self.submit(Enrol(name, self.need_study(name).spec, samples))

    async def release(self, name: str, model: str) -> Result:
        """Open a motion to release the current or best model (a digest or its beginning)."""
        study = self.need_study(name)
        digests = [m.digest for m in (study.current, study.best) if m]
        found = next((d for d in digests if d.startswith(model)), model)
        return await self.submit(Release(name, found))


def find_endpoints(members: list[Member]) -> tuple[Endpoint, ...]:
    """Return the endpoints of the first members that can be connected to, for a newcomer."""
    able = [m for m in members if m.tls and not relays_of(m.address)]
    return tuple(
        Endpoint(m.address, fingerprint_of(bytes.fromhex(m.tls))) for m in able[:MAX_ENDPOINTS]
    )


def make_rotation(card: Card, new: PrivateKey) -> Rotate:
    """Return the transaction that gives a member the keys of the card; `new` is its account key."""
    return Rotate(card, new.sign(ROTATE_DOMAIN, card_message(card)))


def make_application(card: Card, token: InvitationToken) -> Apply:
    """Return an application with a token. Raises BadInput if the token's secret is not a key."""
    try:
        secret = PrivateKey(bytes.fromhex(token.secret))
    except ValueError:
        raise BadInput("The invitation's secret is damaged; ask for a new one.") from None
    proof = secret.sign(INVITE_DOMAIN, card_message(card))
    return Apply(card, secret.public, proof)


@contextlib.asynccontextmanager
async def open_client(home: Home, listener: Listener | None = None) -> AsyncIterator[LedgerClient]:
    """Open a client on the home's ledger, closed at the end; `listener` as for `open_for_desk`."""
    account = home.key("account")
    ledger = await open_for_desk(home, account, listener=listener)
    try:
        yield LedgerClient(ledger, account, SentBook(home.sent_path), open_acts(home))
    finally:
        await ledger.close()


def make_genesis(name: str, founders: list[Card]) -> Genesis:
    """Return the genesis of a new consortium, at the newest contract version that all founders
    have."""
    common = set(known()).intersection(*(card.versions for card in founders))
    return Genesis(
        name=name,
        founders=tuple(founders),
        time_ms=wall_clock_ms(),
        contract_version=max(common, default=max(known())),
    )


def found_consortium(name: str, founders: list[Card], home: Home) -> str:
    """Create a consortium on the home's ledger; returns the chain id."""
    genesis = make_genesis(name, founders)
    chain = found_ledger(home, genesis)
    if home.is_networked:
        text = json.dumps(codec.to_sparse_json(genesis), indent=1)
        write_durably(home.genesis_path, text.encode())
    return chain


def read_genesis_file(path: Path) -> Genesis:
    """Read a genesis that 'swarmhub consortium found' has written."""
    try:
        return read_genesis_json(codec.parse(without_mark(path.read_bytes()), MAX_GENESIS_BYTES))
    except OSError as error:
        raise BadInput(f"Cannot read the genesis {path} ({error.strerror}).") from None
    except Malformed as error:
        raise BadInput(
            f"Expected a genesis ('consortium found' writes it) in {path}: {error}"
        ) from None


def accept_genesis(home: Home, genesis: Genesis) -> str:
    """Create a founder's ledger. Raises BadInput if this hospital is not a founder."""
    if not home.is_networked:
        raise BadInput(
            "Expected a home with a ledger of many machines; make it with 'swarmhub init --ledger "
            "cometbft'."
        )
    founders = {replace(card, versions=(), signature="") for card in genesis.founders}
    if replace(make_card(home), versions=(), signature="") not in founders:  # updated meanwhile
        raise BadInput(
            f"Expected this hospital's card among the founders ({len(genesis.founders)}), found it "
            "not; give the founding hospital the output of 'swarmhub node card'."
        )
    return found_ledger(home, genesis)


def read_card(path: Path) -> Card:
    """Read a card that 'swarmhub node card' has written."""
    try:
        return codec.from_json(Card, codec.parse(without_mark(path.read_bytes())))
    except OSError as error:
        raise BadInput(f"Cannot read the card {path} ({error.strerror}).") from None
    except Malformed as error:
        raise BadInput(f"Expected a card ('node card' prints it) in {path}: {error}") from None
