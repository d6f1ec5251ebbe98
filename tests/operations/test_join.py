"""From a token to a validator, over the members' own doors. Real nodes and engines."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from engines import needs_cometbft

from swarmhub import keys
from swarmhub.demo.processes import Processes, free_address
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.home.invitations import PREFIX, read_token, write_token
from swarmhub.operations.join import join
from swarmhub.transport.join_client import JoinClient

pytestmark = [needs_cometbft, pytest.mark.engine]


def run(*words, code=0, says=False):
    """A command, its exit code, and what it prints (where it fails: its complaint)."""
    done = subprocess.run(
        [sys.executable, "-m", "swarmhub", *map(str, words)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 or says else done.stderr


def wait_until(true, timeout_s=60):
    """Look until it holds."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)


def init(folder, name, *options):
    run("init", "--name", name, "--address", free_address(), "--home", folder, *options)
    return folder


def found_together(folder, names):
    """Homes of a consortium's founders, each with an engine of its own."""
    ledger = ("--ledger", "cometbft", "--ledger-address")
    homes = [init(folder / name, name, *ledger, free_address()) for name in names]
    cards = []
    for home in homes[1:]:
        cards += ["--founder", folder / f"{home.name}.json"]
        cards[-1].write_text(run("node", "card", "--home", home))
    run("consortium", "found", "Hearts", "--home", homes[0], *cards)
    for home in homes[1:]:
        run("consortium", "accept", homes[0] / "genesis.json", "--home", home)
    return homes


