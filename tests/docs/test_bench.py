"""The measurements' scripts start: what they import is there. They say no where they have to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import audit_overhead
import false_merges
import pytest
import robust
import soak
from long_runs import long_run

pytestmark = pytest.mark.process

BENCH = Path(__file__).parents[2] / "bench"
SCRIPTS = sorted(p.name for p in BENCH.glob("*.py") if "ArgumentParser" in p.read_text())


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_of_the_bench_starts(script):
    done = subprocess.run(
        [sys.executable, BENCH / script, "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


# a soak


def measured(rss_kb, descriptors=(30,) * 60, disk=(5_000_000,) * 60, logs=range(0, 60_000, 1000)):
    kb = list(rss_kb)
    return soak.Measured(7, kb, kb, list(descriptors), list(disk), list(logs))


def judged(one, finished=True):
    found = {1: measured([80_000] * 60), 2: one}
    tenth = {i: (m.rss_kb[9], m.anon_kb[9]) for i, m in found.items()}
    logs = max(soak.per_round(m.logs) for m in found.values())
    return soak.judge(
        {"finished": finished, **soak.compare(found, tenth), "log_kb_per_round": logs},
    )


def test_a_soak_lets_a_process_warm_up():
    assert judged(measured([50_000] * 9 + [90_000] * 51, [8] * 9 + [43] * 51)) == []


@pytest.mark.parametrize(
    ("one", "finished", "words"),
    [
        (measured([80_000] * 60), False, "did not finish"),
        (measured([80_000] * 35 + [89_000] * 20 + [80_000] * 5), True, "rss_ratio_max"),
        (measured([80_000] * 10 + [100_000] * 50), True, "rss_ratio_from_tenth_max"),
        (measured([80_000] * 60, range(30, 90)), True, "descriptors"),
        (measured([80_000] * 60, disk=range(1_000_000, 13_000_000, 200_000)), True, "disk_ratio"),
        (measured([80_000] * 60, logs=range(0, 600_000, 10_000)), True, "logs grow"),
    ],
    ids=["unfinished", "rising", "memory", "descriptors", "disk", "logs"],
)
def test_a_soak_says_no_to_what_grows(one, finished, words):
    (sentence,) = judged(one, finished)
    assert words in sentence


@long_run
def test_a_short_soak_lets_every_node_drop_out_and_compares_all():
    done = subprocess.run(
        [sys.executable, BENCH / "soak.py", "--nodes", "4", "--rounds", "30", "--mb", "0.01",
         "--json"],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["finished"], found["rounds"]) == (True, 30), done.stderr
    assert found["rounds_compared"].keys() == found["rss_ratio"].keys() == {"1", "2", "3", "4"}
    assert sum(sum(ways.values()) for ways in found["drop_outs_of"].values()) == found["drop_outs"]
    assert found["log_kb_per_round"] < soak.LOG_KB
    assert done.returncode == bool(soak.judge(found))


# lies


def lies(tried, caught, settled, chance=0.0, **more):
    return {"real": {"tried": tried, "caught": caught, "settled_false": settled,
                     "stated_chance": chance, **more}}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [
        (lies(50, 50, 0), True),
        (lies(50, 49, 1), False),  # settled
        (lies(50, 49, 0), False),  # neither caught nor settled
        (lies(50, 49, 0, chance=0.5), False),
        (lies(50, 30, 20, chance=0.5), True),
        (lies(50, 5, 45, chance=0.5), False),  # more than chance explains
        (lies(50, 50, 0, framed=[7]), False),
        (lies(50, 50, 0, broken=["HONEST: ..."]), False),
    ],
)
def test_a_lie_that_is_not_caught_is_said(answer, is_well):
    assert (false_merges.judge(answer) == []) == is_well


@long_run
def test_every_lie_of_real_leaders_is_caught_in_models_of_one_chunk_and_of_several():
    done = subprocess.run(
        [sys.executable, BENCH / "false_merges.py", "--simulated", "30", "--real", "1", "--large",
         "1"],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["simulated"]["caught"] == found["simulated"]["tried"] >= 30
    assert [found[name]["uncaught"] for name in ("real", "large")] == [[], []]
    assert (found["large"]["chunks"], found["large"]["audit"]) == (3, "full")


# audits


@pytest.mark.parametrize(
    ("overhead", "limit", "is_well"),
    [(0.09, 10, True), (0.11, 10, False), (0.11, 20, True), (-0.02, 0, True)],
)
def test_audits_that_cost_too_much_are_said(overhead, limit, is_well):
    found = audit_overhead.judge({"overhead": overhead, "limit_percent": limit})
    assert (found == []) == is_well


# robust means


def test_unequal_hospitals_lose_little_by_clipping_and_a_lie_is_bounded():
    found = robust.measure(range(2), 1.0, 0)
    for (rule, attack), most in robust.LIMITS.items():
        assert found[rule][attack] <= most, (rule, attack)
    assert found["weighted mean"]["largest x1000"] > 500
    assert found["weighted mean"]["clean"] < 1e-12
