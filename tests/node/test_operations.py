"""What a sysadmin relies on: the health endpoint, and a unit whose command and limits are real."""

from __future__ import annotations

import configparser
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from test_join import init, run, wait_until

from swarmhub.demo.processes import Processes, free_address
from swarmhub.node.health import MAX_CONNECTIONS

pytestmark = pytest.mark.process

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"


def get(address):
    with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
        return answer.status, json.load(answer)


def is_well(address):
    try:
        return get(address)[0] == 200
    except OSError:
        return False


def test_health_answers_while_the_node_runs_and_says_no_secret(tmp_path):
    home = init(tmp_path / "a", "A", "--ledger", str(tmp_path / "ledger.sqlite"))
    run("consortium", "found", "Hearts", "--home", home)
    place = free_address()
    config = home / "node.toml"
    config.write_text(config.read_text() + f'health_listen = "{place}"\n')
    log = home / "logs" / "node.log"
    with Processes() as children:
        children.start("A", ["up", "--home", str(home)], log)
        wait_until(lambda: "is up" in log.read_text())
        assert get(place) == (200, {"well": True, "height": 0, "waiting": False, "problems": 0})
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{place}/v1/status", timeout=5)
        host, _, port = place.rpartition(":")
        silent = [socket.create_connection((host, int(port)), 5) for _ in range(MAX_CONNECTIONS)]
        with socket.create_connection((host, int(port)), 5) as another:
            assert another.recv(1) == b"", "one too many is hung up on"
        for one in silent:
            one.close()
        wait_until(lambda: is_well(place))
    with pytest.raises(urllib.error.URLError):
        get(place)


def test_a_taken_health_port_is_one_sentence(tmp_path):
    home = init(tmp_path / "a", "A", "--ledger", str(tmp_path / "ledger.sqlite"))
    run("consortium", "found", "Hearts", "--home", home)
    config = home / "node.toml"
    address = next(x for x in config.read_text().splitlines() if x.startswith("listen")).split('"')
    config.write_text(config.read_text() + f'health_listen = "{address[1]}"\n')
    assert "'health_listen'" in run("up", "--home", home, code=2)


def test_the_units_command_exists_and_its_limits_are_those_of_the_code():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]  # as its documentation says
    unit.read(OPERATIONS / "swarmhub.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith("/bin/swarmhub up")
    assert service["RestartPreventExitStatus"] == "2"
    assert int(service["LimitNOFILE"]) == 8192
    assert service["User"] != "root"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""


def test_the_containers_engine_is_the_pinned_one():
    from swarmhub.ledger.cometbft.binary import VERSION

    text = (OPERATIONS / "Containerfile").read_text()
    assert f"cometbft@v{VERSION}" in text
    assert "USER 10001" in text