def members(home):
    return {
        m["name"]: m for m in json.loads(run("consortium", "members", "--json", "--home", home))
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A consortium of one, and its node."""
    home = tmp_path_factory.mktemp("a") / "home"
    init(home, "A", "--ledger", "cometbft", "--ledger-address", free_address())
    run("consortium", "found", "Hearts", "--home", home)
    with Processes() as children:
        children.start("A", ["up", "--home", str(home)], home / "logs" / "node.log")
        wait_until(lambda: "is up" in (home / "logs" / "node.log").read_text())
        yield home, children


def test_four_commands_and_a_vote_make_a_validator(alone, tmp_path):
    home, children = alone
    token = run("consortium", "invite", "--home", home).strip()
    assert token.startswith(PREFIX)
    new = init(tmp_path / "b", "B")
    said = run("consortium", "join", token, "--home", new)
    fingerprint = Home.open(new).key("account").public[:32]
    assert f"Fingerprint (read it out over the telephone): {fingerprint}" in said
    assert fingerprint[:31] in run("consortium", "inbox", "--home", home)
    children.start("B", ["up", "--home", str(new)], new / "logs" / "node.log")
    motion = json.loads(run("consortium", "inbox", "--json", "--home", home))[0]["id"]
    run("consortium", "vote", motion, "--aye", "--home", home)
    wait_until(lambda: "B" in members(new))
    wait_until(lambda: "validates from now on" in (new / "logs" / "node.log").read_text())
    assert "already" in run("consortium", "join", token, "--home", new, code=2)
    for one in (home, new):  # both see each other in both directions
        looks = json.loads(run("doctor", "--json", "--home", one))
        assert all(look["well"] for look in looks), looks
        assert {look["what"].split(",")[-1].strip() for look in looks} >= {"data", "ledger"}
        assert sum(look["what"].startswith(("clock of", "version of")) for look in looks) == 2
    log = run("ledger", "log", "--json", "--home", home)
    happened = [e["event"] for e in json.loads(log)]
    assert happened.index("admitted") < happened.index("became_validator")
    assert "2 validators: all must be there" in run("status", "--home", home)
    children.kill("B")
    looks = json.loads(run("doctor", "--json", "--home", home, code=1, says=True))
    bad = {look["what"]: look["said"] for look in looks if not look["well"]}
    assert set(bad) == {"to B, data", "to B, ledger", "from B"}
    assert "nothing listens on the port; allow TCP from this host out to" in bad["to B, data"]
    children.start("B", ["up", "--home", str(new)], new / "logs" / "node.log")
    wait_until(lambda: (new / "logs" / "node.log").read_text().count("is up") == 2)
    run("consortium", "leave", "--yes", "--home", new)
    wait_until(lambda: "B" not in members(home))


def test_keys_are_rotated_under_a_running_node_and_revoked_ones_open_nothing(alone, tmp_path):
    home, children = alone
    new = init(tmp_path / "k", "K")
    log = new / "logs" / "node.log"
    run("consortium", "join", run("consortium", "invite", "--home", home).strip(), "--home", new)
    children.start("K", ["up", "--home", str(new)], log)
    motion = json.loads(run("consortium", "inbox", "--json", "--home", home))[0]["id"]
    run("consortium", "vote", motion, "--aye", "--home", home)
    wait_until(lambda: log.read_text().count("validates from now on") == 1)

    before = members(home)["K"]
    assert "Expected keys among" in run("consortium", "rotate-key", "tsl", "--home", new, code=2)
    run("consortium", "rotate-key", "--all", "--home", new)
    after = members(home)["K"]
    for key in ("account", "tls", "consensus", "ledger", "release"):
        assert after[key] != before[key]
    assert after["id"] == before["id"]
    wait_until(lambda: log.read_text().count("validates from now on") == 2)  # with its new keys
    wait_until(lambda: all(x["well"] for x in json.loads(run("doctor", "--json", "--home", home))))
    wait_until(lambda: not list((new / "keys").glob("*.next.*")))

    run("consortium", "revoke", "--yes", "--home", new)
    wait_until(lambda: "keys are revoked" in (new / "logs" / "node.log").read_text())
    said = run("status", "--home", new, code=1, says=True)
    assert said.startswith("K: This hospital's keys are revoked")
    assert members(home)["K"]["tls"] == ""
    looks = json.loads(run("doctor", "--json", "--home", home, code=1, says=True))
    assert {x["what"] for x in looks if not x["well"]} == {"from K"}
    token = run("consortium", "invite", "--home", home).strip()
    run("consortium", "rotate-key", "--all", "--invitation", token, "--home", new)
    assert members(home)["K"]["tls"]
    children.kill("K")
    children.start("K", ["up", "--home", str(new)], log)
    wait_until(lambda: log.read_text().count("validates from now on") == 3)
    run("consortium", "leave", "--yes", "--home", new)
    wait_until(lambda: "K" not in members(home))


def test_a_command_waits_for_an_engine_that_starts_again(alone):
    home, _ = alone
    os.kill(get_engine(home), signal.SIGKILL)  # as it ends wherever a member has gone
    assert run("consortium", "invite", "--home", home).startswith(PREFIX)


def get_engine(home):
    """Process id of the engine of the node on this home."""
    node = str(json.loads((home / "run" / "api.json").read_bytes())["pid"])
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            number, _, rest = stat.read_text().partition(" (")
            name, _, words = rest.rpartition(") ")
            if name == "cometbft" and words.split()[1] == node:
                return int(number)
    raise AssertionError("the engine does not run")


def test_a_home_of_another_consortium_joins_none(alone, tmp_path):
    home, _ = alone
    other = init(tmp_path / "other", "Other", "--ledger", "cometbft")
    run("consortium", "found", "Other", "--home", other)
    token = run("consortium", "invite", "--home", home).strip()
    assert "is of another consortium" in run("consortium", "join", token, "--home", other, code=2)


def test_a_node_without_a_consortium_says_what_to_do(tmp_path):
    new = init(tmp_path / "b", "B", "--ledger", "cometbft")
    assert "'swarmhub consortium join'" in run("up", "--home", new, code=2)


def test_an_invitation_opens_two_doors_and_no_other(alone, tmp_path):
    home, _ = alone
    token = read_token(run("consortium", "invite", "--home", home).strip())

    async def ask(certificate, key, path, method="GET", data=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        (tmp_path / "c").write_text(keys.to_pem(certificate))
        (tmp_path / "k").unlink(missing_ok=True)
        key.save(tmp_path / "k")
        context.load_cert_chain(tmp_path / "c", tmp_path / "k")
        url = f"https://{token.doors[0].address}{path}"
        async with aiohttp.ClientSession() as session:
            try:
                async with session.request(method, url, ssl=context, data=data) as response:
                    return response.status
            except aiohttp.ClientError:
                return "nothing"

    secret = keys.PrivateKey(bytes.fromhex(token.secret))
    invited = bytes.fromhex(token.certificate)
    owner = Home.open(home)
    own = ssl.PEM_cert_to_DER_cert(owner.certificate_path.read_text())
    other = keys.PrivateKey()
    uninvited = keys.issue_certificate(owner.key("tls"), own, other, token.expires_ms)

    async def story():
        assert await ask(invited, secret, "/v1/consortium") == 200
        assert await ask(invited, secret, f"/v1/blobs/{'ab' * 32}") == "nothing"
        assert await ask(invited, secret, "/v1/offer?study=x&number=1&revision=0") == "nothing"
        assert await ask(invited, secret, "/v1/receipt", "POST", b"{}") == "nothing"
        assert await ask(invited, secret, "/v1/applications", "POST", b"{}") == 400
        assert await ask(uninvited, other, "/v1/consortium") == "nothing"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expires_ms": 1}, "has expired"),
        ({"secret": "zz"}, "is damaged"),
        ({"certificate": "00"}, "is damaged"),
        ({"genesis": "00" * 32}, "not the one that the invitation is for"),
        ({"chain": "other-chain"}, "not the one that the invitation is for"),
        ({"ledger": "/x/ledger.sqlite"}, "consortium apply"),
    ],
)
def test_a_token_that_is_not_right_is_one_sentence_and_changes_nothing(
    alone, tmp_path, change, sentence
):
    home, _ = alone
    token = read_token(run("consortium", "invite", "--home", home).strip())
    new = init(tmp_path / "b", "B")
    before = (new / "node.toml").read_text()
    changed = write_token(dataclasses.replace(token, **change))
    assert sentence in run("consortium", "join", changed, "--home", new, code=2)
    assert (new / "node.toml").read_text() == before


def test_a_door_that_is_somebody_elses_is_not_believed(alone, tmp_path):
    home, _ = alone
    token = read_token(run("consortium", "invite", "--home", home).strip())
    doors = (dataclasses.replace(token.doors[0], tls="ab" * 32),)
    changed = write_token(dataclasses.replace(token, doors=doors))
    new = init(tmp_path / "b", "B")
    said = run("consortium", "join", changed, "--home", new, code=2)
    assert "somebody else answers there" in said


@pytest.mark.parametrize(
    ("told", "answer", "sentence"),
    [
        ({"genesis": 7}, {}, "Genesis"),
        ({"engines": 7}, {"code": "ok", "motion": "x"}, "does not name a motion"),
        ({"engines": [7, None]}, {"code": "\x1b[2Jno", "message": ["\x07"]}, r"\?\[2Jno"),
        ({}, {}, "refused"),
    ],
)
def test_a_member_that_answers_nonsense_is_one_sentence(
    alone, tmp_path, monkeypatch, told, answer, sentence
):
    home, _ = alone
    token = read_token(run("consortium", "invite", "--home", home).strip())
    new = init(tmp_path / "b", "B")
    real = JoinClient.ask

    async def ask(self):
        return {**await real(self), **told}

    async def hand_in(self, tx):
        return answer

    monkeypatch.setattr(JoinClient, "ask", ask)
    monkeypatch.setattr(JoinClient, "hand_in", hand_in)
    with pytest.raises(BadInput, match=sentence) as found:
        asyncio.run(join(Home.open(new), token))
    assert str(found.value).isprintable()


@pytest.mark.parametrize("text", [PREFIX, PREFIX + "xx!", PREFIX + "e30", "/no/such/file", "{}"])
def test_what_is_no_token_is_one_sentence(tmp_path, text):
    new = init(tmp_path / "b", "B")
    said = run("consortium", "join", text, "--home", new, code=2)
    assert said.startswith("swarmhub: ")
