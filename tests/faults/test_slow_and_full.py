"""Members that hang, machines that run out, strangers on a port, clocks that are wrong."""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from engines import needs_cometbft
from long_runs import choose, long_run
from swarm import COMMAND, PROGRAMS, Network, make_spec, swarmhub
from test_life import (
    add_one,
    export,
    filled,
    finished,
    make_round,
    needs_root,
    small_disk,
    trainer_said,
)

from swarmhub import keys
from swarmhub.clock import CLOCK_VARIABLE
from swarmhub.contract.round.election import compute_leader_order
from swarmhub.demo.processes import Processes, free_address
from swarmhub.failpoints import VARIABLE as DIE_AT
from swarmhub.ledger import SqliteLedger

pytestmark = pytest.mark.process

long = pytest.mark.skipif(
    not os.environ.get("SWARMHUB_LONG"), reason="a longer run: SWARMHUB_LONG=1"
)


def wait_until(true, timeout_s=60):
    """Look until it holds."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)


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
        network.train(i, add_one(pause=pause))
    network.wait_until(lambda: number(network) >= 3)


def pid_of(network, name):
    return dict(network.children.named_pids())[name]


def problems(network, i):
    """What `swarmhub status` shows of node i's."""
    done = swarmhub("status", "--json", "--home", network.homes[i - 1].root)
    assert done.returncode in (0, 1), done.stderr  # 1: there is something to mend
    return json.loads(done.stdout)["problems"]


# somebody hangs


def hang(network, role, least_s=0.0):
    """Stop a member in this role for three rounds of the others, and for so many seconds."""
    running(network, rounds=10_000)
    network.wait_until(lambda: members(network) == {1, 2, 3, 4})  # the slowest starter, too
    r = network.round("s")
    line = compute_leader_order("s", r.number + 1, (1, 2, 3, 4))
    victim = line[0] if role == "leader" else line[-1]
    network.wait_until(lambda: number(network) > r.number)
    network.stop(victim)
    end, stopped_in = time.monotonic() + least_s, number(network)
    network.wait_until(lambda: number(network) >= stopped_in + 3 and time.monotonic() >= end)
    assert victim not in members(network)
    network.children.signal(f"node {victim}", signal.SIGCONT)
    network.wait_until(lambda: victim in members(network))
    assert "Traceback" not in network.logs()


@pytest.mark.parametrize("role", choose(["leader", "contributor"], 0))
def test_the_others_go_on_without_a_member_that_hangs_and_it_comes_back(tmp_path, role):
    with Network(tmp_path, 4) as network:
        hang(network, role)


@long
@pytest.mark.parametrize("role", ["leader", "contributor"])
def test_a_member_that_hangs_for_thirty_seconds_holds_up_nobody_and_comes_back(tmp_path, role):
    with Network(tmp_path, 4) as network:
        hang(network, role, least_s=30)


