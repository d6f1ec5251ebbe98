"""A node between the block of its own rotation and its start with the new keys."""

import shutil
from types import SimpleNamespace

import pytest
from parts import services_on

from swarmhub.errors import BadInput, NotNow
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.home.membership import RENEWS, Standing
from swarmhub.home.rotation import ROTATABLE, begin_rotation, finish_rotation
from swarmhub.ledger import MemoryChain, sign_transaction
from swarmhub.node.status import Status
from swarmhub.node.trainer_api.sessions import Sessions
from swarmhub.operations.ledger_client import make_genesis, make_rotation


@pytest.fixture
def homes(tmp_path):
    """A member's home, and a copy of it."""
    made = Home.create(tmp_path / "home", "Basel", "127.0.0.1:7400")
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    return made, Home.open(tmp_path / "copy")


@pytest.fixture
def chain(homes):
    home = homes[0]
    chain = MemoryChain(make_genesis("x", [make_card(home)]), home.key("account"))
    account, new = home.key("account"), begin_rotation(home, ROTATABLE)
    body = make_rotation(make_card(home, rotated=ROTATABLE), new)
    tx = sign_transaction(body, chain.tip.chain_id, chain.tip.time_ms, account)
    assert chain.append([tx], chain.tip.time_ms)[0].results[0].ok
    return chain


def status_of(services):
    said = SimpleNamespace(standing=lambda *_: Standing("unknown", False, "rotated elsewhere"))
    return Status(services, None, said, SimpleNamespace(waiting=False))


@pytest.mark.parametrize("are_in_place", [False, True])
def test_its_trainer_waits_and_is_not_refused(homes, chain, are_in_place):
    services = services_on(homes[0], state=chain.state)  # with the old keys
    if are_in_place:
        assert finish_rotation(homes[0], chain.state)
    status = status_of(services)
    assert status.standing() == Standing("waiting", True, RENEWS)
    with pytest.raises(NotNow):
        Sessions(services, None, status)._need_me()


def test_a_copy_whose_keys_were_rotated_elsewhere_is_refused(homes, chain):
    services = services_on(homes[1], state=chain.state)
    with pytest.raises(BadInput, match="rotated elsewhere"):
        Sessions(services, None, status_of(services))._need_me()
