"""A hub beside a node whose ledger is CometBFT's: it reads what the node has committed."""

import json
import os
import signal

import pytest
from comets import Comets
from engines import needs_cometbft
from web_client import Web

from swarmhub.hub.child import SWITCH
from swarmhub.hub.context import users_of
from swarmhub.operations.acting import read_acts

pytestmark = [needs_cometbft, pytest.mark.engine]

TERMS = """
name = "relapse"
title = "Who relapses within a year?"
min_peers = 2
[data.outcome]
column = "relapse"
positive = ["yes"]
"""


class Hubs(Comets):
    """The first hospital has a hub."""

    def up(self, i, home=None):
        root = self.homes[i - 1].root
        on = {SWITCH: "on"} if i == 1 else {}
        log = root / "logs" / "node.log"
        self.children.start(f"node {i}", ["up", "--home", str(root)], log, **on)


def test_an_act_is_on_the_page_and_on_the_others_ledger(tmp_path):
    with Hubs(tmp_path, 3) as comets:
        home = comets.homes[0]
        comets.wait_until(home.run_path("hub.json").exists)
        users_of(home).add("rosa", ("researcher", "owner"))
        rosa = Web(home)
        rosa.token = users_of(home).add_token("rosa")
        comets.wait_until(lambda: rosa.rest("GET", "/members")[0] == 200)
        status, made = rosa.rest("POST", "/acts/study.propose", {"terms": TERMS})
        assert status == 200, made
        status, one = rosa.rest("GET", "/studies/relapse")
        assert (status, one["line"]["here"]) == (200, "approved")
        assert rosa.rest("POST", "/acts/study.enrol", {"study": "relapse", "samples": 7})[0] == 200
        comets.type(2, "study", "refuse", "relapse", "--reason", "no ethics vote yet")
        comets.wait_until(
            lambda: "no ethics vote yet" in str(rosa.rest("GET", "/studies/relapse")[1]["terms"])
        )
        _, found = rosa.rest("GET", "/ledger?study=relapse")
        said = [e["said"] for e in reversed(found["entries"])]
        assert said[0] == "Hospital 1 proposes 'relapse'"
        assert any("takes part" in sentence for sentence in said)
        assert [a.person for a in read_acts(home, "relapse")] == ["rosa", "rosa"]
        # a hub that is started again reads the same from the blocks that are kept
        operator = Web(home)
        operator.enter()
        before = rosa.rest("GET", "/ledger?study=relapse")[1]["total"]
        told = json.loads(home.run_path("hub.json").read_bytes())
        os.kill(told["pid"], signal.SIGKILL)
        comets.wait_until(
            lambda: (
                home.run_path("hub.json").exists()
                and json.loads(home.run_path("hub.json").read_bytes())["pid"] != told["pid"]
            )
        )
        again = Web(home)
        again.token = rosa.token
        comets.wait_until(lambda: again.rest("GET", "/members")[0] == 200)
        assert again.rest("GET", "/ledger?study=relapse")[1]["total"] == before
