"""The page of the ledger beside a real node: proofs, verification, export; and ways to members."""

import csv
import io
import json

import pytest
from swarm import Network, make_spec
from web_client import Web

from swarmhub.hub.context import users_of
from swarmhub.operations.proofs.prove import check_proof

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with Network(tmp_path_factory.mktemp("ledger"), 2) as found:
        home = found.homes[0]
        found.up(1, SWARMHUB_HUB="on")
        found.up(2)
        found.wait_until(lambda: home.run_path("hub.json").exists())
        users_of(home).add("vera", ())
        boss = Web(home)
        boss.enter()
        found.wait_until(lambda: boss.ask("GET", "/")[0] == 200)
        found.open_study(make_spec("heart", min_peers=2))
        found.wait_until(lambda: "started" in boss.page("/ledger?study=heart"))
        yield found


@pytest.fixture
def web(network):
    """A viewer, at the pages and at REST."""
    made = Web(network.homes[0])
    made.enter("vera")
    return made


def entries(web, query=""):
    return web.rest("GET", f"/ledger?{query}")[1]["entries"]


def test_the_proof_of_an_entry_is_a_file_that_holds(network, web):
    tx = next(e["tx"] for e in entries(web, "study=heart") if e["tx"])
    assert f'href="{web.prefix}/ledger/proofs/{tx}"' in web.page("/ledger?study=heart")
    status, headers, text = web.ask("GET", f"/ledger/proofs/{tx}")
    assert status == 200
    assert headers["Content-Disposition"] == f'attachment; filename="proof-{tx[:16]}.json"'
    found = check_proof(text.encode())
    assert (found.tx, found.study, found.code) == (tx, "heart", "ok")
    status, value = web.rest("GET", f"/ledger/proofs/{tx}")
    assert (status, value) == (200, json.loads(text))


def test_there_is_no_proof_of_what_is_not_on_the_ledger(web):
    status, said = web.rest("GET", f"/ledger/proofs/{'0' * 64}")
    assert (status, said["error"].startswith("There is no one transaction '000")) == (404, True)
    for wrong in ("x" * 64, "0" * 63, "--help"):
        status, said = web.rest("GET", f"/ledger/proofs/{wrong}")
        assert (status, "an id has 64 lower-case hex digits" in said["error"]) == (404, True)


def test_a_viewer_has_the_ledger_verified_and_sees_it(network, web):
    assert "was not verified at this hospital yet" in web.page("/ledger")
    assert web.do("ledger.verify", after="/ledger") == "The verification has begun."
    network.wait_until(lambda: web.rest("GET", "/ledger/verification")[1]["state"] == "holds")
    found = web.rest("GET", "/ledger/verification")[1]
    assert found["height"] <= found["tip"]
    assert found["ended_ms"] >= found["began_ms"] > 0
    page = web.page("/ledger")
    assert f"Every block up to {found['height']} holds" in page
    assert found["head"] in page
    status, _ = web.rest("POST", "/acts/ledger.verify", {}, X_CSRF=web.csrf())
    assert status == 200


def test_what_was_found_is_exported_in_both_forms(web):
    every = entries(web, "study=heart")
    lines = web.page("/ledger/export.jsonl?study=heart").splitlines()
    assert [json.loads(line) for line in lines] == every[::-1]
    table = list(csv.DictReader(io.StringIO(web.page("/ledger/export.csv?study=heart"))))
    assert [(row["tx"], row["said"]) for row in table] == [
        (e["tx"], e["said"]) for e in every[::-1]
    ]
    status, headers, text = web.ask("GET", "/api/v1/ledger/export.csv?study=heart")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert len(text.splitlines()) == len(table) + 1


def test_ways_are_measured_on_the_page_and_in_rest(network, web):
    def other():
        return next(m for m in web.rest("GET", "/members")[1] if not m["is_me"])

    network.wait_until(lambda: other()["link"]["round_trip_us"])  # of greetings: nothing moved
    found = other()
    assert (found["link"]["way"], found["warning"]) == ("direct", "")
    assert found["link"]["received_per_s"] == 0
    page = web.page("/members")
    assert "there and back" in page
    assert "MB/s not measured yet" in page
