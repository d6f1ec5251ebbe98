"""The campaign of kills, small: `bench/kill.py` with a thousand is the real one."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import kill
import kill_deck
import kill_tally
import pytest
from local_swarm import LocalSwarm
from long_runs import long_run

pytestmark = pytest.mark.campaign

BENCH = Path(__file__).parents[2] / "bench"
PROGRAM = Path(__file__).parents[1] / "programs" / "deal_cards.py"


def test_six_kills_at_named_moments_lose_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", "6", "--swarms", "2", "--json",
         "--keep", str(tmp_path / "kept"), "--state", str(tmp_path / "state")],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 6
    assert (found["finished"], found["differing"], found["lost_rounds"]) == (True, 0, 0)
    assert (found["faults"], len(found["roles"]) >= 3) == ([], True)


@long_run
def test_members_that_die_as_they_dispute_a_false_merge_lose_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", "6", "--role", "juror", "--swarms", "2",
         "--json", "--keep", str(tmp_path / "kept")],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 6
    assert found["roles"] == {"juror": found["kills"]}
    assert (found["finished"], found["differing"], found["lost_rounds"]) == (True, 0, 0)


def test_members_that_hang_at_named_moments_hold_up_nobody(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", "5", "--hang-s", "2", "--swarms", "2",
         "--seed", "2", "--json", "--keep", str(tmp_path / "kept")],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 5
    assert (found["finished"], found["differing"], found["lost_rounds"]) == (True, 0, 0)


def test_who_has_the_turn_to_write_is_known(tmp_path):
    swarm = LocalSwarm(tmp_path, 4, None)
    with (tmp_path / "ledger.sqlite.turns").open("w") as file:
        assert not swarm.has_turn(os.getpid())
        fcntl.flock(file, fcntl.LOCK_EX)
        assert (swarm.has_turn(os.getpid()), swarm.has_turn(os.getppid())) == (True, False)
    assert not swarm.has_turn(os.getpid())


def test_a_process_is_stopped_once_all_its_threads_are():
    with subprocess.Popen(["sleep", "60"]) as child:
        assert not kill.is_stopped(child.pid)
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        assert kill.is_stopped(child.pid)
        child.kill()
    with pytest.raises(ProcessLookupError):
        kill.is_stopped(child.pid)


def test_a_seed_deals_the_same_cards_in_every_process():
    dealt = {
        subprocess.run(
            [sys.executable, str(PROGRAM), str(BENCH)], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": str(i)},
        ).stdout
        for i in range(3)
    }  # fmt: skip
    assert len(dealt) == 1


def noted(**changes):
    """What a campaign has noted of a swarm that is done."""
    return {"seed": 1, "number": 0, "plans": 40, "finished": True, "settled": 7,
            "killed": ["leader merge.half"] * 40, "takeovers": [0.5, 1.5], **changes}  # fmt: skip


def go_on(tmp_path, tally, kills):
    """Run a campaign behind a swarm that is done."""
    state = tmp_path / "state"
    state.write_text(json.dumps(tally) + "\n")
    return subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", str(kills), "--json",
         "--state", str(state)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_campaign_goes_on_behind_what_is_noted(tmp_path):
    done = go_on(tmp_path, noted(discarded={"not all had contributed": 3}), 40)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kills"], found["rounds"], found["takeover_s_p99"]) == (40, 7, 1.5)
    assert (found["leaders_killed"], found["takeovers"]) == (5, 2)
    assert found["takeovers_discarded"] == {"not all had contributed": 3}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"differing": 1}, "differing: 1"), ({"lost_rounds": 2}, "lost_rounds: 2"),
     ({"finished": False}, "did not finish"), ({"faults": ["a node fell"]}, "a node fell")],
    ids=["differing", "lost", "unfinished", "faults"],
)  # fmt: skip
def test_a_campaign_that_lost_something_says_no(tmp_path, changes, words):
    done = go_on(tmp_path, noted(**changes), 40)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_full_campaign_that_missed_moments_says_no_and_which(tmp_path):
    done = go_on(tmp_path, noted(killed=["leader merge.half"] * kill_tally.FULL), kill_tally.FULL)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (
        len(found["cards_missed"]) == len(kill_deck.deck(list(kill_deck.ROLES), hanging=False)) - 1
    )
    assert "leader merge.half" not in found["cards_missed"]
    assert "moments at which nobody died: leader " in done.stderr


def test_a_full_campaign_with_slow_takeovers_says_no(tmp_path):
    killed = [str(p) for p in kill_deck.deck(list(kill_deck.ROLES), hanging=False)] * 3
    slow = noted(killed=killed, takeovers=[0.5] * 50 + [5.1])
    done = go_on(tmp_path, slow, kill_tally.FULL)
    assert done.returncode == 1
    assert "takeover_s_p99: 5.1, expected 5.0 at most" in done.stderr
    assert (
        go_on(tmp_path, {**slow, "takeovers": [0.5] * 50 + [4.9]}, kill_tally.FULL).returncode == 0
    )


def test_a_full_campaign_tries_the_few_moments_that_it_missed_once_more():
    options = SimpleNamespace(role=list(kill_deck.ROLES), hang_s=0.0)
    missed = ["leader merge.half", "late joiner pull.half", "juror submit.round.dispute"]
    met = [str(p) for p in kill_deck.deck(options.role, hanging=False) if str(p) not in missed] * 3
    again = kill_tally.second_chances(options, [kill_tally.Tally(0, killed=met)])
    assert [sorted(map(str, plans)) for plans in again] == [sorted(missed[:2]), missed[2:]]
    assert kill_tally.second_chances(options, [kill_tally.Tally(0, killed=met[:50])]) == []


def test_jurors_die_in_swarms_with_a_liar_and_all_others_in_the_other_swarms():
    roles = list(kill_deck.ROLES)
    for lying in (False, True):
        cards = kill_deck.deal(1, roles, hanging=False, lying=lying)
        assert {next(cards).role == "juror" for _ in range(200)} == {lying}
    assert {next(kill_deck.deal(1, ["leader"], hanging=False, lying=True)).role} == {"leader"}


# takeovers


def merging(number, contributors=(1, 2, 3, 4)):
    return SimpleNamespace(number=number, kind="train", contributors=contributors)


def test_every_leader_that_dies_in_mid_merge_is_a_sample_or_has_a_reason_why_not():
    tally = kill_tally.Tally(0)
    takeovers = kill_tally.Takeovers(tally)
    takeovers.died(merging(5), 2, alone=True)
    assert takeovers.settled(4, 3) is None
    assert takeovers.settled(5, 3) is not None  # by another one
    takeovers.died(merging(6), 2, alone=True)
    assert takeovers.settled(6, 2) is None  # its own transaction was on its way
    takeovers.died(merging(7), 2, alone=True)
    takeovers.back(3)
    takeovers.back(2)
    assert takeovers.settled(7, 3) is None  # whoever settles then
    takeovers.died(merging(8), 2, alone=False)
    takeovers.died(merging(9, contributors=(1, 2, 3)), 2, alone=True)
    takeovers.died(merging(10), 2, alone=True)
    takeovers.discard("was started again at once")
    assert len(tally.takeovers) == 1
    assert sum(tally.discarded.values()) == 5
    assert not takeovers.open


# the last model


def test_settled_models_are_compared_with_what_the_ledger_has(tmp_path):
    made, layout = tmp_path / "made", "ab" * 32
    made.write_bytes(b"right" * 100)
    digest = kill.fingerprint_of(made, layout).digest
    path = made.rename(tmp_path / f"{digest}.bin")
    assert kill.is_that(path, {digest: layout})
    path.write_bytes(b"wrong" * 100)
    assert not kill.is_that(path, {digest: layout})
    assert kill.is_that(path, {})  # a contribution: the store's own business
    path.unlink()
    assert kill.is_that(path, {digest: layout})


@pytest.mark.parametrize("torn", ["", "last", "before"])
def test_each_node_without_the_last_model_or_with_a_torn_one_differs(tmp_path, monkeypatch, torn):
    layout, models = "ab" * 32, {}
    for name in ("before", "last"):
        (tmp_path / name).write_bytes(name.encode() * 100)
        models[name] = kill.fingerprint_of(tmp_path / name, layout).digest
    model = SimpleNamespace(layout=layout, digest=models["last"])
    study = SimpleNamespace(current=model, status="finished")
    monkeypatch.setattr(kill, "STUDY", SimpleNamespace(need=lambda *_: study))
    monkeypatch.setattr(kill, "COMES_S", 0.1)
    homes = [SimpleNamespace(blobs_path=tmp_path / f"h{i}") for i in range(kill.NODES)]
    swarm = SimpleNamespace(ledger=SimpleNamespace(state=None), homes=homes)
    settled = {models["before"]: layout}
    campaign = SimpleNamespace(swarm=swarm, tally=kill_tally.Tally(0), models=settled)
    asyncio.run(kill.Campaign._compare(campaign))
    assert (campaign.tally.differing, campaign.tally.finished) == (kill.NODES, True)
    for home in homes:
        home.blobs_path.mkdir()
        for name, digest in models.items():
            (home.blobs_path / f"{digest}.bin").write_bytes((tmp_path / name).read_bytes())
    if torn:
        (homes[2].blobs_path / f"{models[torn]}.bin").write_bytes(b"torn")
    asyncio.run(kill.Campaign._compare(campaign))
    assert campaign.tally.differing == bool(torn)
