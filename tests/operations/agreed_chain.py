"""A ledger of many machines in memory: an engine that is played with real headers, votes and keys.

It makes blocks as CometBFT does: a header names the state after the block before, an update of the
validators counts two blocks later, and an empty block follows each that has changed the state. That
its hashes and votes are CometBFT's own is tested with a recorded chain (`test_light_client`).
"""

import hashlib
from dataclasses import replace

from builders import card_of, digest, key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from recorded import Recorded

from swarmhub.contract import State
from swarmhub.contract.state import Overlay
from swarmhub.ledger.blocks import Agreed, agree, agree_on_genesis, needs_follow_up
from swarmhub.ledger.cometbft import headers as h
from swarmhub.ledger.cometbft.header_source import SignedChain
from swarmhub.ledger.cometbft.light_client import needs_votes
from swarmhub.operations.evidence.extract import leaf_of_result
from swarmhub.operations.evidence.many_machines import write_signed
from swarmhub.operations.record import Record

WORDS = [
    f"{name}/{use}" for name in ("h1", "h2", "h3", "h4", "late") for use in ("consensus", "next")
]
KEYS = {key(word).public: key(word) for word in WORDS}
EMPTY = h.EMPTY_ROOT.hex()


class AgreedChain:
    """The chain; every validator that is not in `away` votes for every block."""

    def __init__(self, genesis, writer):
        overlay = Overlay(State())
        self.tip, self.first = agree_on_genesis(genesis, overlay)
        self.state = State()
        self.state.commit(overlay.writes, self.tip.tree)
        self.signed, self.sets, self.away = [], [], set()
        self._powers = [dict(self.first.validators)] * 2  # of the next block, and the one after
        self._results = EMPTY

    def append(self, txs, clock_ms):
        made = [self._append(txs, clock_ms)]
        while needs_follow_up(self.state) or not self._is_proven:
            made.append(self._append([], clock_ms))
        return made

    @property
    def _is_proven(self):
        return self.signed[-1].header.app_hash == self.state.app_hash.hex()

    def _append(self, txs, clock_ms):
        now, following = (h.make_set(sorted(powers.items())) for powers in self._powers)
        ms = max(clock_ms, self.tip.time_ms + 1)
        header = h.EngineHeader(
            self.tip.chain_id, self.tip.height + 1, h.Time(ms // 1000, ms % 1000 * 10**6 + 321),
            self._last_id(), digest(f"votes {self.tip.height}"),
            h.compute_data_hash([hashlib.sha256(tx).digest() for tx in txs]),
            h.compute_set_hash(now), h.compute_set_hash(following), digest("parameters"),
            self.state.app_hash.hex(), self._results, EMPTY, now.validators[0].address, 11, 1,
        )  # fmt: skip
        self.signed.append(vote_for(header, now, self.away))
        self.sets.append(now)
        committed = self._execute(header, txs)
        self._results = h.compute_results_hash([leaf_of_result(r) for r in committed.results])
        powers = {**self._powers[1], **dict(committed.validators)}
        self._powers = [self._powers[1], {k: p for k, p in powers.items() if p}]
        return committed

    def _last_id(self):
        if not self.signed:
            return h.BlockId()
        return h.BlockId(h.compute_header_hash(self.signed[-1].header), 1, digest("parts"))

    def _execute(self, header, txs):
        overlay = Overlay(self.state)
        hash_ = h.compute_header_hash(header)
        agreed = Agreed(header.time.ms, header.proposer_address, hash_)
        self.tip, committed = agree(self.tip, overlay, txs, agreed)
        self.state.commit(overlay.writes, self.tip.tree)
        return committed


def vote_for(header, validators, away=()):
    """A header with the votes of all validators but those that are away (words)."""
    hash_ = h.compute_header_hash(header)
    absent = {key(word).public for word in away}
    commit, votes = h.Commit(0, 1, digest("parts"), ()), []
    for place, validator in enumerate(validators.validators):
        if validator.key not in absent:
            time = h.Time(header.time.seconds + 1, place)
            message = h.write_vote(header, hash_, commit, h.Precommit(place, time, ""))
            signer = Ed25519PrivateKey.from_private_bytes(KEYS[validator.key].seed)
            votes.append(h.Precommit(place, time, signer.sign(message).hex()))
    return h.SignedHeader(header, replace(commit, votes=tuple(votes)))


def choose_signed(signed, sets):
    """Headers and sets as the engine of a member gives them to `evidence export`."""
    bare = [h.SignedHeader(one.header) for one in signed]
    ends = [place for place in range(len(bare)) if needs_votes(bare, place)]
    chosen = [one if place in ends else bare[place] for place, one in enumerate(signed)]
    return SignedChain(tuple(chosen), tuple(sets[place] for place in ends))


def retold(chain, change, away=()):
    """Functions, by file, that give the signed headers after `change` of each header: all later
    ones are made to fit it, with votes of the validators that are not away."""
    signed = list(chain.signed)
    for place, one in enumerate(signed):
        last = h.BlockId()
        if place:
            before = h.compute_header_hash(signed[place - 1].header)
            last = replace(one.header.last_block_id, hash=before)
        header = replace(change(one.header), last_block_id=last)
        signed[place] = vote_for(header, chain.sets[place], away)
    files = write_signed(choose_signed(signed, chain.sets))
    return {path: lambda _, data=data: data for path, data in files.items()}


class Networked(Recorded):
    """A consortium on a ledger of many machines."""

    chain_type = AgreedChain

    def __init__(self, n=4, **genesis):
        founders = tuple(card_of(f"h{i}", ledger=place_of(i)) for i in range(1, n + 1))
        super().__init__(n, founders=founders, **genesis)

    def followed(self):
        """The record without the newest block, and the signed headers of all."""
        chain = self.ledger
        blocks = [chain.first, *self.blocks[:-1]]
        last = blocks[-1].block
        tip = replace(
            chain.tip, height=last.header.height, time_ms=last.header.time_ms, head=last.id
        )
        return Record(tip, chain.state, blocks), choose_signed(chain.signed, chain.sets)


def place_of(i):
    """The address of founder i's engine."""
    return f"{i:040x}@h{i}.example:7001"
