"""The moments at which a campaign may kill: all are named, all are somewhere in the code."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from swarm import PROGRAMS

import swarmhub
from swarmhub import failpoints
from swarmhub.contract.transactions import BODIES
from swarmhub.errors import BadInput

pytestmark = pytest.mark.process

SOURCE = Path(swarmhub.__file__).parent
PLACES = [
    name
    for path in SOURCE.rglob("*.py")
    if path.name != "failpoints.py"
    for name in re.findall(r'\bfailpoint\(f?"([^"]+)"', path.read_text())
]


LOOP = [sys.executable, str(PROGRAMS / "failpoints_in_a_loop.py")]


def test_every_place_in_the_code_has_a_name_in_the_table_and_every_name_one_place():
    by_kind = {p.partition("{")[0] for p in PLACES if "{" in p}
    plain = sorted(p for p in PLACES if "{" not in p)
    named = [m for m in failpoints.FAILPOINTS if not m.startswith(tuple(by_kind))]
    assert plain == sorted(named)
    for name in set(failpoints.FAILPOINTS) - set(named):
        assert name.partition(".")[2] in BODIES, name


def test_an_unarmed_process_passes_every_moment():
    for name in failpoints.FAILPOINTS:
        failpoints.failpoint(name, lambda: pytest.fail("this is done only by who dies"))


def test_an_armed_process_dies_at_the_named_moment_for_the_nth_time_and_no_sooner():
    done = subprocess.run(
        [*LOOP, "9"],
        env={failpoints.VARIABLE: "merge.half:3"}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (-9, ["0", "1", "2", "half"])


def test_a_process_hangs_at_the_named_moment_until_it_may_go_on():
    child = subprocess.Popen(
        [*LOOP, "3"],
        env={failpoints.VARIABLE: "merge.half:2:hang"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.waitpid(child.pid, os.WUNTRACED)  # returns when it has stopped
    child.send_signal(signal.SIGCONT)
    assert child.communicate(timeout=30)[0].split() == ["0", "1", "2"]
    assert child.returncode == 0


@pytest.mark.parametrize("order", ["no.such.moment", "merge.half:often", "merge.half:1:die"])
def test_an_unknown_moment_is_refused(order):
    with pytest.raises(BadInput, match="Expected SWARMHUB_DIE_AT as FAILPOINT:COUNT"):
        failpoints.arm(order)
    failpoints.arm("")
