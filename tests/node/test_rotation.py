"""Keys that are rotated while the others go on, and keys that were rotated elsewhere."""

from __future__ import annotations

import asyncio
import json
import shutil
from functools import partial
from types import SimpleNamespace

import pytest
from comets import Comets
from engines import needs_cometbft
from parts import services_on

from swarmhub.contract.records import get_double_sign
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.foreign_keys import find_foreign_keys
from swarmhub.home.home import Home
from swarmhub.home.rotation import (
    ROTATABLE,
    begin_rotation,
    finish_rotation,
    is_rotating,
    load_newest_ledger_key,
    read_identity,
)
from swarmhub.keys import PrivateKey
from swarmhub.ledger import MemoryChain, sign_transaction
from swarmhub.ledger.cometbft import badge as badge_room
from swarmhub.ledger.cometbft.badge import Badge
from swarmhub.ledger.cometbft.rpc import RpcError
from swarmhub.ledger.cometbft.signing import SIGNED_FILE
from swarmhub.node.own_keys import OwnKeys
from swarmhub.operations.ledger_client import make_genesis, make_rotation

pytestmark = pytest.mark.engine


@pytest.fixture
def four(tmp_path):
    with Comets(tmp_path, 4) as comets:
        yield comets


def freeze_while_rotating(four):
    """Hospital 4 hears of its rotation only when nobody lets its old keys in any more."""
    engines = {i: four.engine(i) for i in (1, 2, 3)}
    four.freeze(4)
    four.rotate_all(4, over=1)
    height = four.member(4, seen_by=1).rotated
    four.wait_until(lambda: min(four.look(i)[0] for i in (1, 2, 3)) > height)
    four.wait_until(lambda: all(four.engine(i) not in (0, pid) for i, pid in engines.items()))


@needs_cometbft
def test_a_block_that_comes_late_strands_nobody_who_rotates(four):
    freeze_while_rotating(four)
    four.thaw(4)
    four.wait_until(lambda: four.is_back(4))


@needs_cometbft
def test_a_start_amid_a_rotation_strands_nobody(four):
    freeze_while_rotating(four)
    four.children.kill("node 4")
    four.up(4)
    four.wait_until(lambda: four.is_back(4))


def last_signed(home):
    """Height that the validator of this home has signed last."""
    return int(json.loads((home / "ledger" / SIGNED_FILE).read_bytes())["height"])


@needs_cometbft
def test_an_old_copy_of_a_home_that_is_put_back_signs_nothing(four, tmp_path):
    four.children.kill("node 4")
    home, copy = four.homes[3].root, tmp_path / "old"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*.sock", "*.bells"))
    four.up(4)
    for _ in range(14):  # of an account are at most 16 open
        four.at_desk(1, lambda client: client.invite(four.homes[0], 86_400_000))
        four.wait_until(lambda: four.look(4)[0] >= four.look(1)[0])
        if last_signed(home) > last_signed(copy):
            break
    four.at_desk(2, lambda client: client.invite(four.homes[1], 86_400_000))
    four.children.kill("node 4")
    shutil.rmtree(home)
    copy.rename(home)
    four.up(4)
    four.wait_until(lambda: "does not sign blocks" in four.log(4))
    four.wait_until(lambda: four.look(4)[0] == four.look(1)[0])
    assert get_double_sign(four.look(1)[1], four.member(4, seen_by=1)) is None


@needs_cometbft
def test_an_old_signing_state_has_no_vote_until_the_key_is_replaced(four):
    for _ in range(14):  # a block may do without the fourth vote; of an account are at most 16 open
        four.at_desk(1, lambda client: client.invite(four.homes[0], 86_400_000))
        four.wait_until(lambda: four.look(4)[0] >= four.look(1)[0])
        if four.signed(4):
            break
    four.children.kill("node 4")
    (four.homes[3].engine_path / SIGNED_FILE).unlink()
    four.up(4)
    four.wait_until(lambda: "does not sign blocks: its key has signed" in four.log(4))
    four.wait_until(lambda: four.log(4).count("is up") == 2)
    assert "does not sign blocks" in four.type(4, "status", code=1)
    four.type(4, "consortium", "rotate-key", "consensus")
    four.wait_until(lambda: four.is_back(4))
    assert "does not sign blocks" not in four.type(4, "status")


# keys that were rotated elsewhere


class Twins:
    """A hospital's home, a copy of it, and a chain whose only member it is."""

    def __init__(self, root):
        address = "127.0.0.1:7400"
        self.home = Home.create(root / "home", "Basel", address, ledger=COMETBFT)
        shutil.copytree(root / "home", root / "copy")
        self.copy = Home.open(root / "copy")
        self.account = self.home.key("account")
        self.chain = MemoryChain(make_genesis("x", [make_card(self.home)]), self.account)

    def rotate(self, home, names):
        """In one of the two homes, which then has the new keys beside the old ones."""
        account, new = home.key("account"), begin_rotation(home, names)
        body = make_rotation(make_card(home, rotated=names), new)
        tip = self.chain.tip
        tx = sign_transaction(body, tip.chain_id, tip.time_ms, account)
        assert self.chain.append([tx], tip.time_ms)[0].results[0].ok

    @property
    def said(self):
        return find_foreign_keys(self.home, self.chain.state, self.account.public)


