"""Real nodes and engines go on with the next contract version; some of them are not updated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from comets import Comets
from crossing import updated
from engines import needs_cometbft
from long_runs import long_run
from test_join import init, wait_until
from test_long_ledger import make_blocks
from version2 import NOTED, Note

from swarmhub.contract.records import get_chain, get_members
from swarmhub.contract.transactions import Vote
from swarmhub.demo.processes import Processes, free_address
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store

pytestmark = [needs_cometbft, pytest.mark.engine]
HERE = Path(__file__).parent
NEW = [sys.executable, str(HERE / "updated.py")]
NEW_SHORT = [*NEW, "short"]
OLD = [sys.executable, "-m", "swarmhub"]
OLD_SHORT = [sys.executable, str(HERE / "short_ledger.py")]
LACKS = "follows contract version 2 from block {height} on, and this swarmhub has version 1"


def run(program, *words, code=0):
    """A command of one of these programs, its exit code, and what it prints."""
    done = subprocess.run([*program, *map(str, words)], capture_output=True, text=True, timeout=90)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def up(children, program, home):
    """Start a home's node with one of these programs, in place of the one before."""
    if children.is_running(home.name):
        children.stop(home.name)
    children.start_command(home.name, [*program, "up", "--home", str(home)], log_of(home))


def log_of(home):
    return home / "logs" / "node.log"


def ends(children, home):
    """Whether the node has stopped by itself, in the only right way."""
    return children.ended(home.name) == 2


def state_of(home):
    """The newest state on a home's disk, and its height; read as an updated node does."""
    store = Store.open(home / "ledger" / STATE_FILE)
    try:
        with updated():
            tip, state = store.load()
        return state, tip.height
    finally:
        store.close()


class Network(Comets):
    """n hospitals, each with a program of its own."""

    def __enter__(self):
        self.roots = [h.root for h in self.homes]
        for root in self.roots:
            up(self.children, NEW, root)
        wait_until(lambda: all("is up" in log_of(r).read_text() for r in self.roots))
        return self

    def chain(self, i=1):
        return get_chain(state_of(self.roots[i - 1])[0])

    def schedule(self, after):
        """All have announced, move and vote; returns the height of version 2."""
        wait_until(lambda: {m.versions for m in get_members(self.look(1)[1])} == {(1, 2)})
        run(NEW, "consortium", "upgrade", 2, "--after", after, "--home", self.roots[0])
        for i in (2, 3):  # three of four votes carry it
            self.at_desk(i, lambda client: client.submit(Vote(1, True)))
        wait_until(lambda: self.chain().next_version is not None)
        return self.chain().next_version.height

    def note(self, i, text):
        with updated():
            self.at_desk(i, lambda client: client.submit(Note(text)))


def stops_before(height, four, sentence):
    """The last node warns, and stops with the same sentence when the others get there."""
    last = four.roots[3]
    wait_until(lambda: sentence in log_of(last).read_text())
    assert sentence in run(OLD, "status", "--home", last, code=1)
    with updated():
        make_blocks(four.roots[0], 10)
    wait_until(lambda: ends(four.children, last))
    assert state_of(last)[1] == height - 1
    assert "Traceback" not in log_of(last).read_text()


def test_a_node_that_is_put_back_stops_and_catches_up(tmp_path):
    with Network(tmp_path, 4) as four:
        children, last = four.children, four.roots[3]
        height = four.schedule(after=8)
        sentence = LACKS.format(height=height)
        up(children, OLD, last)
        stops_before(height, four, sentence)
        assert sentence in run(OLD, "up", "--home", last, code=2)
        assert sentence in run(OLD, "ledger", "verify", "--home", four.roots[0], code=2)
        four.note(1, "the others go on")
        up(children, NEW, last)
        wait_until(lambda: NOTED.get(state_of(last)[0], 1) is not None)
        found = json.loads(run(NEW, "ledger", "verify", "--json", "--home", last))
        assert found["blocks"] > height


def crosses(children, home):
    """A consortium of one goes on with version 2, and makes more blocks than a newcomer reads."""
    up(children, NEW_SHORT, home)
    wait_until(lambda: get_members(state_of(home)[0])[0].versions == (1, 2))
    run(NEW, "consortium", "upgrade", 2, "--after", 2, "--home", home)
    with updated():
        make_blocks(home, 30)


def joins(children, home, new):
    """A hospital applies with an updated program, and is voted in."""
    token = run(NEW, "consortium", "invite", "--home", home).strip()
    run(NEW, "consortium", "join", token, "--home", new)
    motion = json.loads(run(NEW, "consortium", "inbox", "--json", "--home", home))[0]["id"]
    run(NEW, "consortium", "vote", motion, "--aye", "--home", home)


@long_run
def test_a_snapshot_of_a_missing_version_is_not_taken_over(tmp_path):
    home, new = tmp_path / "A", init(tmp_path / "B", "B")
    init(home, "A", "--ledger", "cometbft", "--ledger-address", free_address())
    run(OLD, "consortium", "found", "Hearts", "--home", home)
    with Processes() as children:
        crosses(children, home)
        joins(children, home, new)
        up(children, OLD_SHORT, new)
        wait_until(lambda: ends(children, new))
        height = get_chain(state_of(home)[0]).version_since
        assert LACKS.format(height=height) in log_of(new).read_text()
        assert "Traceback" not in log_of(new).read_text()
        up(children, NEW_SHORT, new)
        wait_until(lambda: "validates from now on" in log_of(new).read_text())
        assert "begins with a snapshot" in log_of(new).read_text()
        assert NOTED.need(state_of(new)[0], 0).text == "1 members came here"


def test_a_command_reads_no_state_of_a_missing_version(tmp_path):
    home = tmp_path / "A"
    init(home, "A", "--ledger", "cometbft", "--ledger-address", free_address())
    run(NEW, "consortium", "found", "Hearts", "--home", home)
    for words in (("consortium", "members"), ("ledger", "verify"), ("up",), ("study", "list")):
        assert LACKS.format(height=0) in run(OLD, *words, "--home", home, code=2)
