"""Files that a disk has torn or altered: refused by name, repaired where possible, never used."""

import asyncio
import random
import shutil
import ssl

import numpy as np
import pytest
from builders import key
from ledger_tools import GENESIS, Clock, change, done, invite, signed
from parts import services_on
from swarm import Network, make_spec, swarmhub

from swarmhub import keys
from swarmhub.blobs import BlobStore
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.contract.records import Evaluation
from swarmhub.errors import HomeError, LedgerDamaged, LedgerError, SwarmhubError
from swarmhub.failpoints import VARIABLE
from swarmhub.home.head import load_head, save_head
from swarmhub.home.home import Home
from swarmhub.ledger import SqliteLedger, create_ledger
from swarmhub.params import CHUNK_BYTES, Layout, Tensor
from swarmhub.protocol import FetchedBlobs, PreparedContribution, Signed
from swarmhub.train.shelf import Shelf
from swarmhub.transport.tls import Peers

SEEDS = range(6)
TRIES = 40  # places in a file for each seed


def damages(data, seed, tries=TRIES):
    """(what was done, the damaged bytes): cut anywhere, a byte changed anywhere, zeros, a hole."""
    chance = random.Random(seed)
    for _ in range(tries):
        at = chance.randrange(len(data))
        flipped = bytearray(data)
        flipped[at] ^= chance.randrange(1, 256)
        yield f"byte {at} changed", bytes(flipped)
        yield f"cut at {at}", data[:at]
        until = min(len(data), at + chance.randrange(1, 600))
        yield f"zeros from {at} to {until}", data[:at] + bytes(until - at) + data[until:]
    yield "emptied", b""
    yield "a stranger's bytes", chance.randbytes(len(data))


def each_damage(path, seed, tries=TRIES):
    """Put each damage in a file's place; the whole file is back at the end."""
    whole = path.read_bytes()
    for what, data in damages(whole, seed, tries):
        if data == whole:
            continue
        path.write_bytes(data)
        yield what
    path.write_bytes(whole)


def attempt(act):
    """(what it gives, None) or (None, the error that an operator sees); nothing else may come."""
    try:
        return act(), None
    except SwarmhubError as error:
        return None, error


# the ledger


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A ledger of some blocks: (its file, its tip)."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    create_ledger(path, GENESIS, key("h1"))

    async def fill():
        ledger = await SqliteLedger.open(path, key("h1"), clock=Clock())
        for i in range(8):
            await done(ledger, signed(ledger, invite(f"{i}")))
        await done(ledger, signed(ledger, change()))
        tip = ledger.tip
        await ledger.close()
        return tip

    tip = asyncio.run(fill())
    return path, tip


