"""The campaign of kills, small: `bench/kill.py` with a thousand is the real one."""

import json
import subprocess
import sys
from pathlib import Path

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


def test_a_campaign_goes_on_behind_what_is_noted(tmp_path):
    state = tmp_path / "state"
    tally = {"seed": 1, "number": 0, "plans": 40, "finished": True, "settled": 7,
             "killed": ["leader merge.half"] * 40, "takeovers": [0.5, 1.5]}  # fmt: skip
    state.write_text(json.dumps(tally) + "\n")
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill.py"), "--kills", "40", "--json", "--state", str(state)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kills"], found["rounds"], found["takeover_s_p99"]) == (40, 7, 1.5)
