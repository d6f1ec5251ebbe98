"""Models that differ between sites: no round begins, and each trainer hears in what they differ."""

from pathlib import Path

import pytest
from builders import HEART, digest, running
from swarm import Network, make_spec

from swarmhub.node.layouts import find_unlike
from swarmhub.protocol import LocalState, MergeDone, Offered, PreparedContribution

pytestmark = pytest.mark.process

TRAINERS = Path(__file__).parent / "trainers"


def noted(c, *unlike, number=1):
    """Member 1's local: its own model, and other members' offers, some of another form."""
    local = LocalState(HEART, 1)
    mine, other = digest("my layout"), digest("another layout")
    local.learn(PreparedContribution(number, "", digest("m"), digest("r"), 64, mine, 1), 0)
    for member in c.chain.active[1:]:
        form = other if member in unlike else mine
        local.learn(Offered(member, 1, 0, digest(f"of {member}"), 64, form, ""), 0)
    return local


@pytest.mark.parametrize(
    ("n", "min_peers", "unlike", "stops"),
    [
        (2, 2, (), False),
        (2, 2, (2,), True),
        (3, 2, (3,), False),  # two are enough, and one odd model stops nobody
        (3, 3, (3,), True),
        (4, 3, (4,), False),
        (4, 3, (3, 4), True),
    ],
)
def test_a_model_is_refused_if_too_few_may_have_its_form(n, min_peers, unlike, stops):
    c = running(n, min_peers=min_peers)
    c.ready(*c.chain.active)
    found = find_unlike(c.state, noted(c, *unlike))
    assert (found is not None) == bool(unlike)
    assert (found is not None and found.stops) == stops


def test_members_that_have_yet_to_come_may_have_its_form():
    c = running(3, min_peers=2)
    c.ready(1, 2)
    found = find_unlike(c.state, noted(c, 2))
    assert (found.offer.leader, found.stops) == (2, False)


def test_an_answer_to_another_round_is_not_compared():
    c = running(2, min_peers=2)
    c.ready(*c.chain.active)
    assert find_unlike(c.state, noted(c, 2, number=3)) is None
    c.settle()
    assert find_unlike(c.state, noted(c, 2)) is None


def test_what_differed_is_forgotten_with_the_answer():
    c = running(3, min_peers=3)
    c.ready(*c.chain.active)
    local = noted(c, 3)
    local.learn(MergeDone(1, 0, digest("m"), 64, digest("my layout"), ""), 0)
    local.take_back()
    assert [o.leader for o in local.offers.values()] == [2]
    assert find_unlike(c.state, local) is None
    local.learn(
        PreparedContribution(1, "", digest("new"), digest("r"), 64, digest("my layout"), 1), 0
    )
    assert local.merged
    local.learn(
        PreparedContribution(1, "", digest("n"), digest("r"), 64, digest("another layout"), 1), 0
    )
    assert not local.merged


@pytest.fixture
def network(tmp_path):
    with Network(tmp_path, 3) as found:
        yield found


def open_study(network, members, **terms):
    for i in members:
        network.up(i)
    network.open_study(make_spec(rounds=2, **terms), members)


def wait_for_end(network, i):
    network.wait_until(lambda: not network.children.is_running(f"trainer {i}"))
    return (network.homes[i - 1].root / "logs" / "trainer.log").read_text()


@pytest.mark.parametrize(
    ("script", "parts"),
    [
        ("class_names.py", ["differ in classes_", "'benign', 'tumour'", "'healthy', 'sick'"]),
        ("column_order.py", ["feature_names_in_", "'age', 'bmi', 'crp'", "'crp', 'age', 'bmi'"]),
    ],
)
def test_both_sites_hear_in_what_their_models_differ(network, script, parts):
    pytest.importorskip("sklearn")
    open_study(network, (1, 2))
    for i in (1, 2):
        network.train(i, TRAINERS / script)
    for i in (1, 2):
        said = wait_for_end(network, i)
        assert all(part in said for part in (*parts, f"the model of Hospital {3 - i}")), said
        assert "Traceback" not in said
    assert network.round("s").kind == "initial"


def test_a_corrected_trainer_is_all_it_takes(network):
    pytest.importorskip("sklearn")
    open_study(network, (1, 2))
    for i in (1, 2):
        network.train(i, TRAINERS / "class_names.py")
    for i in (1, 2):
        wait_for_end(network, i)
    network.train(2, TRAINERS / "class_names_agreed.py", "corrected")
    network.wait_until(lambda: network.round("s").kind == "train", 120)
    network.train(1, TRAINERS / "class_names.py", "again")
    network.wait_until(lambda: network.study("s").status == "finished", 120)


def test_a_site_that_is_outvoted_hears_it_and_the_others_go_on(network):
    pytest.importorskip("sklearn")
    open_study(network, (1, 2, 3), quorum_grace_ms=500)
    for i in (1, 2, 3):
        network.train(i, TRAINERS / "class_names.py")
    said = wait_for_end(network, 2)
    assert "this model has 'healthy', 'sick', the" in said
    assert "has 'benign', 'tumour'; build" in said
    network.wait_until(lambda: network.study("s").status == "finished", 120)


def test_a_late_site_hears_in_what_its_model_differs(network):
    """Its node has to ask the others for the layout."""
    pytest.importorskip("sklearn")
    open_study(network, (1, 2, 3), quorum_grace_ms=500)
    for i in (1, 3):
        network.train(i, TRAINERS / "class_names.py")
    network.wait_until(lambda: network.study("s").status == "finished", 120)
    network.train(2, TRAINERS / "class_names.py")
    said = wait_for_end(network, 2)
    assert "this model has 'healthy', 'sick', the study's model has 'benign', 'tumour'" in said
