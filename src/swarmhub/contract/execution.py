"""The contract as a state transition: found, begin_block, apply, end_block. Pure.

`apply` never raises because of what a transaction asks: a refusal is returned as a result and
leaves no write. Which rules a block follows is in `versions`.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub import codec
from swarmhub.contract import deadlines, inheritance, replay, versions
from swarmhub.contract.consortium import membership, misbehaviour
from swarmhub.contract.context import Context, Env
from swarmhub.contract.envelope import Transaction
from swarmhub.contract.events import Event, PowerChanged
from swarmhub.contract.records import ForkGenesis, Genesis, get_member_of_key
from swarmhub.contract.refusals import AlreadyDone, BadValue, BlockQuotaExceeded, Expired, Refusal
from swarmhub.contract.since import find_newer
from swarmhub.contract.state import Overlay
from swarmhub.types import TX_DOMAIN, Digest, MemberId, PublicKey

MAX_TXS_PER_MEMBER = 64  # in a block; a node in 20 studies sends fewer in a whole round
MAX_TXS_OF_STRANGERS = 16  # in a block, of all strangers together: they can only apply


@dataclass(frozen=True)
class Result:
    """The outcome of a transaction. `code` is "ok" or the refusal's class name."""

    id: str
    code: str
    message: str = ""
    events: tuple[Event, ...] = ()

    @property
    def ok(self) -> bool:
        return self.code == "ok"


def compute_chain_id(genesis: Genesis) -> str:
    """Return the consortium's name and the first 12 hex digits of its genesis' digest."""
    plain = "abcdefghijklmnopqrstuvwxyz0123456789"
    lower = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", plain, strict=False))
    name = "".join(lower.get(c, c) for c in genesis.name)
    words = "".join(c if c in plain else "-" for c in name)
    return f"{words[:30]}-{compute_genesis_digest(genesis)[:12]}"


def compute_genesis_digest(genesis: Genesis) -> Digest:
    """Return the digest of a genesis, by which a chain's origin is told."""
    return codec.digest(b"swarmhub/genesis/1", codec.pack(genesis))


def found(state: Overlay, genesis: Genesis, env: Env) -> tuple[Event, ...]:
    """Write block 0's state. Raise Refusal if the genesis cannot be used, VersionMissing if this
    software does not have its version. A chain that is founded at a version comes to it from the
    first one, so that its records have the shape of all other chains."""
    ctx = Context(state, env)
    number = genesis.contract_version
    versions.get_version(number, 0)
    newer = find_newer(genesis, number)
    if newer:
        raise BadValue("contract_version", f"one that has {newer}", number)
    if isinstance(genesis, ForkGenesis):
        inheritance.inherit(ctx, genesis, compute_chain_id(genesis))
        return tuple(ctx.events)
    membership.found(ctx, genesis, compute_chain_id(genesis))
    for passed in range(2, number + 1):
        versions.get_version(passed, 0).activate(ctx)
    return tuple(ctx.events)


def begin_block(state: Overlay, env: Env) -> tuple[Event, ...]:
    """Make the next version active if this is its height, record misbehaviour, stamp the deadlines
    that wait for a time, forget old transactions, and fire what is due. Raise VersionMissing if
    this software does not have the block's version."""
    ctx = Context(state, env)
    version = versions.enter(ctx)
    for seen in env.misbehaviour:
        misbehaviour.note_double_sign(ctx, seen)
    deadlines.stamp(state, env.time_ms)
    replay.forget(state, env.time_ms)
    for key in deadlines.take_due(state, env.time_ms):
        kind, _, rest = key.partition("/")
        version.timers[kind](ctx, rest)
    return tuple(ctx.events)


def apply(state: Overlay, tx: Transaction, env: Env) -> Result:
    """Apply one transaction: keep its writes if the contract accepts it, else return a refusal and
    write nothing. Raise Malformed if the block's version could not decode it."""
    work = Overlay(state)
    ctx = Context(work, env, tx.signer)
    version = versions.get_version(ctx.chain.contract_version, env.height)
    versions.check_body(tx.body, version)
    try:
        _check_envelope(ctx, tx)
        member = _check_share(ctx, tx)
        version.rules[type(tx.body)](ctx, tx.body)
        membership.recount(ctx)
        replay.remember(work, tx, member)
    except Refusal as refusal:
        return Result(tx.id, refusal.code, str(refusal))
    state.absorb(work)
    return Result(tx.id, "ok", "", tuple(ctx.events))


def end_block(events: tuple[Event, ...]) -> tuple[tuple[str, int], ...]:
    """Return the validator updates (consensus key, power) of a block's events: the last one of each
    key. A key that came and went within the block has never been a validator's, and an engine that
    is told to remove it stops for good."""
    first: dict[PublicKey, int] = {}
    last: dict[PublicKey, int] = {}
    for event in events:
        if isinstance(event, PowerChanged):
            first.setdefault(event.key, event.power)
            last[event.key] = event.power
    return tuple(sorted((key, power) for key, power in last.items() if power or not first[key]))


def _check_envelope(ctx: Context, tx: Transaction) -> None:
    chain = ctx.chain
    if tx.chain != chain.chain_id:
        raise BadValue("chain", f"'{chain.chain_id}'", tx.chain)
    if tx.expires_ms < ctx.env.time_ms:
        raise Expired("The transaction", tx.expires_ms, ctx.env.time_ms)
    if tx.expires_ms > ctx.env.time_ms + chain.horizon_ms:
        raise BadValue("expires_ms", f"at most {chain.horizon_ms} ms ahead", tx.expires_ms)
    if ctx.state.get(f"seen/{tx.id}") is not None:
        raise AlreadyDone(f"transaction {tx.id[:16]}…")
    if not ctx.env.verify(tx.signer, TX_DOMAIN, tx.signed, tx.signature):
        raise BadValue("signature", "a valid ed25519 signature of the signer", tx.signature[:16])


def _check_share(ctx: Context, tx: Transaction) -> MemberId:
    """Return the member (0: a stranger), or refuse if its share of the block is used up. Called
    after the signature is checked, so that nobody can use up another member's share."""
    member = get_member_of_key(ctx.state, tx.signer)
    number = ctx.env.shares.take(member.id if member else 0, tx.id)
    most = MAX_TXS_PER_MEMBER if member else MAX_TXS_OF_STRANGERS
    who = f"Member {member.id}" if member else "All who are no members together"
    if number > most:
        raise BlockQuotaExceeded(who, most, number)
    if member is None:
        return 0  # an application, which uses up an invitation
    known = replay.get_count(ctx.state, member.id)
    if known >= replay.MAX_REMEMBERED:
        raise BlockQuotaExceeded(who, replay.MAX_REMEMBERED, known + 1, "that have not expired")
    return member.id
