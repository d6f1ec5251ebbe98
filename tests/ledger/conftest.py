"""What the ledger's tests share."""

from __future__ import annotations

import asyncio

import pytest
from ledger_tools import write_chain

from swarmhub.ledger.sqlite import driver


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def no_safety_look(monkeypatch):
    """What arrives, arrives because somebody rang."""
    monkeypatch.setattr(driver, "SAFETY_LOOK_S", 1e6)


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A good file of five blocks after the genesis; tests damage copies of it."""
    path = tmp_path_factory.mktemp("five") / "ledger.db"
    asyncio.run(write_chain(path))
    return path
