"""Members that hang, machines that run out, strangers on a port, clocks that are wrong."""

import signal
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from swarm import Network, make_spec
from test_life import add_one, finished, make_round

from swarmhub import keys
from swarmhub.contract.election import compute_leader_order
from swarmhub.ledger.sqlite import CLOCK_VARIABLE


def number(network):
    return (network.round("s") or make_round()).number


def members(network):
    return {s.member for s in network.study("s").current.shares}


def running(network, rounds=40, pause=0.1, n=4, **options):
    """Start everything and wait until training is under way."""
    for i in range(1, n + 1):
        network.up(i)
    terms = {"quorum_grace_ms": 400, "leader_timeout_ms": 5_000, "min_peers": n - 1, **options}
    network.open_study(make_spec(rounds=rounds, **terms))
    for i in range(1, n + 1):
        network.train(i, add_one(network.root, pause=pause))
    network.wait_until(lambda: number(network) >= 3)


# somebody hangs


@pytest.mark.parametrize("role", ["leader", "contributor"])
def test_the_others_go_on_without_a_member_that_hangs_and_it_comes_back(tmp_path, role):
    with Network(tmp_path, 4) as network:
        running(network, rounds=1000)
        network.wait_until(lambda: members(network) == {1, 2, 3, 4})  # the slowest starter, too
        r = network.round("s")
        line = compute_leader_order("s", r.number + 1, (1, 2, 3, 4))
        victim = line[0] if role == "leader" else line[-1]
        network.wait_until(lambda: number(network) > r.number)
        network.stop(victim)
        stopped_in = number(network)
        network.wait_until(lambda: number(network) >= stopped_in + 3)
        assert victim not in members(network)
        network.children.signal(f"node {victim}", signal.SIGCONT)
        network.wait_until(lambda: victim in members(network))
        assert "Traceback" not in network.logs()


def test_a_member_stopped_while_it_writes_a_block_holds_all_up_and_loses_nothing(tmp_path):
    """One machine, one file, one lock: what docs/guides/faults.md says about it."""
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=4, min_peers=2, quorum_grace_ms=400))
        network.train(1, add_one(tmp_path))
        turns = network.homes[0].ledger_path.with_name("ledger.sqlite.turns")
        network.wait_until(lambda: 1 in network.round("s").roster)
        holder = subprocess.Popen(
            [sys.executable, "-c",
             "import fcntl,sys; f=open(sys.argv[1],'a'); fcntl.flock(f, fcntl.LOCK_EX);"
             "print('held', flush=True); sys.stdin.read()", str(turns)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert holder.stdout.readline() == b"held\n"
        for i in (2, 3):
            network.train(i, add_one(tmp_path))
        pool = turns.with_name("ledger.sqlite.pool")
        network.wait_until(lambda: len(list(pool.glob("[0-9]*"))) >= 2)  # they wait in the pool
        assert network.round("s").roster == (1,)
        holder.communicate()
        network.wait_until(finished(network))


# a machine runs out of descriptors


STARVED = """
import resource, sys
import swarmhub.node.node
from swarmhub.cli import up
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(up.main(sys.argv[2:]))
"""


def start_starved(network, i, limit):
    """Node i with so few descriptors; returns the path of its log."""
    home = network.homes[i - 1].root
    log = home / "logs" / f"starved{limit}.log"
    command = [sys.executable, "-c", STARVED, str(limit), "--home", str(home)]
    network.children.start_command(f"starved {limit}", command, log)
    return log


def test_a_node_that_cannot_start_for_want_of_descriptors_ends_with_a_sentence(tmp_path):
    with Network(tmp_path, 1) as network:
        for limit in range(6, 17):
            name, log = f"starved {limit}", start_starved(network, 1, limit)
            network.wait_until(
                lambda n=name, p=log: not network.children.is_running(n) or "is up" in p.read_text()
            )
            if network.children.is_running(name):
                network.children.signal(name, signal.SIGTERM)
                network.wait_until(lambda n=name: not network.children.is_running(n))
            said = log.read_text()
            assert "Traceback" not in said, (limit, said)
            assert "is damaged" not in said, (limit, said)
            assert "is up" in said or said.strip().splitlines()[-1].startswith("swarmhub: ")


def test_the_others_go_on_without_a_node_that_has_no_descriptors_left(tmp_path):
    with Network(tmp_path, 3) as network:
        running(network, n=3, rounds=8, min_peers=2, leader_timeout_ms=1_500)
        network.children.kill("node 3")
        log = start_starved(network, 3, 20)
        network.wait_until(finished(network))
        nodes = [log, *(network.log(i) for i in (1, 2, 3))]
        assert all("Traceback" not in path.read_text() for path in nodes)


# a stranger on a port


def accept_all(listener, context):
    """Take whatever connects; with a context, as a TLS server."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line:
            try:
                wrapped = context.wrap_socket(line, server_side=True) if context else line
                wrapped.settimeout(5)
                wrapped.recv(4096)
                wrapped.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            except OSError:
                continue


@pytest.mark.parametrize("kind", ["another certificate", "plain TCP"])
def test_a_stranger_on_a_dead_members_port_is_not_believed(tmp_path, kind):
    context = None
    if kind == "another certificate":
        key = keys.PrivateKey()
        key.save(tmp_path / "stranger.pem")
        (tmp_path / "stranger.crt").write_text(keys.to_pem(keys.make_certificate(key)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "stranger.crt", tmp_path / "stranger.pem")
    with Network(tmp_path, 4) as network, socket.socket() as listener:
        running(network)
        victim = compute_leader_order("s", number(network) + 1, (1, 2, 3, 4))[0]
        network.children.kill(f"node {victim}")
        host, _, port = network.homes[victim - 1].config.listen.partition(":")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen()
        threading.Thread(target=accept_all, args=(listener, context), daemon=True).start()
        killed_in = number(network)
        network.wait_until(lambda: number(network) >= killed_in + 3)
        assert victim not in members(network)
        listener.close()
        network.wait_until(finished(network))
        assert "Traceback" not in network.logs()


# clocks


@pytest.mark.parametrize("offset_ms", [600_000, -600_000])
def test_a_clock_ten_minutes_wrong_stops_nobody(tmp_path, offset_ms):
    with Network(tmp_path, 3) as network:
        running(network, n=3, rounds=12, min_peers=3, quorum_grace_ms=2_000)
        network.children.kill("node 2")
        home = network.homes[1].root
        network.children.start(
            "node 2",
            ["up", "--home", str(home)],
            network.log(2),
            **{CLOCK_VARIABLE: str(offset_ms)},
        )
        network.wait_until(finished(network), timeout_s=90)
        assert members(network) == {1, 2, 3}
        assert "Traceback" not in network.logs()


def test_the_others_go_on_without_a_trainer_that_hangs_and_it_comes_back(tmp_path):
    """A trainer that hangs is late like any other: the round goes on after the grace."""
    with Network(tmp_path, 3) as network:
        running(network, n=3, min_peers=2)
        network.children.signal("trainer 3", signal.SIGSTOP)
        since = number(network)
        network.wait_until(lambda: number(network) >= since + 3)
        assert 3 not in members(network)
        network.children.signal("trainer 3", signal.SIGCONT)
        network.wait_until(lambda: 3 in members(network) or finished(network)())
        network.wait_until(finished(network))
