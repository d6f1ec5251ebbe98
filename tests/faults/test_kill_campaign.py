"""The campaign of kills, small: `bench/kill.py` with a thousand is the real one."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import kill
import pytest

BENCH = Path(__file__).parents[2] / "bench"


def test_thirty_kills_at_named_moments_lose_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", "30", "--swarms", "2", "--json",
         "--keep", str(tmp_path / "kept"), "--state", str(tmp_path / "state")],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 30
    assert (found["finished"], found["differing"], found["lost_rounds"]) == (True, 0, 0)
    assert (found["faults"], len(found["roles"]) >= 3) == ([], True)


def test_members_that_hang_at_named_moments_hold_up_nobody(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", "8", "--hang-s", "2", "--swarms", "2",
         "--seed", "2", "--json", "--keep", str(tmp_path / "kept")],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 8
    assert (found["finished"], found["differing"], found["lost_rounds"]) == (True, 0, 0)


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
    done = go_on(tmp_path, noted(killed=["leader merge.half"] * 100), 100)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert len(found["moments_missed"]) == found["moments_named"] - 1
    assert "merge.half" not in found["moments_missed"]
    assert "moments at which nobody died: answer.taken, blob.leaves" in done.stderr


def test_a_full_campaign_tries_the_few_moments_that_it_missed_once_more():
    options = SimpleNamespace(role=list(kill.ROLES), hang_s=0.0)
    met = [f"leader {m}" for m in sorted(kill.HERE - {"merge.half", "pull.half"})] * 3
    plans = kill.second_chances(options, [kill.Tally(0, killed=met)])
    assert {p.moment for p in plans} == {"merge.half", "pull.half"}
    assert kill.second_chances(options, [kill.Tally(0, killed=met[:50])]) == []


# takeovers


def merging(number, contributors=(1, 2, 3, 4)):
    return SimpleNamespace(number=number, kind="parameters", contributors=contributors)


def test_every_leader_that_dies_in_mid_merge_is_a_sample_or_has_a_reason_why_not():
    tally = kill.Tally(0)
    takeovers = kill.Takeovers(tally)
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


def test_a_last_model_is_compared_with_what_the_ledger_settled(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(b"right" * 100)
    settled = SimpleNamespace(layout="ab" * 32, digest=kill.fingerprint_of(path, "ab" * 32).digest)
    assert kill.is_that(path, settled)
    path.write_bytes(b"wrong" * 100)
    assert not kill.is_that(path, settled)
    assert not kill.is_that(tmp_path / "missing", settled)


def test_where_no_node_has_the_last_model_all_differ(tmp_path, monkeypatch):
    model = SimpleNamespace(layout="ab" * 32, digest="cd" * 32)
    study = SimpleNamespace(current=model, status="finished")
    monkeypatch.setattr(kill, "STUDY", SimpleNamespace(need=lambda *_: study))
    monkeypatch.setattr(kill, "COMES_S", 0.1)
    homes = [SimpleNamespace(blobs_path=tmp_path / f"h{i}") for i in range(kill.NODES)]
    swarm = SimpleNamespace(ledger=SimpleNamespace(state=None), homes=homes)
    campaign = SimpleNamespace(swarm=swarm, tally=kill.Tally(0))
    asyncio.run(kill.Campaign._compare(campaign))
    assert (campaign.tally.differing, campaign.tally.finished) == (kill.NODES, True)
