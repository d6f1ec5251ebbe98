"""Hospitals go on with the next release one after another, as docs/operations says, while they
train; one of them is put back to the old release."""

from __future__ import annotations

import pytest
from bed import Bed, needs_namespaces
from crossing import updated
from engines import needs_cometbft
from wheels import install_both

from swarmhub.contract.records import MOTIONS, get_chain, get_members

pytestmark = [needs_namespaces, needs_cometbft, pytest.mark.campaign]

LACKS = "follows contract version 2 from block {} on, and this swarmhub has version 1"


class Hospitals(Bed):
    """Hosts with a release each."""

    def __init__(self, root, n, release):
        self.releases = dict.fromkeys(range(1, n + 1), release)
        super().__init__(root, n)

    def variables(self, i):
        return {"PYTHONPATH": str(self.releases[i])}

    def chain(self, i=1):
        return get_chain(self.state(i))

    def go_on_with(self, release, i):
        """Stop host i's node, install the release, start it; its trainer waits for it."""
        self.children.stop(f"node {i}")
        self.releases[i] = release
        self.up(i)

    def move_and_vote(self, after):
        """Host 1 moves the next version, the others vote for it; returns its first block."""
        self.type(1, "consortium", "upgrade", 2, "--after", after)
        (motion,) = MOTIONS.need(self.state(1)).open
        for i in (2, 3):
            self.type(i, "consortium", "vote", motion, "--aye")
        self.wait_until(lambda: self.chain().next_version is not None)
        return self.chain().next_version.height

    def log(self, i):
        return (self.homes[i - 1].root / "logs" / "node.log").read_text()


def test_hospitals_are_upgraded_one_after_another(tmp_path):
    present, following = install_both(tmp_path / "releases")
    with Hospitals(tmp_path, 4, present) as bed:
        bed.found()
        bed.open_study(rounds=100_000)
        with updated():
            for i in (1, 2, 3, 4):
                bed.wait_until(lambda: len(bed.merged(1)) >= 3)
                bed.go_on_with(following, i)
                bed.wait_until(lambda i=i: get_members(bed.state(1))[i - 1].versions == (1, 2))
            height = bed.move_and_vote(after=40)
            bed.go_on_with(present, 4)
            crosses(bed, height, following)


def crosses(bed, height, following):
    """Rounds go on over the height; the host that was put back stops before it, and catches up."""
    bed.wait_until(lambda: LACKS.format(height) in bed.log(4))
    bed.wait_until(lambda: bed.children.ended("node 4") == 2)
    assert bed.height(4) == height - 1
    bed.wait_until(lambda: bed.chain().contract_version == 2)
    settled = bed.number(1)
    bed.wait_until(lambda: bed.number(1) > settled + 1)
    bed.go_on_with(following, 4)
    bed.wait_until(lambda: 4 in bed.merged(1))
    assert bed.chain(4).contract_version == 2
    bed.agree()