def test_a_member_stopped_while_it_writes_a_block_holds_all_up_and_loses_nothing(tmp_path):
    """One machine, one file, one lock: what docs/guides/faults.md says about it."""
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=4, min_peers=2, quorum_grace_ms=400))
        network.train(1, add_one())
        turns = network.homes[0].ledger_path.with_name("ledger.sqlite.turns")
        network.wait_until(lambda: 1 in network.round("s").roster)
        holder = subprocess.Popen(
            [sys.executable, str(PROGRAMS / "hold_lock.py"), str(turns)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert holder.stdout.readline() == b"held\n"
        for i in (2, 3):
            network.train(i, add_one())
        pool = turns.with_name("ledger.sqlite.pool")
        network.wait_until(lambda: len(list(pool.glob("[0-9]*"))) >= 2)  # they wait in the pool
        assert network.round("s").roster == (1,)
        holder.communicate()
        network.wait_until(finished(network))


# a machine runs out of descriptors


def start_starved(network, i, limit):
    """Node i with so few descriptors; returns the path of its log."""
    home = network.homes[i - 1].root
    log = home / "logs" / f"starved{limit}.log"
    command = [sys.executable, str(PROGRAMS / "starved_node.py"), str(limit), "--home", str(home)]
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


@contextlib.contextmanager
def starved(pid, left):
    """A running process that can have so many more descriptors, for a while."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    has = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (has + left, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@long_run
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process: Linux")
@pytest.mark.parametrize("left", choose([0, 1], 0))
def test_the_others_go_on_without_a_node_that_has_no_descriptors_left(tmp_path, left):
    """It lives, says so, and takes part again, with its trainer, when it has some."""
    with Network(tmp_path, 4) as network:
        running(network, rounds=10_000, leader_timeout_ms=1_500)
        network.wait_until(lambda: members(network) == {1, 2, 3, 4})
        with starved(pid_of(network, "node 3"), left):
            network.wait_until(lambda: "Too many open files" in network.log(3).read_text())
            since = number(network)
            network.wait_until(lambda: number(network) >= since + 10)
            if left == 0:  # with some luck of the moment one is enough
                unwritten = "ledger.sqlite cannot be written (Too many open files)"
                network.wait_until(lambda: unwritten in network.log(3).read_text())
        since = number(network)
        network.wait_until(lambda: number(network) > since + 2 and 3 in members(network))
        network.wait_until(lambda: problems(network, 3) == [])
        over = [x for x in network.log(3).read_text().splitlines() if "INFO" in x and "over:" in x]
        assert any("Too many open files" in line for line in over)
        network.children.check()  # nobody has ended, no trainer either
        assert all(network.children.is_running(f"{who} 3") for who in ("node", "trainer"))
        assert "Traceback" not in network.logs()


# a disk fills up


def has_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@needs_root
def test_a_full_disk_under_homes_and_ledger_holds_a_round_up_and_loses_nothing(tmp_path):
    """Every node is about to contribute when the disk that all share is full."""
    logs, moment = tmp_path / "logs", "submit.round.contribute:3:hang"
    with small_disk(tmp_path / "disk", "8M") as disk, Network(disk, 3) as network:
        for i, home in enumerate(network.homes, 1):  # what is said has room
            shutil.rmtree(home.root / "logs")
            (logs / f"h{i}").mkdir(parents=True)
            (home.root / "logs").symlink_to(logs / f"h{i}")
            command = ["up", "--home", str(home.root)]
            network.children.start(f"node {i}", command, network.log(i), **{DIE_AT: moment})
        network.open_study(make_spec(rounds=6, min_peers=3))
        for i in (1, 2, 3):
            network.train(i, add_one())
        pids = [pid_of(network, f"node {i}") for i in (1, 2, 3)]
        network.wait_until(lambda: all(map(has_stopped, pids)))
        with filled(disk):
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            for i in (1, 2, 3):
                network.wait_until(lambda i=i: "cannot be written" in network.log(i).read_text())
                said = [p for p in problems(network, i) if "ledger.sqlite" in p]
                assert said  # on a slow machine of two of the ledger's files
                assert all(p.endswith("free disk space.") for p in said), said
            command = swarmhub("consortium", "invite", "--home", network.homes[0].root)
            assert command.returncode == 2
            assert command.stderr.strip().endswith("free disk space.")
        network.wait_until(finished(network))
        assert members(network) == {1, 2, 3}
        for i in (1, 2, 3):
            np.testing.assert_array_equal(export(network, i)["w"], np.full(4, 6.0))
            said = trainer_said(network, i).splitlines()
            trained = [line for line in said if line.startswith("round ")]
            assert trained[:6] == [f"round {n}" for n in range(1, 7)], "each of them once"
            network.wait_until(lambda i=i: problems(network, i) == [])
        network.children.check()
        assert "Traceback" not in network.logs()


@needs_root
@needs_cometbft
def test_a_full_disk_under_an_engine_ends_no_node_and_loses_nothing(tmp_path):
    """CometBFT gives up where it cannot write, and would stand still for good."""
    log, home = tmp_path / "node.log", tmp_path / "disk" / "home"
    with small_disk(tmp_path / "disk", "64M") as disk, Processes() as children:
        options = ["--home", str(home), "--address", free_address(), "--ledger", "cometbft"]
        made = swarmhub("init", "--name", "A", *options, "--ledger-address", free_address())
        assert made.returncode == 0, made.stderr
        assert swarmhub("consortium", "found", "Hearts", "--home", home).returncode == 0
        children.start("node", ["up", "--home", str(home)], log)
        wait_until(lambda: "is up" in log.read_text())
        with filled(disk):
            command = [*COMMAND, "consortium", "invite", "--home", str(home)]
            inviting = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            wait_until(lambda: "CometBFT ended (no space left on device)" in log.read_text())
            said = json.loads(swarmhub("status", "--json", "--home", home).stdout)["problems"]
            assert any("no space left" in p or "is full" in p for p in said)
        token, wrong = inviting.communicate(timeout=60)
        assert inviting.returncode == 0, wrong
        assert token.startswith("swarmhub1.")
        children.check()
        assert "Traceback" not in log.read_text()


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


@pytest.mark.parametrize("kind", choose(["another certificate", "plain TCP"], 0))
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


@pytest.mark.parametrize("offset_ms", choose([600_000, -600_000], 0))
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


def block_time_ms(network):
    """Time of the newest block, less what has passed: the same at any moment if blocks' time goes
    on at real speed."""

    async def look():
        ledger = await SqliteLedger.open(network.homes[0].ledger_path)
        try:
            return ledger.tip.time_ms - time.monotonic_ns() // 1_000_000
        finally:
            await ledger.close()

    return asyncio.run(look())


@pytest.mark.parametrize("step_s", choose([600, -600], 1))
def test_a_clock_that_is_set_by_ten_minutes_while_nodes_run_does_nothing(tmp_path, step_s):
    """First that of one node, later that of the others, too. Deadlines fire after it as before."""
    with Network(tmp_path, 3) as network:
        for i, home in enumerate(network.homes, 1):
            command = [
                sys.executable,
                str(PROGRAMS / "stepped_node.py"),
                str(step_s),
                "--home",
                str(home.root),
            ]
            network.children.start_command(f"node {i}", command, network.log(i))
        network.open_study(make_spec(rounds=14, quorum_grace_ms=800, min_peers=2))
        for i in (1, 2, 3):
            network.train(i, add_one(pause=0.1))
        for at, stepped in ((3, [2]), (6, [1, 3])):
            network.wait_until(lambda at=at: number(network) >= at)
            before_ms = block_time_ms(network)
            for i in stepped:
                network.children.signal(f"node {i}", signal.SIGUSR1)
                network.wait_until(lambda i=i: "the clock is set" in network.log(i).read_text())
            network.children.signal("trainer 3", signal.SIGSTOP)
            since = number(network)  # after the grace they go on without it
            network.wait_until(lambda since=since: number(network) >= since + 2)
            network.children.signal("trainer 3", signal.SIGCONT)
            assert abs(block_time_ms(network) - before_ms) < 300_000
        network.wait_until(finished(network))
        for i in (1, 2, 3):
            network.wait_until(lambda i=i: "over" in trainer_said(network, i))
            np.testing.assert_array_equal(export(network, i)["w"], np.full(4, 14.0))
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
