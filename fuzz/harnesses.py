"""One harness for each decoder.

A harness takes bytes. It may end, or raise what its decoder documents for bad bytes (`allowed`).
Anything else is a fault: another exception, an assertion about what was accepted, or more memory
than `limit_mb` (traced by Python, which includes NumPy; inputs are at most 64 KiB).
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dataclasses
import functools
import hashlib
import json
import shutil
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import pandas as pd  # noqa: F401 (readers import it at first use: its memory is not theirs)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from swarmhub import codec, contract, keys
from swarmhub.blobs.leaves import parse_fingerprint, read_leaves
from swarmhub.contract import Misbehaviour, Result
from swarmhub.contract.envelope import Transaction, read_transaction, write_transaction
from swarmhub.contract.events import Departed, Withdrawn
from swarmhub.contract.inheritance import will_message
from swarmhub.contract.records import (
    Card,
    Evaluation,
    ForkGenesis,
    Genesis,
    InheritedState,
    Metric,
    RoundRef,
    Spec,
)
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.transactions import (
    Apply,
    Contribute,
    Invite,
    Leave,
    Propose,
    Remove,
    Settle,
    Vote,
)
from swarmhub.data.design import Design
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema, declare_label
from swarmhub.documents import (
    Bundle,
    CodeFile,
    diff_bundles,
    escape_text,
    pack_bundle,
    read_bundle,
)
from swarmhub.errors import BadInput, BlobError, HomeError, Malformed, MergeError, PeerError
from swarmhub.home.bootstrap import (
    TrustedCheckpoint,
    choose_snapshots,
    pack_checkpoint,
    read_engines,
)
from swarmhub.home.config import parse_address
from swarmhub.home.head import load_head
from swarmhub.home.home import Home
from swarmhub.home.invitations import Endpoint, InvitationToken, parse_token, write_token
from swarmhub.ledger import Block, Committed, Tip
from swarmhub.ledger.blocks import Header, pack_txs, unpack_block
from swarmhub.ledger.cometbft import messages
from swarmhub.ledger.cometbft.abci import frame, read_message
from swarmhub.ledger.cometbft.folder import read_peers
from swarmhub.ledger.cometbft.headers import (
    BlockId,
    Commit,
    EngineHeader,
    Precommit,
    SignedHeader,
    Time,
    ValidatorSet,
    compute_header_hash,
    compute_set_hash,
    make_set,
    write_vote,
)
from swarmhub.ledger.cometbft.light_client import NotAgreed, Root, check_headers
from swarmhub.ledger.cometbft.snapshots import Restoring, pack_state
from swarmhub.merge import merge_statistics
from swarmhub.node.trainer_api.messages import read_next_task, read_result
from swarmhub.operations.backup import back_up, restore
from swarmhub.operations.evidence.extract import Excerpt, Hidden
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import read_line, write_line
from swarmhub.operations.evidence.manifest import FORM, Manifest, list_file, read_manifest
from swarmhub.operations.ledger_client import read_card
from swarmhub.operations.recovery import read_restart
from swarmhub.operations.studies import read_spec
from swarmhub.params import CHUNK_BYTES, Layout, Tensor, chunk_count, import_safetensors
from swarmhub.protocol import MergeDone, PreparedContribution, ReceiptCame, Signed
from swarmhub.sim.schedule import schedule_of
from swarmhub.sim.schedule_text import parse_schedule
from swarmhub.transport.join_client import read_told
from swarmhub.transport.reachability import Reachability, read_reachability
from swarmhub.transport.relay import server as relay_server
from swarmhub.transport.relay.server import Relay
from swarmhub.transport.relay.streams import MAX_LINE_BYTES
from swarmhub.transport.requests import read_receipt, read_starts
from swarmhub.types import RESTART_DOMAIN

TIME_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Harness:
    """How a decoder is tried, and with what one begins."""

    name: str
    try_bytes: Callable[[bytes], None]
    examples: Callable[[], list[bytes]]
    allowed: tuple[type[Exception], ...]
    limit_mb: int = 16

    def __call__(self, data: bytes) -> None:
        """Try the bytes; raises what is a fault."""
        said = ""
        try:
            self.try_bytes(data)
        except self.allowed as error:
            said = str(error)
        assert "\n" not in said, "a refusal is one line, also where it quotes"
        assert len(said) < 2000, "a refusal is short"


class Held:
    """Stands for a file that holds the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_bytes(self) -> bytes:
        return self._data

    def read_text(self, encoding: str) -> str:
        return self._data.decode(encoding)


