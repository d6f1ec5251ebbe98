"""Documents between real nodes: proposed at one, read and approved at the others."""

import contextlib
import subprocess
import sys

import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.documents import collect_code, digest_of
from swarmhub.operations.client import Client
from swarmhub.operations.documents import store_of

pytestmark = pytest.mark.process
TERMS = 'name = "heart"\nrounds = 2\nmin_peers = 2\ncode = "trainer"\nethics = "vote.pdf"\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "fit.py").write_text("rate = 0.1\n")
    (tmp_path / "trainer" / "requirements.txt").write_text("torch==2.4\n")
    (tmp_path / "vote.pdf").write_bytes(b"%PDF-1.7\n" + bytes(3 << 20))
    (tmp_path / "heart.toml").write_text(TERMS)
    return tmp_path


@contextlib.contextmanager
def two_nodes(tmp_path):
    with Network(tmp_path, 2) as network:
        network.up(1)
        network.up(2)
        yield network, *(Client(home.root) for home in network.homes)


def arrives(network, client):
    network.wait_until(lambda: client.documents("heart").is_seen)


def test_documents_are_read_and_approved_at_another_hospital(folder, tmp_path):
    with two_nodes(tmp_path) as (network, one, two):
        terms = one.propose(folder / "heart.toml").spec
        arrives(network, two)
        two.approve("heart", terms)
        assert two.study("heart").study.approved == (1, 2)
        network.wait_until(lambda: any(s.kind == "study document" for s in one.sent()))
        given = {s.what: s.nbytes for s in one.sent() if s.kind == "study document"}
        spec = one.study("heart").spec
        assert given[spec.ethics] == (3 << 20) + 9
        assert given[spec.code] == len(collect_code(folder / "trainer"))


def test_an_amendment_shows_what_is_different(folder, tmp_path):
    with two_nodes(tmp_path) as (network, one, two):
        terms = one.propose(folder / "heart.toml").spec
        arrives(network, two)
        two.approve("heart", terms)
        (folder / "trainer" / "fit.py").write_text("rate = 0.2\n")
        one.amend(folder / "heart.toml")
        arrives(network, two)
        said = swarmhub("study", "show", "heart", "--code", "--diff", "--home", two.home.root)
        assert "-rate = 0.1\n+rate = 0.2\n" in said.stdout
        said = swarmhub("study", "approve", "heart", "--yes", "--home", two.home.root)
        assert said.returncode == 0, said.stderr


def test_any_member_that_has_a_document_gives_it(folder, tmp_path):
    with Network(tmp_path, 3) as network:
        one, two, three = (Client(home.root) for home in network.homes)
        for i in (1, 2):
            network.up(i)
        one.propose(folder / "heart.toml")
        arrives(network, two)
        network.children.stop("node 1")
        network.up(3)
        arrives(network, three)


def test_a_node_fetches_what_it_has_missed_and_forgets_it(folder, tmp_path):
    with Network(tmp_path, 2) as network:
        one, two = (Client(home.root) for home in network.homes)
        one.propose(folder / "heart.toml")
        network.up(2)
        network.wait_until(lambda: "no member gives the document" in network.log(2).read_text())
        refused = swarmhub("study", "approve", "heart", "--yes", "--home", two.home.root)
        assert (refused.returncode, "has not come yet" in refused.stderr) == (2, True)
        network.up(1)
        arrives(network, two)
        done = swarmhub("study", "forget", "heart", "--yes", "--home", two.home.root)
        assert done.returncode == 0, done.stderr
        assert store_of(two.home).studies() == []


def join_with(network, code):
    """What a trainer of hospital 1 says that runs this code."""
    command = [sys.executable, PROGRAMS / "join_with_code.py", "--home", network.homes[0].root]
    return subprocess.run([*command, "s", code], capture_output=True, text=True, timeout=60)


def test_a_trainer_with_other_code_ends_with_a_sentence(folder, tmp_path):
    code = folder / "trainer"
    with Network(tmp_path, 2) as network:
        network.up(1)
        network.open_study(make_spec(code=digest_of(collect_code(code))))
        done = join_with(network, code)
        assert (done.returncode, done.stdout) == (0, "joined s\n"), done.stderr
        (code / "fit.py").write_text("rate = 0.2\n")
        done = join_with(network, code)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Expected the code that the terms of 's' bind" in done.stderr
        assert "Traceback" not in done.stderr
