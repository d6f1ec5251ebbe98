"""Puts this folder on the path, so that every package's tests can import `builders`; tiers.

A test belongs to one tier: `unit` (no sockets, no other processes; the default), `process` (nodes,
trainers, TLS on this machine), `engine` (CometBFT), `campaign` (minutes of kills, schedules,
fuzzing). A unit test that opens a connection or starts a process fails.

What is set for NumPy here holds in the workers and in all processes that tests start: on few cores,
threads of many processes that wait for each other take several times the time. Modules are
compiled once, not by each of a thousand processes.
"""

import os
import sys

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import pytest  # noqa: E402

from swarmhub.blobs import BlobStore  # noqa: E402

TIERS = ("unit", "process", "engine", "campaign")
BEYOND_UNIT = ("socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn")
guarded = []  # the unit test that runs


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(pytest.mark.unit)
            item.guarded = "torch" not in item.keywords  # its import may start a process


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if getattr(item, "guarded", False):
        guarded.append(item.nodeid)
    try:
        return (yield)
    finally:
        guarded.clear()


def refuse(event, arguments):
    if guarded and event in BEYOND_UNIT:
        where = ", ".join(TIERS[1:])
        raise RuntimeError(f"{event} in a unit test; mark it as one of {where}: {arguments}")


sys.addaudithook(refuse)


@pytest.fixture(autouse=True)
def no_late_syncs(request, monkeypatch):
    """A store's thread that syncs some seconds later would do so in the middle of another test."""
    if "late_syncs" not in request.keywords:
        monkeypatch.setattr(BlobStore, "_sync_later", lambda store, digest: None)