@pytest.fixture
def twins(tmp_path):
    return Twins(tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["account"], "another account key for 'Basel' (member 1) than this home since block 1"),
        (ROTATABLE, "Copy the folder keys/"),
        (["tls"], "replace it with 'swarmhub consortium rotate-key tls'"),
        (["consensus"], "so this node has no vote"),
        (["release"], "The ledger has other keys for this hospital (release) than this home"),
        (["ledger", "consensus"], "(consensus, ledger) than this home since block 1; were they"),
    ],
)
def test_keys_that_were_rotated_elsewhere_are_a_sentence(twins, names, said):
    assert twins.said == ""
    twins.rotate(twins.copy, names)
    assert said in twins.said


def test_a_home_goes_on_by_rotating_again(twins):
    twins.rotate(twins.copy, ["tls", "consensus", "ledger"])
    assert "type 'swarmhub consortium rotate-key --all'" in twins.said
    twins.rotate(twins.home, ROTATABLE)
    assert finish_rotation(twins.home, twins.chain.state) == list(ROTATABLE)
    assert find_foreign_keys(twins.home, twins.chain.state, twins.home.key("account").public) == ""


def test_new_keys_are_taken_a_block_after_their_rotation(twins):
    identity = read_identity(twins.home)
    twins.rotate(twins.home, ROTATABLE)
    there = services_on(twins.home, state=twins.chain.state, tip=twins.chain.tip)
    own_keys = OwnKeys(there, identity)
    own_keys.renew()
    assert is_rotating(twins.home), "the next block needs the old consensus key"
    assert not own_keys.renewed
    twins.chain.append([], twins.chain.tip.time_ms)
    there.ledger.tip = twins.chain.tip
    own_keys.renew()
    assert own_keys.renewed
    assert not is_rotating(twins.home)


# by which key the engine shows itself


class Played:
    """An engine that answers how many others it has, and what it was told."""

    def __init__(self, twins, connections):
        newest = partial(load_newest_ledger_key, twins.home)
        self.settings = SimpleNamespace(peer=twins.home.key("ledger"), newest_peer=newest)
        self.rpc, self.connections = self, iter(connections)
        self.shown, self.said, self.over = [], [], asyncio.Event()

    async def call(self, method):
        count = next(self.connections, "over")
        if count == "over":
            self.over.set()
            await asyncio.Event().wait()
        if count is None:
            raise RpcError("x")
        return {"n_peers": str(count)}

    def restart(self):
        self.shown.append(self.settings.peer.public)


def watch(twins, connections, monkeypatch):
    """What the engine has shown, after these looks at its connections."""
    monkeypatch.setattr(badge_room, "LOOK_S", 0)
    monkeypatch.setattr(badge_room, "TRY_S", 0)
    monkeypatch.setattr(badge_room, "replace", lambda old, **new: SimpleNamespace(
        **{**vars(old), **new}))  # fmt: skip

    async def run():
        engine = Played(twins, connections)
        badge = Badge(engine, twins.chain, lambda: ["somebody"], engine.said.append)
        badge.start()
        await asyncio.wait_for(engine.over.wait(), 10)
        await badge.close()
        return engine

    return asyncio.run(run())


def test_an_engine_without_connections_tries_its_other_key(twins, monkeypatch):
    old = twins.home.key("ledger").public
    assert watch(twins, [0, 0, None, 2], monkeypatch).shown == [], "there is no other"
    begin_rotation(twins.home, ["ledger"])
    new = load_newest_ledger_key(twins.home).public
    assert watch(twins, [2, None, 1], monkeypatch).shown == [], "nobody refuses it"
    assert watch(twins, [0, 0, None, 0, 3], monkeypatch).shown == [new, old, new]


def test_an_engine_that_misses_the_next_block_tries_its_other_key(twins, monkeypatch):
    twins.rotate(twins.home, ["ledger"])
    new = load_newest_ledger_key(twins.home).public
    assert watch(twins, [1], monkeypatch).shown == [new]
    twins.chain.append([], twins.chain.tip.time_ms)
    assert watch(twins, [1], monkeypatch).shown == []


def test_a_node_that_nobody_connects_to_says_so(twins, monkeypatch):
    looks = badge_room.ALONE_LOOKS
    assert watch(twins, [0] * (looks - 1) + [1, 0], monkeypatch).said == []
    (said,) = watch(twins, [0] * looks, monkeypatch).said
    assert "they refuse this home's keys" in str(said)


def test_a_key_that_moves_meanwhile_is_no_error(twins):
    twins.home.key_path("ledger").unlink()
    assert load_newest_ledger_key(twins.home) is None
    PrivateKey().save(twins.home.key_path("ledger"))
    assert load_newest_ledger_key(twins.home) is not None
