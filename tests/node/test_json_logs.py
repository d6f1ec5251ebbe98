"""Logs of node, hub, trainer and commands in JSON: every line is an event, none has a secret."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from swarm import COMMAND, PROGRAMS, Network, make_spec

from swarmhub.home.home import Home
from swarmhub.logs import VARIABLE

pytestmark = pytest.mark.process


def events(path):
    """Return the events of a log; the hub's link, which stdout has, is no event."""
    lines = path.read_text().splitlines()
    return [json.loads(x) for x in lines if not x.startswith("The hub: ")]


def run(home, *arguments, **variables):
    return subprocess.run(
        [*COMMAND, *arguments, "--home", str(home)], capture_output=True, text=True, timeout=60,
        env={**os.environ, **variables},
    )  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Two hospitals after a study; the first logs JSON, beside a hub."""
    with Network(tmp_path_factory.mktemp("json"), 2) as network:
        config = network.homes[0].root / "node.toml"
        config.write_text(config.read_text() + 'log_format = "json"\n')
        network.up(1, SWARMHUB_HUB="on")
        network.up(2)
        network.open_study(make_spec())
        network.children.start_command(
            "trainer 1",
            [COMMAND[0], str(PROGRAMS / "add_one.py"), "--home", str(network.homes[0].root)],
            network.homes[0].root / "logs" / "trainer.log", **{VARIABLE: "json"},
        )  # fmt: skip
        network.train(2, PROGRAMS / "add_one.py")
        network.wait_until(lambda: network.study("s").is_over)
        hub = network.homes[0].run_path("hub.json")
        network.wait_until(hub.exists)
        network.wait_until(lambda: "The hub: " in network.log(1).read_text())
        yield network


def test_every_line_of_the_node_is_an_event(network):
    found = events(network.log(1))
    assert {"time", "level", "logger", "message"} == set(found[0])
    said = [e["message"] for e in found if e["logger"] == "swarmhub.node"]
    assert "node 'Hospital 1' is up" in said
    assert any(s.endswith("'s' is finished") for s in said)


def test_the_setting_of_one_home_is_not_anothers(network):
    assert "INFO swarmhub.node: node 'Hospital 2' is up" in network.log(2).read_text()


def test_the_trainers_sentences_are_events(network):
    lines = (network.homes[0].root / "logs" / "trainer.log").read_text().splitlines()
    own = [x for x in lines if not x.startswith(("round ", "over "))]  # what the script prints
    said = [json.loads(x) for x in own]
    assert {e["logger"] for e in said} == {"swarmhub.trainer"}
    assert any(e["message"].startswith("round 3 of 3: merged model") for e in said)


def test_no_secret_is_in_an_event(network):
    home = network.homes[0]
    secrets = [json.loads(home.run_path("api.json").read_bytes())["token"]]
    for path in (home.root / "keys").glob("*.pem"):
        secrets += path.read_text().splitlines()[1:-1]
    links = [x.split("/link/")[1].split()[0] for x in network.log(1).read_text().splitlines()
             if x.startswith("The hub: ")]  # fmt: skip
    assert links
    said = json.dumps(events(network.log(1)))
    said += (home.root / "logs" / "trainer.log").read_text()
    assert [s for s in [*secrets, *links] if s in said] == []


def test_the_hub_logs_as_its_node_does(network, tmp_path):
    """A hub whose port is taken says so in an event."""
    home = network.homes[0]
    told = json.loads(home.run_path("hub.json").read_bytes())
    other = Home.create(tmp_path / "h", "Other", "127.0.0.1:1", ledger=str(home.ledger_path))
    config = other.root / "node.toml"
    config.write_text(config.read_text() + f'hub_listen = "127.0.0.1:{told["port"]}"\n')
    done = run(other.root, "hub", "serve", **{VARIABLE: "json"})
    assert done.returncode == 2
    (event,) = [json.loads(x) for x in done.stderr.splitlines()]
    assert event["level"] == "ERROR"
    assert "for the hub" in event["message"]


@pytest.mark.parametrize("words", [["up"], ["status"], ["study", "lisst"], ["up", "--nonsense"]])
def test_a_commands_error_is_an_event(tmp_path, words):
    done = run(tmp_path / "nothing", *words, **{VARIABLE: "json"})
    assert done.returncode == 2
    (event,) = [json.loads(x) for x in done.stderr.splitlines()]
    assert event["level"] == "ERROR"


def test_a_format_that_is_none_is_one_sentence(tmp_path):
    done = run(tmp_path, "up", **{VARIABLE: "xml"})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'text' or 'json'" in done.stderr