def open_ledger(path, seen):
    async def run():
        ledger = await SqliteLedger.open(path, key("h1"), seen, clock=Clock())
        try:
            return ledger.tip, ledger.state.app_hash
        finally:
            await ledger.close()

    return asyncio.run(run())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_ledger_is_refused_with_file_and_height_or_holds_the_same_blocks(
    chain, tmp_path, seed
):
    original, tip = chain
    _, app_hash = open_ledger(original, None)
    whole, path = original.read_bytes(), tmp_path / "ledger.sqlite"
    refused = 0
    for what, data in damages(whole, seed):
        for old in tmp_path.glob("ledger.sqlite*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        path.write_bytes(data)
        found, error = attempt(lambda: open_ledger(path, (tip.height, tip.head)))
        if error is None:  # a byte that nobody reads
            assert (found[0].head, found[1]) == (tip.head, app_hash), what
            continue
        refused += 1
        assert isinstance(error, LedgerError), what
        assert str(path) in str(error), what
        if isinstance(error, LedgerDamaged):
            assert f"damaged at block {error.height}" in str(error), what
            assert 0 <= error.height <= tip.height + 1, what
    assert refused > TRIES


@pytest.mark.parametrize("seed", SEEDS)
def test_a_torn_write_ahead_log_loses_no_block_that_was_seen_without_saying_so(
    chain, tmp_path, seed
):
    original, _ = chain
    path, log = tmp_path / "ledger.sqlite", tmp_path / "ledger.sqlite-wal"
    source = tmp_path / "running.sqlite"
    source.write_bytes(original.read_bytes())

    async def run():
        ledger = await SqliteLedger.open(source, key("h1"), clock=Clock())
        await done(ledger, signed(ledger, invite("in the log")))
        files = source.read_bytes(), source.with_name("running.sqlite-wal").read_bytes()
        tip = ledger.tip
        await ledger.close()
        return tip, files

    tip, (data, written) = asyncio.run(run())
    lost = 0
    for what, torn in damages(written, seed, 15):
        for old in tmp_path.glob("ledger.sqlite*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        path.write_bytes(data)
        log.write_bytes(torn)
        found, error = attempt(lambda: open_ledger(path, (tip.height, tip.head)))
        if error is None:
            assert found[0].head == tip.head, what
            continue
        lost += 1
        assert isinstance(error, LedgerDamaged), what
        assert str(path) in str(error), what
    assert lost


# blobs


def put_blob(store, nbytes, seed=1):
    layout = Layout.of([Tensor("x", "U8", (nbytes,))])
    path = store.incoming()
    path.write_bytes(np.random.default_rng(seed).bytes(layout.nbytes))
    store.put_layout(layout)
    return store.adopt(path, fingerprint_of(path, layout.digest)), layout.digest


@pytest.mark.parametrize("kind", ["bin", "leaves"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_blob_is_named_and_not_held(tmp_path, kind, seed):
    store = BlobStore(tmp_path / "blobs")
    good, _ = put_blob(store, 4096, seed=2)
    digest, _ = put_blob(store, 2 * CHUNK_BYTES + 640)
    path = tmp_path / "blobs" / f"{digest}.{kind}"
    others = {p: p.read_bytes() for p in (tmp_path / "blobs").glob(f"{digest}.*")}
    for what in each_damage(path, seed, 4 if kind == "bin" else TRIES):
        again = BlobStore(tmp_path / "blobs")
        sentences = again.load()
        if again.digests() == {good, digest}:  # a digit in capitals says the same
            assert again.fingerprint(digest) == store.fingerprint(digest), what
            continue
        (sentence,) = sentences
        assert digest[:16] in sentence, what
        assert "was damaged and is removed" in sentence, what
        assert again.digests() == {good}, what
        assert not list((tmp_path / "blobs").glob(f"{digest}.*")), what
        for other, data in others.items():  # for the next damage
            other.write_bytes(data)


def test_a_blob_without_its_bytes_or_its_list_is_no_blob(tmp_path):
    for missing in ("bin", "leaves"):
        store = BlobStore(tmp_path / missing)
        digest, _ = put_blob(store, 4096)
        (tmp_path / missing / f"{digest}.{missing}").unlink()
        again = BlobStore(tmp_path / missing)
        again.load()
        assert again.digests() == set()
        assert not list((tmp_path / missing).glob(f"{digest}.*"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_layout_is_removed_and_brought_again(tmp_path, seed):
    store = BlobStore(tmp_path / "blobs")
    _, layout = put_blob(store, 4096)
    path = tmp_path / "blobs" / "layouts" / f"{layout}.json"
    whole = path.read_bytes()
    for what in each_damage(path, seed):
        assert store.layout(layout) is None, what
        (sentence,) = BlobStore(tmp_path / "blobs").load()
        assert "was damaged and is removed" in sentence, what
        store.put_layout(Layout.parse(whole))
        assert store.layout(layout) is not None, what


# journal, last head, configuration, keys


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "home", "Hospital", "127.0.0.1:7000")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_journal_is_left_aside_with_a_sentence(home, seed):
    node = services_on(home)
    digest, layout = put_blob(node.blobs, 4096)
    prepared = PreparedContribution(
        7,
        "b" * 64,
        digest,
        "c" * 64,
        4096,
        layout,
        100,
        (Evaluation("b" * 64, 90, {"auc": 870_000}),),
    )
    node.journal.save_prepared("heart", prepared)
    assert node.journal.load_prepared("heart") == prepared
    for what in each_damage(home.state_path("heart.prepared"), seed):
        node.problems.sentences.clear()
        assert node.journal.load_prepared("heart") is None, what
        (sentence,) = node.problems.sentences
        assert "heart.prepared was damaged and is left aside" in sentence, what


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_journal_of_what_was_signed_is_left_aside_with_a_sentence(home, seed):
    node, signed = services_on(home), Signed(7, ("a" * 64, "b" * 64))
    assert node.journal.load_signed("heart") == Signed(0, ())
    node.journal.save_signed("heart", signed)
    assert node.journal.load_signed("heart") == signed
    for what in each_damage(home.state_path("heart.signed"), seed):
        node.problems.sentences.clear()
        assert node.journal.load_signed("heart") == Signed(0, ()), what
        (sentence,) = node.problems.sentences
        assert "heart.signed was damaged and is left aside" in sentence, what


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_pulled_is_remembered_over_a_crash_and_forgotten_where_it_is_damaged(home, seed):
    node, obtained = services_on(home), FetchedBlobs(7, ("a" * 64, "b" * 64))
    assert node.journal.load_obtained("heart") == FetchedBlobs()
    node.journal.save_obtained("heart", obtained)
    assert node.journal.load_obtained("heart") == obtained
    for what in each_damage(home.state_path("heart.obtained"), seed):
        assert node.journal.load_obtained("heart") == FetchedBlobs(), what
    assert node.problems.sentences == [], "a power cut may take it, like what was pulled"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_last_head_is_said_and_accuses_nobody(home, seed):
    save_head(home, 117, "c" * 64)
    assert load_head(home) == (117, "c" * 64)
    for what in each_damage(home.state_path("head"), seed):
        with pytest.raises(HomeError, match="head was damaged and is left aside"):
            pytest.fail(f"{what}: {load_head(home)}")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_configuration_is_a_sentence_or_means_what_it_says(home, seed):
    for what in each_damage(home.root / "node.toml", seed):
        opened, error = attempt(lambda: Home.open(home.root))
        assert str(home.root) in str(error) if error else opened.config.name, what


@pytest.mark.parametrize("name", ["account", "tls", "consensus", "release"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_key_is_never_another_key(home, name, seed):
    path = home.key_path(name)
    public = keys.load_key(name, path).public
    for what in each_damage(path, seed):
        # a line's end, say, is the same key
        found, error = attempt(lambda: keys.load_key(name, path).public)
        assert str(path) in str(error) if error else found == public, what


def test_a_key_of_another_program_needs_no_heading(home):
    path = home.key_path("account")
    public, text = home.key("account").public, path.read_text()
    path.write_text(text[text.index("-----BEGIN") :])
    assert home.key("account").public == public


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_certificate_is_refused(home, seed):
    whole = home.certificate_path.read_text()
    der = ssl.PEM_cert_to_DER_cert(whole)
    for what in each_damage(home.certificate_path, seed):
        peers = Peers(home.certificate_path, home.key_path("tls"))
        _, error = attempt(peers.server_context)
        if error is None:  # what the signature does not cover: the ledger tells (see below)
            assert len(peers.own()) == len(der), what
            continue
        assert str(home.certificate_path) in str(error), what


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"port": "x", "token": 1}', '{"port": 1}']
)
def test_a_damaged_address_of_the_node_makes_a_trainer_wait(home, content):
    from swarmhub.errors import TrainerError
    from swarmhub.train.client import NodeClient

    home.run_path("api.json").write_text(content)
    with pytest.raises(TrainerError, match=r"Expected an answer of the node .* No node answers"):
        NodeClient(home.root, patience_s=0.0).get("/v1/status")


@pytest.mark.parametrize("seed", SEEDS)
def test_torn_private_state_of_a_trainer_gives_way_to_the_round_before(home, seed):
    shelf = Shelf(home.local_path("heart"))
    shelf.save(3, {"seen": np.arange(3.0)}, {})
    shelf.save(4, {"seen": np.arange(4.0)}, {})
    path = home.local_path("heart") / "4.safetensors"
    for what in each_damage(path, seed, 15):
        if "cut" in what or what == "emptied":
            np.testing.assert_array_equal(shelf.load(5)["seen"], np.arange(3.0), what)


# real processes


@pytest.mark.process
def test_a_node_with_a_damaged_journal_head_and_layout_says_so_and_goes_on(tmp_path):
    from test_life import add_one, finished, make_round

    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=6))
        for i in (1, 2):
            network.train(i, add_one(pause=0.15))
        network.wait_until(lambda: (network.round("s") or make_round()).number >= 4)
        network.children.kill("node 2")
        home = network.homes[1]
        damaged = [home.state_path("s.prepared"), home.state_path("head")]
        damaged += (home.blobs_path / "layouts").glob("*.json")
        for path in damaged:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0x01
            path.write_bytes(data)
        network.up(2)
        network.wait_until(finished(network))
        log = network.log(2).read_text()
        for path in damaged:
            assert f"{path.name} was damaged and is" in log
        assert "Traceback" not in log
        assert {s.member for s in network.study("s").current.shares} == {1, 2}


@pytest.mark.process
def test_a_layout_lost_amid_a_round_comes_from_another_member(tmp_path):
    from test_life import add_one, finished

    with Network(tmp_path, 2) as network:
        network.up(1)
        up = ["up", "--home", str(network.homes[1].root)]
        dies = {VARIABLE: "result.round.contribute:3"}  # its trainer has answered
        network.children.start("node 2", up, network.log(2), **dies)
        network.open_study(make_spec(rounds=4))
        for i in (1, 2):
            network.train(i, add_one())
        network.wait_until(lambda: not network.children.is_running("node 2"))
        network.children.kill("node 2")
        for path in (network.homes[1].blobs_path / "layouts").glob("*.json"):
            path.write_bytes(b"{}")
        network.up(2)
        network.wait_until(finished(network))
        assert {s.member for s in network.study("s").current.shares} == {1, 2}


@pytest.mark.process
@pytest.mark.parametrize("name", ["account.pem", "tls.pem", "tls.crt"])
def test_a_node_with_a_damaged_key_ends_with_one_sentence(tmp_path, name):
    with Network(tmp_path, 1) as network:
        path = network.homes[0].root / "keys" / name
        data = bytearray(path.read_bytes())
        at = data.index(b"-----BEGIN") + 100
        data[at] = ord("A") if data[at] != ord("A") else ord("B")
        path.write_bytes(data)
        done = swarmhub("up", "--home", network.homes[0].root)
        assert done.returncode == 2
        (sentence,) = done.stderr.strip().splitlines()
        assert f"{name} is damaged" in sentence


@pytest.mark.process
def test_a_certificate_that_is_not_the_ledgers_is_said(tmp_path):
    with Network(tmp_path, 1) as network:
        home = network.homes[0]
        home.certificate_path.write_text(keys.to_pem(keys.make_certificate(home.key("tls"))))
        network.up(1)
        network.wait_until(
            lambda: "is not the one that the ledger has" in network.log(1).read_text()
        )


@pytest.mark.process
def test_a_ledger_that_is_damaged_while_nodes_run_stops_them_with_file_and_height(tmp_path):
    import sqlite3

    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.wait_until(lambda: all("is up" in network.log(i).read_text() for i in (1, 2)))
        network.open_study(make_spec(min_peers=2))
        path = network.homes[0].ledger_path
        db = sqlite3.connect(path)
        (height,) = db.execute("SELECT max(height) FROM blocks").fetchone()
        row = db.execute("SELECT header, signature, txs FROM blocks WHERE height = ?", (height,))
        with db:
            db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", (height + 1, *row.fetchone()))
        db.close()
        for i in (1, 2):
            network.wait_until(lambda n=i: not network.children.is_running(f"node {n}"))
            last = network.log(i).read_text().strip().splitlines()[-1]
            assert last.startswith(f"swarmhub: The ledger {path} is damaged at block {height + 1}")