def held(data: bytes) -> Path:
    """A path to the bytes, for a reader that only reads."""
    return cast(Path, Held(data))


@functools.cache
def folder() -> Path:
    """For readers that want a real file; gone with the process."""
    memory = Path("/dev/shm")  # there, where nothing waits for a disk
    made = Path(tempfile.mkdtemp("", "swarmhub-fuzz-", memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


# the contract


@functools.cache
def key(word: str) -> keys.PrivateKey:
    return keys.PrivateKey(codec.digest(word.encode())[:32].encode())


@functools.cache
def card(word: str) -> Card:
    """A card of a hospital, without a signature: nothing here checks one."""
    tls = keys.make_certificate(key(word)).hex()
    return Card(
        word,
        key(word).public,
        tls,
        key(word + "/c").public,
        f"{word}.example:7000",
        f"{key(word + '/l').public[:40]}@{word}.example:7001",
        release=keys.ReleaseKey(int.from_bytes(word.encode()) + 1).public,
        signature="00" * 64,
    )


def spec() -> Spec:
    return Spec("heart", 3, 2, title="Hearts", metric=Metric("auc", "max"), keep_local=("bn.*",))


@functools.cache
def founded() -> State:
    """A consortium of three with a study that all have approved."""
    state = State()
    genesis = Genesis("Hearts", tuple(map(card, ("h1", "h2", "h3"))), TIME_MS)
    overlay = Overlay(state)
    contract.found(overlay, genesis, contract.Env(0, TIME_MS, lambda *_: True))
    state.commit(overlay.writes)
    return state


BODIES = [
    Invite("ab" * 32, TIME_MS + 1000), Vote(1, True), Leave(), Remove(2), Propose(spec()),
    Contribute(RoundRef("heart", 1, "COLLECTING", 0, 0), "a" * 64, "", "b" * 64, 99, "c" * 64, 5,
               (Evaluation("d" * 64, 3, {"auc": 500_000}),)),
    Settle(RoundRef("heart", 1, "MERGING", 0, 1), "a" * 64, 99, "c" * 64, ()),
]  # fmt: skip


def transaction(body: Any) -> bytes:
    return write_transaction(body, "hearts-0", TIME_MS + 1, key("h1").public, lambda _: "00" * 64)


def transactions() -> list[bytes]:
    return [transaction(b) for b in [*BODIES, Apply(card("n"), "ab" * 32, "00" * 64)]]


def try_transaction(data: bytes) -> None:
    tx = read_transaction(data)
    again = write_transaction(tx.body, tx.chain, tx.expires_ms, tx.signer, lambda _: tx.signature)
    same = read_transaction(again)
    assert (same.body, same.kind, same.signer) == (tx.body, tx.kind, tx.signer)
    _apply(tx)


def _apply(tx: Transaction) -> None:
    """The contract refuses or accepts it, and raises nothing, whoever has signed it when."""
    state = founded()
    env = contract.Env(1, TIME_MS + 5, lambda *_: True)
    chain = json.loads(state.values["chain"])["chain_id"]
    for signer in (key("h1").public, tx.signer):
        good = dataclasses.replace(tx, chain=chain, expires_ms=TIME_MS + 9, signer=signer)
        result = contract.apply(Overlay(state), good, env)
        assert len(result.message) < 2000


# parameters


def layout() -> Layout:
    return Layout.of(
        [Tensor("a", "F32", (3, 4)), Tensor("b", "I64", ()), Tensor("c", "BF16", (0,))]
    )


def layouts() -> list[bytes]:
    return [layout().pack(), Layout.of([]).pack()]


def try_layout(data: bytes) -> None:
    found = Layout.parse(data)
    assert found.pack() == data
    assert found.nbytes % 64 == 0
    assert all(0 <= a <= found.nbytes for a in found.offsets)
    found.segments(0, CHUNK_BYTES)


def try_chunk_list(data: bytes) -> None:
    found = read_leaves(data)
    assert len(found.leaves) == chunk_count(found.nbytes)
    assert codec.is_digest(found.digest)


def chunk_lists() -> list[bytes]:
    return [
        codec.encode(
            {"layout": "a" * 64, "leaves": "00" * 32 * n, "nbytes": n * CHUNK_BYTES - 9 * n}
        )
        for n in (0, 1, 3)
    ]


def try_leaves(data: bytes) -> None:
    nbytes = int.from_bytes(data[:8], "big", signed=True)
    found = parse_fingerprint("a" * 64, nbytes, data[8:])
    assert b"".join(found.leaves) == data[8:]
    assert codec.is_digest(found.digest)


def leaves() -> list[bytes]:
    return [(n * CHUNK_BYTES).to_bytes(8, "big") + bytes(range(32)) * n for n in (0, 1, 2, 5)]


def try_safetensors(data: bytes) -> None:
    path = folder() / "model.safetensors"
    path.write_bytes(data)
    found = import_safetensors(path)
    assert sum(a.nbytes for a in found.values()) <= len(data)


def safetensors() -> list[bytes]:
    from safetensors.numpy import save

    whole = save({"w": np.zeros((2, 3), np.float32), "n": np.arange(3)}, {"study": "heart"})
    header = b'{"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    return [whole, save({}), len(header).to_bytes(8, "little") + header + bytes(4)]


# files of people and of the home


def try_card(data: bytes) -> None:
    found = read_card(held(data))
    assert codec.from_json(Card, codec.decode(codec.pack(found))) == found


def try_certificate(data: bytes) -> None:
    keys.check_certificate(data)
    keys.to_pem(data)


def try_ticket(data: bytes) -> None:
    found = parse_token(data)
    assert codec.unpack(InvitationToken, codec.pack(found)) == found


def tokens() -> list[bytes]:
    token = InvitationToken("hearts-0", "/var/ledger.sqlite", "Hospital A", TIME_MS, "ab" * 32)
    doors = (Endpoint("a.example:7400", "cd" * 32),)
    far = dataclasses.replace(
        token, ledger="cometbft", genesis="ef" * 32, certificate="30", doors=doors
    )
    texts = [json.dumps(codec.to_json(token), indent=2).encode(), codec.pack(token)]
    return [*texts, write_token(far).encode()]


def try_spec(data: bytes) -> None:
    found = read_spec(held(data))
    assert codec.unpack(Spec, codec.pack(found)) == found


SPECS = [
    b'name = "heart"\nrounds = 10\nmin_peers = 3\nstatistics = true\nquorum_grace_ms = 30_000\n'
    b'metric = { name = "auc", goal = "max" }\noptions = { model = "logistic" }\n',
    b'name = "x"\nrounds = 1\nmin_peers = 1\nkeep_local = ["bn.*"]\n[merge]\n'
    b'name = "trimmed_mean"\ntrim_permille = 100\n',
    b'name = "newton"\nmin_peers = 2\nrequired = [0]\n[[stages]]\nname = "fit"\nkind = "sum"\n'
    b'max_rounds = 25\nmembers = [0, 1]\nagreed = ["at"]\nuntil = { array = "g", most = 1_000 }\n'
    b'bounds = [{ array = "g", low = -1, high = 1, bits = 30 }]\n',
]


def try_config(data: bytes) -> None:
    (folder() / "node.toml").write_bytes(data)
    config = Home.open(folder()).config
    parse_address(config.listen)


CONFIGS = [
    b'format = 1\nname = "A"\nledger = "../l.sqlite"\naddress = "h:1"\nlisten = "[::1]:70"\n',
    "format = 1\nname = 'Zürich'\nledger = 'l'\naddress = 'h:65535'\nlisten='[::]:1'\n".encode(),
]


def try_head(data: bytes) -> None:
    config = Home(folder(), cast(Any, None))
    (folder() / "state").mkdir(exist_ok=True)
    config.state_path("head.json").write_bytes(data)
    found = load_head(config)
    assert found is None or isinstance(found[0], int)


def try_key(data: bytes) -> None:
    path = folder() / "account.pem"
    path.write_bytes(data)
    keys.PrivateKey.load(path).sign("domain", b"message")


def key_files() -> list[bytes]:
    path = folder() / "example.pem"
    path.unlink(missing_ok=True)
    key("h1").save(path)
    return [path.read_bytes()]


def try_journal(data: bytes) -> None:
    found = codec.unpack(PreparedContribution, data)
    assert codec.unpack(PreparedContribution, codec.pack(found)) == found


def try_signed(data: bytes) -> None:
    found = codec.unpack(Signed, data)
    assert codec.unpack(Signed, codec.pack(found)) == found


def try_doors(data: bytes) -> None:
    found = codec.unpack(TrustedCheckpoint, data)
    assert codec.unpack(TrustedCheckpoint, codec.pack(found)) == found


def try_restart(data: bytes) -> None:
    """A restart's file as a survivor reads it whose ledger ends before it."""
    tip, state = halted()
    genesis = read_restart(held(data), tip, state)
    assert codec.from_json(ForkGenesis, codec.parse(codec.pack(genesis), 1 << 24)) == genesis
    assert set(genesis.inherits.survivors) <= {1, 2, 3}


@functools.cache
def halted() -> tuple[Tip, State]:
    """Where a survivor stands: at block 0 of the chain hearts-0."""
    values = dict(founded().values)
    values["chain"] = codec.encode({**json.loads(values["chain"]), "chain_id": "hearts-0"})
    return Tip("hearts-0", 0, TIME_MS, "ab" * 32, cast(Any, None)), State(values)


def restarts() -> list[bytes]:
    tip, state = halted()
    text = pack_state(state.values).decode()
    will = InheritedState(tip.chain_id, 1, state.app_hash.hex(), (1, 2), text, ("", ""))
    genesis = ForkGenesis("Hearts", (), TIME_MS + 1, inherits=will)
    signature = key("h1").sign(RESTART_DOMAIN, will_message(genesis))
    signed = dataclasses.replace(genesis, inherits=dataclasses.replace(
        will, signatures=(signature, "")))  # fmt: skip
    return [json.dumps(codec.to_json(g), indent=1).encode() for g in (genesis, signed)]


def try_backup(data: bytes) -> None:
    """Restored into a folder of its own, beside which nothing appears."""
    source, around = folder() / "backup.tar", folder() / "around"
    source.write_bytes(data)
    shutil.rmtree(around, ignore_errors=True)
    around.mkdir()
    try:
        restore(around / "home", source)
    finally:
        assert [p.name for p in around.iterdir()] in ([], ["home"])


def backups() -> list[bytes]:
    home, target = folder() / "kept", folder() / "kept.tar"
    shutil.rmtree(home, ignore_errors=True)
    target.unlink(missing_ok=True)
    back_up(Home.create(home, "A", "127.0.0.1:7400"), target)
    return [target.read_bytes()]


def try_plan(data: bytes) -> None:
    """A schedule of the simulator, which people write."""
    plan = parse_schedule(data.decode("utf-8", "replace"))
    assert parse_schedule(str(plan)) == plan


def plans() -> list[bytes]:
    return [str(schedule_of(seed)).encode() for seed in (1, 2, 3)]


TABLE = Schema.of(declare_label("label"))


def try_table(data: bytes) -> None:
    path = folder() / "table.csv"
    path.write_bytes(data)
    found = read_dataset(Files((path,)), TABLE)
    assert found.x.shape == (found.rows, len(found.features))
    assert all(len(words) == found.rows for words in found.categories.values())


TABLES = [
    b"label,age,sex\n1,63,m\n0,,f\n1,41.5,\n",
    '\ufeffage;x,label\r\n"7",1\r\n1e3,0\r\n'.encode(),
]


# what peers and trainers send


def try_statistics(data: bytes) -> None:
    merged = merge_statistics({1: data})
    assert merge_statistics({1: merged}) == merged, "a merge of one is that one"
    Design.from_statistics(merged)


def statistics() -> list[bytes]:
    number = {
        "kind": "numeric", "count": 5, "missing": 1, "withheld": 1, "mean": (1.5).hex(),
        "m2": (2.0).hex(), "bins": {"161": 5}, "pairs": 5, "x": (1.5).hex(), "y": (0.5).hex(),
        "xy": (-0.25).hex(),
    }  # fmt: skip
    text = {"kind": "text", "count": 7, "missing": 0, "categories": {"x": 5, "y": 2}}
    document = {"rows": 7, "labels": {"0": 3, "1": 4}, "columns": {"age": number, "sex": text}}
    only = {**document, "columns": {"sex": text}}
    return [codec.encode(document), codec.encode(only)]


def try_receipt(data: bytes) -> None:
    study, receipt = read_receipt(data, 2)
    assert receipt.member == 2
    assert read_receipt(codec.encode({**codec.to_json(receipt), "study": study}), 2)[1] == receipt


def try_offer(data: bytes) -> None:
    assert codec.pack(codec.unpack(MergeDone, data, 64 * 1024)) == data


def try_ask(data: bytes) -> None:
    read_next_task(data)


def try_answer(data: bytes) -> None:
    answer, found = read_result(data)
    body = {**codec.to_json(answer), "layout": found and json.loads(found.pack())}
    assert read_result(codec.encode(body)) == (answer, found)


def answers() -> list[bytes]:
    body = {
        "fence": 1, "number": 2, "base": "a" * 64, "path": "/x", "samples": 5,
        "layout": json.loads(layout().pack()), "own_metrics": {"auc": 5},
        "evaluations": [{"digest": "a" * 64, "samples": 5, "metrics": {"auc": 7}}],
    }  # fmt: skip
    return [json.dumps(body).encode()]


def try_row(data: bytes) -> None:
    try:
        header, signature, txs = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return  # no row: a test of json
    block = unpack_block(header, signature, txs)
    packed = codec.pack(block.header).decode()
    assert unpack_block(packed, block.signature, pack_txs(block.txs).decode()) == block


def rows() -> list[bytes]:
    header = codec.pack(Header(1, TIME_MS, "a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64))
    txs = [transaction(b) for b in BODIES[:2]]
    return [json.dumps([header.decode(), "00" * 64, pack_txs(t).decode()]).encode()
            for t in (txs, [], [b"\xff\xfe"])]  # fmt: skip


def try_starts(data: bytes) -> None:
    found = read_starts(data, 70_000)
    assert all(0 <= at < 70_000 for at in found)
    assert codec.encode(found) == data


def try_excerpt(data: bytes) -> None:
    """A line of a study's evidence, which a stranger may have written."""
    assert write_line(read_line(data)) == data


def excerpts() -> list[bytes]:
    header = Header(3, TIME_MS, "a" * 64, "b" * 64, "c" * 64, "d" * 64, key("h1").public)
    block = Block(header, "e" * 128, (transaction(Leave()), b"\xff"))
    left = Result("f" * 64, "ok", "", (Departed(1, "left"),))
    events = (Withdrawn("heart", 1), *left.events)
    whole = Committed(block, (left, Result("0" * 64, "Malformed")), events)
    agreed = Block(header, "", (transaction(Leave()),), "e" * 64, (Misbehaviour("ab" * 20, 2),))
    hidden = (Hidden(1, "0" * 64, "1" * 64),)
    part = Excerpt("part", Committed(agreed, (left,), events), hidden)
    return [write_line(Excerpt("part", whole)), write_line(part)]


def try_header(data: bytes) -> None:
    """A header that validators are said to have signed, as the only one of its chain."""
    signed = codec.unpack(SignedHeader, data)
    header = header_of_two()
    root = Root(header.chain_id, two_validators(), header.app_hash)
    check_headers(root, [signed], [two_validators()])
    assert signed.header == header, "nobody has signed another one"


@functools.cache
def two_validators() -> ValidatorSet:
    return make_set([(key("h1").public, 1), (key("h2").public, 1)])


@functools.cache
def header_of_two() -> EngineHeader:
    names = compute_set_hash(two_validators())
    return EngineHeader(
        "hearts-0", 1, Time(1_700_000_000, 321), BlockId(), "a" * 64, "b" * 64, names, names,
        "c" * 64, "d" * 64, "e" * 64, "f" * 64, two_validators().validators[0].address, 11, 1,
    )  # fmt: skip


def headers() -> list[bytes]:
    header, empty = header_of_two(), Commit(0, 1, "a" * 64, ())
    votes = []
    for place, validator in enumerate(two_validators().validators):
        (own,) = (k for k in (key("h1"), key("h2")) if k.public == validator.key)
        vote = Precommit(place, Time(1_700_000_001, place), "")
        signer = Ed25519PrivateKey.from_private_bytes(own.seed)
        message = write_vote(header, compute_header_hash(header), empty, vote)
        votes.append(replace(vote, signature=signer.sign(message).hex()))
    return [codec.pack(SignedHeader(header, replace(empty, votes=tuple(votes))))]


def try_bundle(data: bytes) -> None:
    """The code of a study, as a member gives it."""
    found = read_bundle(data)
    assert pack_bundle(found.files) == data
    assert all("\x1b" not in escape_text(file.text) for file in found.files)
    diff_bundles(found, Bundle((CodeFile("fit.py", b"x = 1\n"),)))


def bundles() -> list[bytes]:
    """Code of one file, and of several."""
    one = CodeFile("fit.py", "größe = 1\n".encode())
    many = [CodeFile(f"lib/{n}.py", b"x = 1\n" * n) for n in range(12)]
    return [pack_bundle([one]), pack_bundle([*many, one, CodeFile("requirements.txt", b"numpy")])]


def try_manifest(data: bytes) -> None:
    found = read_manifest(data)
    assert codec.pack(found) == data


def manifests() -> list[bytes]:
    files = (list_file("study/terms.jsonl", b"{}\n{}\n"), list_file("README.md", b"text"))
    made = Manifest("heart", "hearts-0", "a" * 64, 3, "b" * 64, TIME_MS, "0.1.0", files, FORM)
    return [codec.pack(made)]


def try_json(data: bytes) -> None:
    assert codec.encode(codec.decode(data)) == data


def try_announcement(data: bytes) -> None:
    """What members tell a newcomer of the ledger; the second one says the same."""
    told = read_told(data)
    snapshots = choose_snapshots([told, told])
    assert len(snapshots) <= 16
    assert all(isinstance(s, str) for s in snapshots)
    assert len(read_engines(told)) <= 1000


def announcements() -> list[bytes]:
    engines = [f"{'ab' * 20}@h.example:7001"]
    snapshot = {"chunks": 3, "format": 1, "hash": "cd" * 32, "height": 5000}
    return [codec.encode({"base": 1, "engines": engines, "height": 6000, "snapshots": [snapshot]})]


def try_reach(data: bytes) -> None:
    found = read_reachability(data)
    assert (found.data + found.ledger + found.version).isprintable()


class Mute:
    """A relay's connection whose other end is never seen."""

    transport = property(lambda self: self)

    def abort(self) -> None: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


def try_relay(data: bytes) -> None:
    """The words of a member on one connection, or on several after each other."""
    peers = cast(Any, types.SimpleNamespace(on_gone=[], server_context=lambda: None))

    async def talk() -> None:
        relay = Relay(peers)
        member = cast(Any, types.SimpleNamespace(id=2))
        for words in data.split(b"\0")[:8]:
            reader = asyncio.StreamReader(limit=2 * MAX_LINE_BYTES)
            reader.feed_data(words)
            reader.feed_eof()
            with contextlib.suppress(OSError, ValueError):  # what `Relay._serve` takes for a no
                await relay._answer(member, cast(Any, (reader, Mute())))
        assert not relay.standing(), "who has hung up stands no more"
        assert not +relay._talks, "and is counted no more"
        assert not +relay._silent

    with mock.patch.object(relay_server, "LEAST_PULSE_S", 0):
        asyncio.run(talk())


# the ledger of many machines: what its engine and other members' snapshots bring


def try_snapshot(data: bytes) -> None:
    """A snapshot's offer, an empty line, and its one chunk."""
    offer, _, chunk = data.partition(b"\n\n")
    snapshot = messages.Snapshot(height=4, format=1, chunks=1, metadata=offer)
    restoring = Restoring(snapshot, State(STATE_VALUES).app_hash)
    if restoring.take(0, chunk):
        state = restoring.finish()
        assert state is None or state.values == STATE_VALUES


def snapshots() -> list[bytes]:
    chunk = pack_state(STATE_VALUES)
    hashes = [hashlib.sha256(chunk).hexdigest()]
    offer = {"chunks": hashes, "head": "ab" * 32, "time_ms": 1}
    return [codec.encode(offer) + b"\n\n" + chunk]


STATE_VALUES = {"chain": b'{"name":"x"}', "member/1": b'{"id":1}'}


def try_abci(data: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        while (message := await read_message(reader)) is not None:
            messages.Request.FromString(message).WhichOneof("value")

    asyncio.run(read())


def abci_frames() -> list[bytes]:
    asked = [
        messages.Request(check_tx=messages.RequestCheckTx(tx=b"{}")),
        messages.Request(query=messages.RequestQuery(path="/state/chain", prove=True)),
        messages.Request(finalize_block=messages.RequestFinalizeBlock(txs=[b"{}"], height=3)),
    ]
    return [frame(r) for r in asked] + [b"".join(frame(r) for r in asked)]


def try_peers(data: bytes) -> None:
    path = folder() / "peers.json"
    path.write_bytes(data)
    for place in read_peers(folder()):
        assert isinstance(place, str)


HARNESSES = {
    h.name: h
    for h in (
        Harness("transactions", try_transaction, transactions, (Malformed,)),
        Harness("json", try_json, lambda: [*transactions(), *chunk_lists()], (Malformed,)),
        Harness("layouts", try_layout, layouts, (Malformed,)),
        Harness("chunk-lists", try_chunk_list, chunk_lists, (Malformed, BlobError)),
        Harness("leaves", try_leaves, leaves, (BlobError,)),
        Harness("safetensors", try_safetensors, safetensors, (BlobError,)),
        Harness("cards", try_card, lambda: [codec.pack(card("h1"))], (BadInput,)),
        Harness(
            "certificates", try_certificate, lambda: [bytes.fromhex(card("h1").tls)], (BadInput,)
        ),
        Harness("invitations", try_ticket, tokens, (BadInput,)),
        Harness("specs", try_spec, lambda: SPECS, (BadInput,)),
        Harness("configs", try_config, lambda: CONFIGS, (HomeError, BadInput)),
        Harness("heads", try_head, lambda: [codec.encode({"height": 5, "id": "a" * 64})], ()),
        Harness("keys", try_key, key_files, (HomeError,)),
        Harness(
            "journals",
            try_journal,
            lambda: [
                codec.pack(PreparedContribution(1, "", "a" * 64, "c" * 64, 64, "b" * 64, 3, ()))
            ],
            (Malformed,),
        ),
        Harness(
            "signed",
            try_signed,
            lambda: [codec.pack(Signed(3, ("a" * 64, "b" * 64)))],
            (Malformed,),
        ),
        Harness("statistics", try_statistics, statistics, (MergeError, BadInput)),
        Harness(
            "receipts",
            try_receipt,
            lambda: [
                codec.encode(
                    {**codec.to_json(ReceiptCame(1, 0, "a" * 64, 2, "b" * 128)), "study": "heart"}
                )
            ],
            (Malformed,),
        ),
        Harness(
            "offers",
            try_offer,
            lambda: [codec.pack(MergeDone(3, 1, "d" * 64, 10, "e" * 64, "f" * 128))],
            (Malformed,),
        ),
        Harness("stretches", try_starts, lambda: [codec.encode([0, 256, 69888])], (Malformed,)),
        Harness("excerpts", try_excerpt, excerpts, (Malformed,)),
        Harness("headers", try_header, headers, (Malformed, NotAgreed)),
        Harness("bundles", try_bundle, bundles, (Malformed,)),
        Harness("manifests", try_manifest, manifests, (Altered,)),
        Harness("asks", try_ask, lambda: [b'{"fence": 3, "wait_s": 20}'], (BadInput,)),
        Harness("answers", try_answer, answers, (BadInput,)),
        Harness("rows", try_row, rows, (Malformed,)),
        Harness("snapshots", try_snapshot, snapshots, (Malformed,)),
        Harness("abci", try_abci, abci_frames, (ValueError, EOFError, DecodeError)),
        Harness("announcements", try_announcement, announcements, (Malformed, PeerError)),
        Harness(
            "reach",
            try_reach,
            lambda: [codec.pack(Reachability("", "no answer", 7, "0.1.0", TIME_MS))],
            (PeerError,),
        ),
        Harness(
            "relays",
            try_relay,
            lambda: [b"stand\n\n\n", b"call 1\n", b"take " + b"ab" * 16 + b"\n\0call 2\n"],
            (),
        ),
        Harness(
            "doors",
            try_doors,
            lambda: [pack_checkpoint((Endpoint("a.example:7400", "cd" * 32),), 5, "ab" * 32)],
            (Malformed,),
        ),
        Harness("restarts", try_restart, restarts, (BadInput,)),
        Harness("backups", try_backup, backups, (BadInput, HomeError, OSError)),
        Harness("plans", try_plan, plans, (BadInput,)),
        Harness("tables", try_table, lambda: TABLES, (BadInput,)),
        Harness("peers", try_peers, lambda: [codec.encode([f"{'ab' * 20}@h.example:7001"])], ()),
    )
}
