"""Signed headers of a chain, from the engine of this machine."""

from __future__ import annotations

import base64
import calendar
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub.errors import LedgerError, Malformed
from swarmhub.ledger.cometbft.headers import (
    BlockId,
    Commit,
    EngineHeader,
    Precommit,
    SignedHeader,
    Time,
    Validator,
    ValidatorSet,
)
from swarmhub.ledger.cometbft.light_client import needs_votes
from swarmhub.ledger.cometbft.rpc import Rpc, RpcError
from swarmhub.ledger.cometbft.settings import RPC_SOCKET

HEADERS_AT_ONCE = 20  # the engine returns no more
PAGE = 100  # validators; the engine returns no more
MAX_PAGES = 10  # a consortium has at most 1,000 members
VOTED = 2  # BLOCK_ID_FLAG_COMMIT
HASHES = (
    "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash",
    "app_hash", "last_results_hash", "evidence_hash", "proposer_address",
)  # fmt: skip


@dataclass(frozen=True)
class SignedChain:
    """All headers from height 1 on, and the sets of validators in order, as `check_headers` takes
    them."""

    headers: tuple[SignedHeader, ...]
    sets: tuple[ValidatorSet, ...]


async def fetch_headers(folder: Path, newest: int) -> SignedChain:
    """Return the headers of heights 1 to `newest` from the engine in a member's folder, with votes
    and validators as far as they are needed. Raises LedgerError if it does not run, or has
    forgotten some."""
    rpc = Rpc(folder / RPC_SOCKET)
    try:
        bare = [SignedHeader(header) for header in await _fetch_all(rpc, newest)]
        signed, sets = list(bare), []
        for place, one in enumerate(bare):
            if needs_votes(bare, place):
                signed[place] = await _fetch_votes(rpc, one.header.height)
                sets.append(read_set(await fetch_validators(rpc, one.header.height)))
    except RpcError as error:
        raise LedgerError(
            f"No node answers on {folder.parent}, and its engine has the validators' signatures "
            f"({error}); start it with 'swarmhub up', then try again."
        ) from None
    except (Malformed, LookupError, TypeError, ValueError, AttributeError) as error:
        raise LedgerError(f"CometBFT gave headers that cannot be read ({error}).") from None
    finally:
        await rpc.close()
    return SignedChain(tuple(signed), tuple(sets))


async def _fetch_all(rpc: Rpc, newest: int) -> list[EngineHeader]:
    found: list[EngineHeader] = []
    while len(found) < newest:
        first = len(found) + 1
        last = min(newest, first + HEADERS_AT_ONCE - 1)
        told = await rpc.call("blockchain", minHeight=str(first), maxHeight=str(last))
        page = sorted((read_header(m["header"]) for m in told["block_metas"]),
                      key=lambda header: header.height)  # fmt: skip
        if [header.height for header in page] != list(range(first, last + 1)):
            raise LookupError(f"it has not all blocks from {first} to {last}")
        found += page
    return found


async def _fetch_votes(rpc: Rpc, height: int) -> SignedHeader:
    told = await rpc.call("commit", height=str(height))
    return read_signed_header(told["signed_header"])


async def fetch_validators(rpc: Rpc, height: int) -> list[dict[str, Any]]:
    """Return all validators of a block as the engine describes them; it returns them in pages."""
    found: list[dict[str, Any]] = []
    for page in range(1, MAX_PAGES + 1):
        told = await rpc.call("validators", height=str(height), page=str(page), per_page=str(PAGE))
        found += told["validators"]
        if len(found) >= int(told["total"]):
            break
    return found


# the engine's JSON


def read_signed_header(told: Any) -> SignedHeader:
    """Return a header with the votes for it."""
    commit = told["commit"]
    parts = commit["block_id"]["parts"]
    votes = tuple(
        Precommit(place, read_time(vote["timestamp"]), base64.b64decode(vote["signature"]).hex())
        for place, vote in enumerate(commit["signatures"])
        if vote["block_id_flag"] == VOTED
    )
    made = Commit(int(commit["round"]), int(parts["total"]), parts["hash"].lower(), votes)
    return SignedHeader(read_header(told["header"]), made)


def read_header(told: Any) -> EngineHeader:
    """Return a header."""
    last, version = told["last_block_id"], told["version"]
    parts = last["parts"]
    return EngineHeader(
        chain_id=told["chain_id"],
        height=int(told["height"]),
        time=read_time(told["time"]),
        last_block_id=BlockId(last["hash"].lower(), int(parts["total"]), parts["hash"].lower()),
        version_block=int(version.get("block", 0)),
        version_app=int(version.get("app", 0)),
        **{name: told[name].lower() for name in HASHES},
    )


def read_set(told: list[Any]) -> ValidatorSet:
    """Return a set of validators."""
    return ValidatorSet(tuple(
        Validator(base64.b64decode(v["pub_key"]["value"]).hex(), int(v["voting_power"]))
        for v in told
    ))  # fmt: skip


def read_time(text: str) -> Time:
    """Return a time of RFC 3339 in UTC with up to nine digits after the second."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return Time(seconds, int(fraction.ljust(9, "0")) if fraction else 0)
