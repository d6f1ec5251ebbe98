"""Hospitals on hosts of their own: real engines, nodes, trainers and data; the network is cut."""

from __future__ import annotations

import pytest
from bed import STUDY_NAME, Bed, needs_namespaces
from engines import needs_cometbft

from swarmhub.contract.election import compute_leader_order
from swarmhub.contract.records import MOTIONS
from swarmhub.ledger.cometbft import verify_comet_ledger
from swarmhub.moments import VARIABLE as DIE_AT

pytestmark = [needs_namespaces, needs_cometbft]

FOUR = (1, 2, 3, 4)


def started(bed, **options):
    """Four hosts with a study under way."""
    bed.found()
    bed.open_study(**options)
    bed.wait_until(lambda: bed.number(1) >= 4 and len(bed.merged(1)) == 4)


def test_1_four_hosts_found_a_network_and_settle_the_same_twenty_rounds(tmp_path):
    with Bed(tmp_path, 4) as bed:
        bed.found()
        bed.open_study(rounds=20)
        bed.wait_until(bed.finished)
        models = bed.agree()
        assert len(models) >= 20
        heads = {verify_comet_ledger(h.engine_path)[0].height for h in bed.homes}
        assert min(heads) > 40


def test_2_a_fifth_joins_by_invitation_in_the_middle_and_contributes(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        five = bed.join(token_of=2)
        bed.up(five)
        (motion,) = MOTIONS.get(bed.state(1)).open
        for i in (1, 3, 4):
            if motion in (MOTIONS.get(bed.state(i)) or MOTIONS.cls()).open:
                bed.at_desk(i, lambda d: d.vote(motion, True))
        bed.wait_until(lambda: "Hospital 5" in bed.members(five))
        bed.take_part(five)
        bed.train(five)
        bed.wait_until(lambda: five in bed.merged(1))
        bed.wait_until(
            lambda: "validates from now on" in (bed.homes[4].root / "logs/node.log").read_text()
        )
        since = bed.number(1)
        bed.wait_until(lambda: bed.number(five) > since + 2)
        bed.agree()


@pytest.mark.parametrize(
    ("moment", "leads"),
    [
        ("submit.round.contribute", False),
        ("receipt.begun", False),
        ("agreed.executed", False),
        ("agreed.committed", False),
        ("merge.begun", True),
        ("merge.stored", True),
        ("submit.round.settle", True),
    ],
)
def test_3_a_host_is_killed_in_a_phase_of_a_round_and_comes_back(tmp_path, moment, leads):
    with Bed(tmp_path, 4) as bed:
        bed.found()
        bed.open_study(rounds=1000)
        bed.wait_until(lambda: bed.number(1) >= 4 and len(bed.merged(1)) == 4)
        victim = compute_leader_order(STUDY_NAME, bed.number(1) + 40, FOUR)[0]
        bed.kill(victim)
        bed.up(victim, **{DIE_AT: moment})  # dies when it comes there
        bed.wait_until(lambda: not bed.children.is_running(f"node {victim}"))
        others = [i for i in FOUR if i != victim]
        since = bed.number(others[0])
        bed.wait_until(lambda: bed.number(others[0]) >= since + 2)
        bed.up(victim)
        bed.wait_until(lambda: victim in bed.merged(others[0]))
        since = bed.number(others[0])
        bed.wait_until(lambda: bed.number(victim) > since)
        bed.agree()


def test_4_a_host_that_was_cut_off_catches_up_and_a_minority_settles_nothing(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        bed.cut(3)
        bed.wait_until(lambda: 3 not in bed.merged(1))
        since, alone = bed.number(1), bed.height(3)
        bed.wait_until(lambda: bed.number(1) >= since + 5)
        assert bed.height(3) <= alone + 2
        assert bed.number(3) <= since
        bed.heal(3)
        bed.wait_until(lambda: 3 in bed.merged(1))
        bed.agree()


def test_5_half_of_the_hosts_decide_nothing_and_go_on_when_healed(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        bed.cut(3)
        bed.cut(4)
        bed.wait_until(lambda: bed.height(1) == bed.height(2))
        before = bed.number(1)
        import time

        time.sleep(5)  # nothing is to happen in it
        assert all(bed.number(i) <= before + 1 for i in FOUR)
        bed.heal(3)
        bed.heal(4)
        bed.wait_until(lambda: bed.number(1) >= before + 5 and len(bed.merged(1)) == 4)
        bed.agree()
