"""Does a hospital belong to its consortium: the first line and the exit code say so."""

import asyncio
import json
import re
import signal
import socket

import pytest
from builders import Consortium, key
from engines import needs_cometbft
from swarm import Network, swarmhub
from test_join import found_together, init, run, wait_until

from swarmhub import codec
from swarmhub.cli.status import show_status
from swarmhub.contract.transactions import Leave, Remove, Revoke, Vote
from swarmhub.demo.processes import Processes, free_address
from swarmhub.errors import HomeError, HungUp, NoAnswer, PeerError
from swarmhub.files import lock
from swarmhub.home.home import Home
from swarmhub.home.membership import Asked, Membership, find_standing
from swarmhub.operations import running_node

pytestmark = pytest.mark.engine

# what the ledger says


def removed(chain, member=4):
    """A motion against a member, carried by the others."""
    chain.ok(1, Remove(member))
    motion = chain.open_motions[-1]
    for other in chain.chain.active:
        if other != member and chain.motion(motion):
            chain.act(other, Vote(motion, True))


@pytest.mark.parametrize(
    ("act", "state", "words"),
    [
        (lambda chain: None, "member", "is member 4"),
        (removed, "removed", "have removed this hospital"),
        (lambda chain: chain.ok(4, Leave()), "left", "has left the consortium"),
        (lambda chain: chain.ok(4, Revoke()), "revoked", "keys are revoked"),
        (lambda chain: chain.rotate(4), "unknown", "'h4' has other keys than this home"),
    ],
)
def test_what_became_of_a_member_follows_from_the_ledger(act, state, words):
    chain = Consortium()
    act(chain)
    found = find_standing(chain.state, key("h4").public, "h4")
    assert (found.state, found.well) == (state, state == "member")
    assert words in found.said


def test_a_stranger_an_applicant_and_a_newcomer_are_told_apart():
    chain = Consortium()

    def state():
        found = find_standing(chain.state, key("new").public, "new")
        return found.state, found.well

    assert state() == ("unknown", False)
    motion = chain.apply("new")
    assert state() == ("waiting", True)
    for member in (1, 2, 3):
        chain.act(member, Vote(motion, True))
    assert state() == ("member", True)


def test_a_removed_member_that_applies_again_waits():
    chain = Consortium()
    removed(chain)
    chain.apply("h4")
    assert find_standing(chain.state, key("h4").public, "h4").state == "waiting"


# what the others say


@pytest.mark.parametrize(
    ("asked", "state", "well"),
    [
        (Asked(let_in=1, hung_up=2), "member", True),
        (Asked(hung_up=3), "unknown", False),
        (Asked(hung_up=2, silent=1), "unknown", False),  # one of them is honest
        (Asked(hung_up=1, silent=2), "member", False),  # it may be a liar
        (Asked(silent=3), "member", False),
        (Asked(), "member", True),  # there is nobody else
    ],
)
def test_more_than_the_faulty_have_to_refuse(asked, state, well):
    found = find_standing(Consortium().state, key("h4").public, "h4", asked)
    assert (found.state, found.well) == (state, well)


class Doors:
    """Members' doors: `errors` has what knocking at some of them raises."""

    def __init__(self, **errors):
        self.errors = {int(name[1:]): error for name, error in errors.items()}
        self.knocks = []

    async def knock(self, member):
        self.knocks.append(member)
        if member in self.errors:
            raise self.errors[member]("said")


def look(doors, times=1):
    """The standing after so many looks."""

    async def is_current():
        return True

    found = Membership(doors, lambda: [1, 2, 3], is_current)
    for _ in range(times):
        asyncio.run(found.look())
    return found.standing(Consortium().state, key("h4").public, "h4")


def test_one_member_is_asked_while_all_is_well():
    doors = Doors(m2=PeerError)
    assert look(doors, times=3).well
    assert doors.knocks == [2, 1, 2, 3, 3, 1]  # the one that is silent has all asked


def test_nobody_is_refused_after_one_look():
    refusing = {"m1": HungUp, "m2": HungUp, "m3": HungUp}
    assert look(Doors(**refusing)).well
    found = look(Doors(**refusing), times=2)
    assert found.said.startswith("3 of 3 other members hang up. The members refuse this node's")


# a node that does not answer


def pretend(home, **api):
    """What a node that runs on a home has there."""
    home.run_path("api.json").write_bytes(codec.encode({"pid": 1, "token": "t", **api}))
    return lock(home.run_path("node.lock"))


def test_a_busy_node_is_said_to_be_busy(tmp_path, monkeypatch):
    monkeypatch.setattr(running_node, "ANSWER_S", 0.05)
    home = Home.create(tmp_path / "h", "H", free_address())
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pretend(home, port=mute.getsockname()[1]),
        pytest.raises(NoAnswer, match=r"it is busy or hangs \(since .*\); wait"),
    ):
        running_node.ask_status(home.root)


def test_a_node_with_another_local_api_is_named(tmp_path):
    home = Home.create(tmp_path / "h", "H", free_address())
    with pretend(home, port=1, version=2), pytest.raises(HomeError, match="local API, got 2; run"):
        running_node.ask_status(home.root)


def test_a_node_that_starts_and_one_that_is_gone_differ(tmp_path):
    home = Home.create(tmp_path / "h", "H", free_address())
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pretend(home, port=port), pytest.raises(NoAnswer, match="it starts or ends"):
        running_node.ask_status(home.root)
    done = swarmhub("status", "--home", home.root)
    assert done.returncode == 2
    assert "it has no consortium yet" in done.stderr


