"""The commands as a hospital types them: a small network by hand, and what goes wrong."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time

import pytest
from long_runs import long_run
from swarm import COMMAND, PROGRAMS, swarmhub

from swarmhub.cli.shared import table
from swarmhub.data.heart import write_heart
from swarmhub.demo.processes import Processes, free_address

pytestmark = pytest.mark.process

SPEC = """
name = "heart"
title = "Heart disease at three hospitals"
rounds = 3
min_peers = 2
statistics = true
options = { model = "logistic" }
metric = { name = "auc", goal = "max" }
"""


def ok(*arguments):
    done = swarmhub(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def sentence(*arguments):
    done = swarmhub(*arguments)
    assert done.returncode == 2, (arguments, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def typed_at_a_terminal(words, *arguments):
    """What a command shows on a terminal on which somebody types these words."""
    ours, its = os.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdin=its, stdout=its, stderr=its, close_fds=True
    ) as process:
        os.close(its)
        os.write(ours, words.encode() + b"\n")
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 1 << 16):
                shown += part
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode()


def init(tmp_path, name, ledger="ledger.sqlite"):
    home = tmp_path / name
    ok("init", "--name", name, "--home", home, "--address", free_address(),
       "--ledger", tmp_path / ledger)  # fmt: skip
    return home


@pytest.fixture
def home(tmp_path):
    made = init(tmp_path, "alone")
    ok("consortium", "found", "solo", "--home", made)
    return made


@long_run
def test_a_network_by_hand(tmp_path):
    """Two founders, a third by invitation and vote, a study from proposal to exported model."""
    a, b, c = (init(tmp_path, name) for name in ("A", "B", "C"))
    card = tmp_path / "b.json"
    card.write_text(ok("node", "card", "--home", b))
    ok("consortium", "found", "heart net", "--home", a, "--founder", card)
    ok("consortium", "invite", "--home", a, "--out", tmp_path / "token")
    assert (tmp_path / "token").stat().st_mode & 0o77 == 0
    ok("consortium", "apply", tmp_path / "token", "--home", c)
    (motion,) = json.loads(ok("consortium", "inbox", "--home", b, "--json"))
    assert motion["about"] == "C"
    ok("consortium", "vote", motion["id"], "--aye", "--home", a)
    ok("consortium", "vote", motion["id"], "--aye", "--home", b)
    members = json.loads(ok("consortium", "members", "--home", c, "--json"))
    assert [m["name"] for m in members] == ["A", "B", "C"]
    assert "The invitation of A is not good any more: it was used" in sentence(
        "consortium", "apply", tmp_path / "token", "--home", c
    )

    (tmp_path / "spec.toml").write_text(SPEC)
    ok("study", "propose", tmp_path / "spec.toml", "--home", a)
    for home in (b, c):
        ok("study", "approve", "heart", "--yes", "--home", home)
    tables = list(write_heart(tmp_path / "tables").values())
    for home in (a, b, c):
        ok("study", "enrol", "heart", "--samples", "400", "--home", home)
    assert "A" in ok("consortium", "members", "--home", a)
    assert "heart" in ok("study", "list", "--home", c)
    with Processes() as children:
        for k, home in enumerate((a, b, c)):
            children.start(f"node {k}", ["up", "--home", str(home)], tmp_path / f"n{k}.log")
        ok("study", "start", "heart", "--home", b)
        trainers = [
            subprocess.Popen(
                [*COMMAND, "train", "table", "heart", "--home", str(home), "--data",
                 str(tables[k]), "--label", "label", "--test", str(tables[k])],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for k, home in enumerate((a, b, c))
        ]  # fmt: skip
        said = [t.communicate(timeout=60)[0] for t in trainers]
        assert all(t.returncode == 0 for t in trainers), said
        late = ok("train", "table", "heart", "--home", a, "--data", tables[0], "--label", "label")
        ok("consortium", "rotate-key", "tls", "consensus", "--home", b)  # of a node that runs
        assert not list((b / "keys").glob("*.next.*"))
        end = time.monotonic() + 60
        while (tmp_path / "n1.log").read_text().count("is up") < 2:  # it starts again by itself
            assert time.monotonic() < end
            time.sleep(0.1)
        status = json.loads(ok("status", "--json", "--home", a))
        assert status["member"] == 1
        assert status["studies"] == []
    digests = {re.search(r"last model is (\w+)", text)[1] for text in said}
    assert len(digests) == 1
    assert f"The study 'heart' is over; the last model is {digests.copy().pop()}." in late
    shown = json.loads(ok("study", "show", "heart", "--home", a, "--json"))
    assert shown["study"]["status"] == "finished"
    assert {shown["study"]["current"]["digest"]} == digests
    assert shown["study"]["best_score"]["metrics"]["auc"] > 800_000
    assert [r["model"]["kind"] for r in shown["rounds"]][:2] == ["describe", "initial"]
    assert [s["member"] for s in shown["rounds"][-1]["sites"]] == [1, 2, 3]
    words = ok("study", "show", "heart", "--home", a, "--last", "1")
    assert "A (400 samples), B (400 samples), C (400 samples)" in " ".join(words.split())
    assert "Settled rounds, the newest 1 at most" in words
    ok("node", "export", "heart", "--home", c, "--out", tmp_path / "m.safetensors")
    ok("model", "export", "heart", "--home", c, "--out", tmp_path / "model")
    ok("predict", tmp_path / "model", "--data", tables[3], "--out", tmp_path / "scores.csv")
    scores = (tmp_path / "scores.csv").read_text().splitlines()
    assert len(scores) == len(tables[3].read_text().splitlines())

    left = [e for h in (a, b, c) for e in json.loads(ok("sent", "--home", h, "--json"))]
    assert {e["kind"] for e in left} >= {"parameters", "document", "metrics", "transaction"}
    assert {e["to"] for e in left} == {"A", "B", "C", "all members"}
    assert "'heart'" in ok("ledger", "log", "--home", a, "--study", "heart", "--since", "1h")

    # govern: release, rotate, remove, leave
    ok("study", "release", "heart", "--model", shown["study"]["current"]["digest"][:12],
       "--home", a)  # fmt: skip
    (motion,) = json.loads(ok("consortium", "inbox", "--home", b, "--json"))
    assert (motion["ayes"], motion["electors"]) == (["A"], [1, 2, 3])
    for home in (b, c):
        ok("consortium", "vote", motion["id"], "--aye", "--home", home)
    assert json.loads(ok("study", "show", "heart", "--home", a, "--json"))["study"]["released"]
    ok("consortium", "rotate-key", "--home", c)
    ok("consortium", "leave", "--yes", "--home", c)
    assert "no active member" in sentence("study", "enrol", "heart", "--samples", "5", "--home", c)
    log = ok("ledger", "log", "--home", a, "--json")
    names = [e["event"] for e in json.loads(log)]
    wanted = {"invited", "admission_moved", "admitted", "settled", "model_released", "rotated"}
    assert {*wanted, "departed"} <= set(names)
    assert "verified" in ok("ledger", "verify", "--home", b)
    assert json.loads(ok("ledger", "show", "0", "--home", a))["header"]["height"] == 0


def test_a_typo_in_a_spec_is_named_with_the_nearest_key(home, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace("min_peers", "min_pears"))
    assert "unknown key 'min_pears'; did you mean 'min_peers'?" in sentence(
        "study", "propose", path, "--home", home
    )
    path.write_text(SPEC.replace("rounds = 3", 'rounds = "3"'))
    assert 'Spec.rounds: expected int, got "3"' in sentence(
        "study", "propose", path, "--home", home
    )
    path.write_text("rounds = ")
    assert "Expected TOML" in sentence("study", "propose", path, "--home", home)
    assert "no/such" in sentence("study", "propose", "/no/such.toml", "--home", home)


def test_min_peers_above_the_members_is_refused(home, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    said = sentence("study", "propose", path, "--home", home)
    assert "'min_peers': expected at most the 1 members there are, got '2'" in said


def test_a_home_of_another_version_is_refused(home):
    config = home / "node.toml"
    config.write_text(config.read_text().replace("format = 1", "format = 7"))
    assert "Expected a home of format 1" in sentence("study", "list", "--home", home)
    assert "got '7'" in sentence("up", "--home", home).splitlines()[-1]


def blocks_of(home):
    return json.loads(ok("ledger", "verify", "--json", "--home", home))["blocks"]


@pytest.fixture(scope="module")
def proposed(tmp_path_factory):
    """A home whose hospital has proposed a study, and its number of blocks."""
    folder = tmp_path_factory.mktemp("proposed")
    home = init(folder, "alone")
    ok("consortium", "found", "solo", "--home", home)
    (folder / "spec.toml").write_text(SPEC.replace("min_peers = 2", "min_peers = 1"))
    ok("study", "propose", folder / "spec.toml", "--home", home)
    return home, blocks_of(home)


@pytest.mark.parametrize(
    "arguments",
    [["study", "approve", "heart"], ["study", "finish", "heart"], ["consortium", "leave"],
     ["consortium", "remove", "1"], ["consortium", "revoke"]],
)  # fmt: skip
def test_nobody_is_asked_without_a_terminal(proposed, arguments):
    home, before = proposed
    assert "Expected --yes, because there is no terminal" in sentence(*arguments, "--home", home)
    assert blocks_of(home) == before


@pytest.mark.parametrize(("typed", "approved"), [("y", ["solo", "b"]), ("n", ["solo"])])
def test_terms_are_shown_before_they_are_approved(tmp_path, typed, approved):
    homes = [init(tmp_path, name) for name in ("solo", "b")]
    (tmp_path / "card").write_text(ok("node", "card", "--home", homes[1]))
    ok("consortium", "found", "two", "--home", homes[0], "--founder", tmp_path / "card")
    (tmp_path / "spec.toml").write_text(SPEC)
    ok("study", "propose", tmp_path / "spec.toml", "--home", homes[0])
    shown = typed_at_a_terminal(typed, "study", "approve", "heart", "--home", homes[1])
    assert "Heart disease at three hospitals" in shown
    assert "leaves the hospital" in shown
    assert "Allow exactly these terms to run at this hospital? [y/N]" in shown
    found = json.loads(ok("study", "show", "heart", "--home", homes[0], "--json"))
    assert [found["members"][str(m)] for m in found["study"]["approved"]] == approved


def test_a_file_of_terms_may_begin_with_a_byte_order_mark(home, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace("min_peers = 2", "min_peers = 1"), encoding="utf-8-sig")
    ok("study", "propose", path, "--home", home)


def test_a_typo_in_a_homes_configuration_is_named(home):
    config = home / "node.toml"
    config.write_text(config.read_text() + 'adress = "x:1"\n')
    assert "unknown key 'adress'; did you mean 'address'?" in sentence("status", "--home", home)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status"], "No node is running"),
        (["study", "show", "nothing"], "There is no study 'nothing'"),
        (["study", "start", "nothing"], "There is no study 'nothing'"),
        (["consortium", "vote", "5", "--aye"], "There is no motion '5'"),
        (["consortium", "remove", "9"], "There is no member '9'"),
        (["consortium", "leave", "--yes"], "one of several members"),
        (["consortium", "apply", "/no/token"], "Cannot read the invitation"),
        (["consortium", "found", "again"], "never overwritten"),
        (["ledger", "show", "99"], "Expected a height of 0 to"),
        (["init", "--name", "x"], "There is a home at"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(home, arguments, words):
    assert words in sentence(*arguments, "--home", home)


def test_no_home_is_one_sentence(tmp_path):
    assert "run 'swarmhub init'" in sentence("study", "list", "--home", tmp_path / "none")
    assert "no file" in sentence("ledger", "verify", "--file", tmp_path / "none.sqlite")


def test_a_lost_key_is_one_sentence(home):
    (home / "keys" / "account.pem").unlink()
    assert "restore the home" in sentence("consortium", "members", "--home", home)
    (home / "keys" / "account.pem").write_text("garbage")
    assert "is damaged" in sentence("consortium", "members", "--home", home)


def test_keys_are_for_the_owner_only(home):
    for key in (home / "keys").glob("*.pem"):
        assert key.stat().st_mode & 0o77 == 0


def test_version_and_help():
    assert re.fullmatch(r"\d+\.\d+\.\d+", ok("--version").strip())
    assert "Usage: swarmhub" in ok("--help")
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "modules_of_the_app.py")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "swarmhub.operations.ledger_client" in loaded
    assert not {"torch", "sklearn", "aiohttp", "numpy"} & loaded  # a command starts at once


def test_a_trainers_process_loads_nothing_of_the_node():
    command = [sys.executable, str(PROGRAMS / "modules_of_a_command.py"), "train", "-h"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage: swarmhub train " in done.stdout
    loaded = done.stdout.splitlines()[-1].split()
    assert "swarmhub.cli.train" in loaded
    assert not {"aiohttp", "swarmhub.ledger", "swarmhub.node.service"} & set(loaded)


def test_status_loads_nothing_of_the_node_nor_of_the_ledger(home):
    command = [sys.executable, str(PROGRAMS / "modules_of_a_command.py"), "status", "-h"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage: swarmhub status " in done.stdout
    loaded = done.stdout.splitlines()[-1].split()
    assert "swarmhub.operations.running_node" in loaded
    assert not {"numpy", "swarmhub.contract", "swarmhub.home.home"} & set(loaded)


# what others have written


def test_a_name_is_shown_as_it_is_and_not_obeyed(capsys):
    """A stranger with an invitation chooses its name."""
    words = ["x[/x]", "[bold]Good[/bold]", ":smile:", "\u202eevil", "[link=http://x]y[/link]"]
    table("A title [/x]", ["name"], [[word] for word in words])
    shown = capsys.readouterr().out
    for word in ["A title [/x]", *words[:3], "?evil", words[4]]:
        assert word in shown


def test_a_hospital_may_have_punctuation_in_its_name(tmp_path):
    home = tmp_path / "h"
    ok("init", "--name", "St. Mary's (x), A&E", "--home", home, "--address", free_address())
    ok("consortium", "found", "solo", "--home", home)
    assert "St. Mary's (x), A&E" in ok("consortium", "members", "--home", home)
    ok("ledger", "log", "--home", home)


# what cannot be written, or is none


def test_a_study_that_cannot_be_one_is_a_sentence_at_once(home, tmp_path):
    (tmp_path / "x.csv").write_text("age,y\n" + "1,0\n2,1\n" * 20)
    for name in ("heart study", "herz-ü", "../x"):
        said = sentence("train", "table", name, "--data", tmp_path / "x.csv", "--label", "y",
                        "--home", home)  # fmt: skip
        assert "Expected a study's name" in said


def test_an_invitation_that_cannot_be_written_is_not_registered(home, tmp_path):
    before = json.loads(ok("ledger", "verify", "--json", "--home", home))["blocks"]
    said = sentence("consortium", "invite", "--home", home, "--out", tmp_path / "no" / "where")
    assert "Cannot write the invitation" in said
    assert json.loads(ok("ledger", "verify", "--json", "--home", home))["blocks"] == before
    file = tmp_path / "token"
    ok("consortium", "invite", "--home", home, "--out", file)
    assert len(file.read_text()) > 100


def test_a_damaged_head_keeps_no_command_from_its_work(home):
    (home / "state" / "head").write_bytes(b"x")
    assert "alone" in ok("consortium", "members", "--home", home)
    ok("ledger", "verify", "--home", home)