def test_a_stopped_node_is_said_to_be_stopped(tmp_path):
    with Network(tmp_path, 1) as network:
        network.up(1)
        home = network.homes[0]
        network.wait_until(lambda: swarmhub("status", "--home", home.root).returncode == 0)
        pid = codec.parse(home.run_path("api.json").read_bytes())["pid"]
        network.stop(1)
        done = swarmhub("status", "--home", home.root, timeout=20)
        assert done.returncode == 1
        assert done.stdout.startswith(f"The node on {home.root} (pid {pid}) does not answer")
        assert "it is stopped (since " in done.stdout
        assert f"'kill -CONT {pid}'" in done.stdout
        shown = json.loads(swarmhub("status", "--json", "--home", home.root).stdout)
        assert (shown["state"], shown["well"]) == ("unknown", False)
        network.children.signal("node 1", signal.SIGCONT)
        assert swarmhub("status", "--home", home.root).returncode == 0


# real nodes


def vote_out(homes, member):
    """The others remove a member."""
    assert swarmhub("consortium", "remove", member, "--yes", "--home", homes[0]).returncode == 0
    (motion,) = json.loads(swarmhub("consortium", "inbox", "--json", "--home", homes[0]).stdout)
    for home in homes:
        swarmhub("consortium", "vote", motion["id"], "--aye", "--home", home)


@pytest.mark.parametrize("away", [False, True])
def test_a_removed_members_first_line_and_exit_code_say_so(tmp_path, away):
    with Network(tmp_path, 3) as network:
        home = network.homes[2].root
        if not away:
            network.up(3)
            network.wait_until(lambda: swarmhub("status", "--home", home).returncode == 0)
        vote_out([h.root for h in network.homes], 3)
        if away:
            network.up(3)
        words = "Hospital 3: The members have removed this hospital"
        network.wait_until(lambda: words in swarmhub("status", "--home", home).stdout)
        done = swarmhub("status", "--home", home)
        assert (done.returncode, done.stdout.startswith(words)) == (1, True)
        assert json.loads(swarmhub("status", "--json", "--home", home).stdout)["state"] == "removed"
        done = swarmhub("doctor", "--home", home)
        assert (done.returncode, done.stdout[:14]) == (1, "✗ membership: ")
        assert "have removed this hospital" in done.stdout.splitlines()[0]


@needs_cometbft
def test_a_member_removed_while_it_was_away_learns_it_of_the_others(tmp_path):
    homes = found_together(tmp_path, "ABCD")
    logs = [home / "logs" / "node.log" for home in homes]
    with Processes() as children:
        for home, log in zip(homes, logs, strict=True):
            children.start(home.name, ["up", "--home", str(home)], log)
        for log in logs:
            wait_until(lambda log=log: "is up" in log.read_text())
        run("consortium", "invite", "--home", homes[3])  # blocks are made
        children.kill("D")
        vote_out(homes, 4)
        wait_until(lambda: "is removed from the consortium" in logs[0].read_text())
        children.start("D", ["up", "--home", str(homes[3])], logs[3])
        wait_until(lambda: "The members refuse this node's certificate" in logs[3].read_text())
        shown = run("status", "--home", homes[3], code=1, says=True)
        assert re.match(r"D: [23] of 3 other members hang up. The members refuse this", shown)
        looks = run("doctor", "--home", homes[3], code=1, says=True)
        assert "The members refuse this node's certificate" in looks.splitlines()[0]


@needs_cometbft
def test_a_newcomer_that_is_declined_learns_it_of_the_members(tmp_path):
    (home,) = found_together(tmp_path, "A")
    with Processes() as children:
        children.start("A", ["up", "--home", str(home)], home / "logs" / "node.log")
        wait_until(lambda: "is up" in (home / "logs" / "node.log").read_text())
        new = init(tmp_path / "new", "New")
        run(
            "consortium", "join", run("consortium", "invite", "--home", home).strip(), "--home", new
        )
        log = new / "logs" / "node.log"
        children.start("New", ["up", "--home", str(new)], log)
        wait_until(lambda: "is up" in log.read_text())
        assert "waits to be let in" in run("status", "--home", new)
        run("consortium", "vote", 1, "--nay", "--home", home)
        wait_until(lambda: "declined or has lapsed" in log.read_text())
        shown = json.loads(run("status", "--json", "--home", new, code=1, says=True))
        assert (shown["state"], shown["well"], shown["waiting"]) == ("declined", False, False)
        looks = run("doctor", "--home", new, code=1, says=True).splitlines()
        assert "declined or has lapsed" in looks[0]


# what status prints


def shown(capsys, **changes):
    """What `status` prints of a well member in one study, changed so."""
    study = {
        "study": "heart", "round": 3, "kind": "train", "phase": "COLLECTING", "leader": None,
        "roster": [1, 2], "contributed": [1], "min_peers": 2, "trainer": True,
        "waits": "waiting for B: last contributed in round 2",
    }  # fmt: skip
    found = {
        "name": "A", "member": 1, "chain": "c-1", "height": 7, "state": "member", "well": True,
        "said": "This hospital is member 1.", "networked": True, "validator": True,
        "validators": 4, "faults": 1, "studies": [study], "problems": [],
        "suspended": {},
    }  # fmt: skip
    show_status({**found, **changes})
    return capsys.readouterr().out


def test_what_a_study_waits_for_stands_under_the_table(capsys):
    said = shown(capsys).splitlines()
    assert said[0] == "A (member 1), c-1, block 7"
    assert said[-1] == "heart: waiting for B: last contributed in round 2"
    assert "Not a validator yet" in shown(capsys, validator=False)


def test_the_first_line_says_what_is_wrong(capsys):
    said = shown(capsys, state="removed", well=False, said="Removed.", problems=["no space"])
    assert said.splitlines() == ["A: Removed. (c-1, block 7)", "! no space"]
