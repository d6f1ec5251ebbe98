"""A hub beside a real node of three hospitals: pages, roles, REST, and what is not let through."""

import html
import json
import os
import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from swarm import Network, make_spec, swarmhub
from web_client import Web

from swarmhub.data.heart import write_heart
from swarmhub.hub.context import users_of
from swarmhub.hub.process import make_link
from swarmhub.operations.acting import read_acts

pytestmark = pytest.mark.process

TERMS = """
name = "relapse"
title = "Who relapses within a year?"
min_peers = 2
[data.outcome]
column = "relapse"
positive = ["yes"]
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with Network(tmp_path_factory.mktemp("hub"), 3) as found:
        home = found.homes[0]
        data = found.root / "data"
        data.mkdir()
        write_heart(data)
        (data / "away.csv").symlink_to("/etc/passwd")
        home.config = replace(
            home.config, hub_prefix="/swarm", hub_user="X-Remote-User", hub_data=str(data)
        )
        home.write_config()
        found.up(1, SWARMHUB_HUB="on")
        for i in (2, 3):
            found.up(i)
        found.wait_until(lambda: home.run_path("hub.json").exists())
        for name, roles in (
            ("vera", ()), ("rosa", ("researcher",)), ("otto", ("owner",)),
            ("ada", ("administrator",)),
        ):  # fmt: skip
            users_of(home).add(name, roles)
        boss = Web(home)
        boss.enter()
        found.wait_until(lambda: boss.ask("GET", "/")[0] == 200)
        found.open_study(make_spec("heart"))
        yield found


@pytest.fixture
def web(network):
    def enter(user="operator"):
        made = Web(network.homes[0])
        made.enter(user)
        return made

    return enter


PAGES = ("/", "/studies", "/studies/heart", "/members", "/ledger", "/node", "/me")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_drawn_and_asks_for_nothing_from_elsewhere(web, path):
    status, headers, text = web().ask("GET", path)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    for address in re.findall(r'(?:src|href|action)="([^"]*)"', text):
        assert address.startswith(("/swarm/", "#", "?")), address


def test_the_hub_has_opened_no_key(network):
    pid = json.loads(network.homes[0].run_path("hub.json").read_bytes())["pid"]
    keys = str(network.homes[0].root / "keys")
    held = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
    assert [path for path in held if path.startswith(keys)] == []


def test_a_stranger_sees_the_login_alone(network):
    stranger = Web(network.homes[0])
    for path in PAGES:
        status, headers, text = stranger.ask("GET", path)
        assert (status, text.count("heart")) == (303, 0)
        assert headers["Location"].startswith("/swarm/login?next=")
    assert stranger.ask("GET", "/events")[0] == 401
    assert stranger.rest("GET", "/today")[0] == 401
    assert stranger.ask("POST", "/do/study.finish", "study=heart")[0] == 303
    assert stranger.ask("GET", "/link/xyz")[0] == 403
    assert stranger.page("/login").count("heart") == 0


def test_another_name_does_not_lead_here(web):
    operator = web()
    assert operator.ask("GET", "/", host="evil.example")[0] == 421
    assert operator.ask("GET", "/", host="localhost:1")[0] == 200


def test_a_change_needs_the_form_of_this_session_and_no_other_page(web, network):
    operator, other = web(), web()
    form = {"csrf": other.csrf(), "study": "heart", "next": "/"}
    for given, headers in (
        (form, {}),
        ({**form, "csrf": ""}, {}),
        ({**form, "csrf": operator.csrf()}, {"Origin": "http://evil.example"}),
        ({**form, "csrf": operator.csrf()}, {"Sec_Fetch_Site": "cross-site"}),
    ):
        status, _, text = operator.ask(
            "POST", "/do/study.finish", urlencode(given),
            Content_Type="application/x-www-form-urlencoded", **headers,
        )  # fmt: skip
        assert status == 403, text
    assert network.study("heart").status == "running"


ACTS = {
    "study.propose": ("rosa", {"terms": TERMS}),
    "study.finish": ("rosa", {"study": "heart"}),
    "study.start": ("rosa", {"study": "heart"}),
    "study.pause": ("rosa", {"study": "heart"}),
    "study.resume": ("rosa", {"study": "heart"}),
    "study.amend": ("rosa", {"terms": TERMS}),
    "study.approve": ("otto", {"study": "heart", "terms": "0" * 64}),
    "study.refuse": ("otto", {"study": "heart"}),
    "study.enrol": ("otto", {"study": "heart", "samples": 3}),
    "study.withdraw": ("otto", {"study": "heart"}),
    "study.release": ("otto", {"study": "heart", "model": "0"}),
    "model.evaluate": ("rosa", {"study": "heart", "model": "0", "file": "cleveland.csv"}),
    "model.export": ("rosa", {"study": "heart", "model": "0"}),
    "evidence.export": ("rosa", {"study": "heart"}),
    "motion.vote": ("ada", {"motion": 1, "aye": True}),
    "member.invite": ("ada", {"days": 3}),
    "member.remove": ("ada", {"member": 3}),
    "keys.rotate": ("ada", {"keys": ["tls"]}),
    "node.examine": ("ada", {}),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_needs_its_role(web, network, act):
    right, arguments = ACTS[act]
    height = len(network.read(lambda s: s.values))
    for user in {"vera", "rosa", "otto", "ada"} - {right}:
        token = users_of(network.homes[0]).add_token(user)
        client = Web(network.homes[0])
        client.token = token
        status, said = client.rest("POST", f"/acts/{act}", arguments)
        assert status == 403, said
        assert "has not the role" in said["error"]
    assert len(network.read(lambda s: s.values)) == height


def test_a_person_proposes_and_the_record_names_them(web, network):
    rosa = web("rosa")
    form = {"csrf": rosa.csrf(), "terms": TERMS, "do": "check"}
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    status, _, text = rosa.ask("POST", "/studies/new", urlencode(form), **kind)
    assert status == 200
    assert "Who relapses within a year?" in text
    assert network.read(lambda s: s.get("study/relapse")) is None
    status, headers, _ = rosa.ask(
        "POST", "/studies/new", urlencode({**form, "do": "propose"}), **kind
    )
    assert (status, headers["Location"]) == (303, "/swarm/studies/relapse")
    assert "proposed by Hospital 1" in rosa.page("/studies/relapse")
    acted = read_acts(network.homes[0], "relapse")
    assert [(a.person, a.kind, a.refused) for a in acted] == [("rosa", "study.propose", "")]
    for words, expected in (
        (TERMS, "AlreadyDone"),
        (TERMS.replace('"relapse"\ntitle', '"other"\nrounds = -1\ntitle'), "BadValue"),
        (TERMS.replace('"relapse"\ntitle', '"日本"\ntitle'), "BadValue"),
    ):
        refused = urlencode({**form, "terms": words})
        status, _, text = rosa.ask("POST", "/studies/new", refused, **kind)
        assert (status, expected in text) == (422, True), words
    wrong = {**form, "terms": TERMS.replace("min_peers", "min_pears")}
    status, _, text = rosa.ask("POST", "/studies/new", urlencode(wrong), **kind)
    assert status == 422
    assert "min_peers" in text


def test_a_chosen_privacy_is_read_before_it_is_proposed(web, network):
    rosa = web("rosa")
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    asked = {"csrf": rosa.csrf(), "terms": TERMS.replace('"relapse"\n', '"hidden"\n', 1)}

    def ask(**more):
        status, _, text = rosa.ask("POST", "/studies/new", urlencode({**asked, **more}), **kind)
        terms = re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.S)
        return status, text, html.unescape(terms[1]) if terms else ""

    status, text, terms = ask(do="propose", privacy="masked", clip="2.5")
    assert (status, "masked = true" in terms, "clip = 2.5" in terms) == (200, True, True)
    assert "The privacy was written into the terms" in text
    assert network.read(lambda s: s.get("study/hidden")) is None
    status, text, terms = ask(do="check", privacy="masked", clip="0")
    assert (status, terms, "privacy.clip" in text) == (422, asked["terms"], True)


def test_a_chosen_epsilon_is_written_into_the_terms(web):
    rosa = web("rosa")
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    asked = {"csrf": rosa.csrf(), "terms": 'name = "noisy"\nmin_peers = 2\nrounds = 3\n'}
    chosen = {"do": "propose", "privacy": "dp", "epsilon": "2.5", "patient_clip": "0.5"}
    status, _, text = rosa.ask("POST", "/studies/new", urlencode(asked | chosen), **kind)
    assert status == 200, text
    written = html.unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.S)[1])
    assert "[privacy.dp]" in written
    assert "epsilon = 2.5" in written
    assert "clip = 0.5" in written
    assert "epsilon = 2.5, delta = 0.00001" in html.unescape(text), "said in words"
    asked["terms"] = written.replace("# noise left out", "noise = 0.5 #")
    status, _, text = rosa.ask("POST", "/studies/new", urlencode({**asked, "do": "check"}), **kind)
    assert (status, "Leave noise out" in text) == (422, True)


def test_a_draft_and_a_check_read_files_of_one_folder_alone(web, network):
    rosa = web("rosa")
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    page = rosa.page("/studies/new")
    assert "cleveland.csv" in page
    assert "away.csv" not in page
    asked = {"csrf": rosa.csrf(), "file": "cleveland.csv", "example": "heart", "terms": ""}

    def ask(**more):
        return rosa.ask("POST", "/studies/new", urlencode({**asked, **more}), **kind)

    status, _, text = ask(do="draft")
    terms = html.unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.S)[1])
    assert status == 200
    assert 'column = "label"' in terms
    status, _, text = ask(do="example")
    assert "name = &#34;heart&#34;" in text
    for file in ("away.csv", "../ledger.sqlite", "/etc/passwd", "none.csv", ""):
        status, _, text = ask(do="data", file=file, terms=terms)
        assert (status, "There is no file" in text) == (422, True), file
    status, headers, text = ask(do="data", terms=terms)
    assert status == 200
    assert "These files can be used" in text
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, _, text = ask(do="data", terms=terms.replace('"label"', '"lable"'))
    assert (status, "cannot take part" in text, "lable" in text) == (200, True, True)


def test_the_contracts_refusal_is_on_the_page(web):
    said = web("otto").do("study.enrol", "/studies/heart", study="heart", samples=5)
    assert "is enrolled in" in said
    said = web("otto").do("study.enrol", "/studies/heart", study="heart", samples="many")
    assert "Expected a whole number for" in said


def test_this_host_is_examined_by_the_node(web):
    text = web("ada").do("node.examine")
    assert "membership" in text
    assert "certificate" in text


def test_an_invitation_is_shown_once(web):
    text = web("ada").do("member.invite", days=3)
    assert re.search(r"<textarea[^>]*>\S{100,}</textarea>", text)


def test_a_passphrase_is_set_by_a_link_and_then_works(network):
    ben = Web(network.homes[0])
    users_of(network.homes[0]).add("ben", ("owner",))
    assert ben.enter("ben") == "/swarm/me"
    words = {"passphrase": "a long enough phrase", "again": "a long enough phrase"}
    form = urlencode({"csrf": ben.csrf(), **words})
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert ben.ask("POST", "/me", form, **kind)[0] == 303
    again = Web(network.homes[0])
    wrong = urlencode({"name": "ben", "passphrase": "another long phrase", "next": "/"})
    assert again.ask("POST", "/login", wrong, **kind)[0] == 403
    right = urlencode({"name": "ben", "passphrase": words["passphrase"], "next": "//evil.example"})
    status, headers, _ = again.ask("POST", "/login", right, **kind)
    assert (status, headers["Location"]) == (303, "/swarm/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "heart" in again.page("/studies")
    form = urlencode({"csrf": again.csrf()})
    assert again.ask("POST", "/logout", form, **kind)[0] == 303
    assert again.ask("GET", "/studies")[0] == 303


def test_a_proxy_names_the_user_if_node_toml_says_so(network):
    client = Web(network.homes[0])
    assert client.ask("GET", "/me", X_Remote_User="otto")[0] == 200
    assert client.ask("GET", "/me", X_Remote_User="nobody")[0] == 303
    assert client.ask("GET", "/me", X_Remote_User="operator")[0] == 303


def test_rest_gives_what_the_pages_show(web, network):
    vera = Web(network.homes[0])
    vera.token = users_of(network.homes[0]).add_token("vera")
    status, found = vera.rest("GET", "/studies")
    assert status == 200
    assert {s["name"]: s["status"] for s in found}["heart"] == "running"
    status, one = vera.rest("GET", "/studies/heart")
    assert (status, one["line"]["here"]) == (200, "enrolled")
    assert one["terms_digest"] == network.study("heart").spec
    status, said = vera.rest("GET", "/studies/none")
    assert (status, said["error"][:11]) == (404, "There is no")
    status, found = vera.rest("GET", "/ledger?text=proposes&page=1")
    assert found["total"] >= 1
    for wrong in ("?page=0", "?page=x", "?page=1&page=2", "?strange=1", "?member=-1"):
        assert vera.rest("GET", f"/ledger{wrong}")[0] == 400
    assert vera.rest("POST", "/today")[0] == 405
    status, document = vera.rest("GET", "/openapi.json")
    assert document["openapi"] == "3.1.0"


def test_runs_of_one_question_are_side_by_side(web, network):
    rosa = Web(network.homes[0])
    rosa.token = users_of(network.homes[0]).add_token("rosa")
    for name in ("again-one", "again-two"):
        terms = TERMS.replace('"relapse"\ntitle', f'"{name}"\ntitle')
        terms = terms.replace('column = "relapse"', 'column = "again"')
        assert rosa.rest("POST", "/acts/study.propose", {"terms": terms})[0] == 200
    text = web("vera").page("/studies")
    table = text[text.index("Outcome: &#39;yes&#39; in &#39;again&#39;") :]
    table = table[: table.index("</table>")]
    assert re.findall(r"/studies/([a-z-]+)", table) == ["again-one", "again-two"]


def test_the_catalogue_is_linked_and_is_json_ld(web):
    vera = web("vera")
    link = re.search(r'href="(/swarm/api/v1/catalogue)" download', vera.page("/studies"))
    status, headers, text = vera.ask("GET", link[1].removeprefix("/swarm"))
    assert (status, headers["Content-Type"]) == (200, "application/ld+json")
    found = [n for n in json.loads(text)["@graph"] if n["@type"] == "dcat:Dataset"]
    assert any(n["dct:identifier"].endswith("/heart") for n in found)


def test_the_command_writes_the_catalogue_and_names_what_is_missing(network, tmp_path):
    out = tmp_path / "catalogue.jsonld"
    home = str(network.homes[0].root)
    done = swarmhub("study", "catalogue", "--datasets", "--out", str(out), "--home", home)
    assert done.returncode == 0, done.stderr
    assert "dcat:contactPoint, dcat:distribution; set catalogue_contact in node.toml" in done.stderr
    kinds = [n["@type"] for n in json.loads(out.read_text())["@graph"]]
    assert ("dcat:Dataset" in kinds, "dcat:Catalog" in kinds) == (True, False)
    done = swarmhub("study", "catalogue", "--out", str(tmp_path / "no" / "x"), "--home", home)
    assert (done.returncode, "Cannot write" in done.stderr) == (2, True)


def test_pages_speak_german_if_the_browser_does(web):
    vera = web("vera")
    status, _, text = vera.ask("GET", "/studies/heart", Accept_Language="de-DE,de;q=0.9")
    assert (status, 'lang="de"' in text, "vorgeschlagen von Hospital 1" in text) == (
        200,
        True,
        True,
    )
    status, _, text = vera.ask("GET", "/studies/new", Accept_Language="de")
    assert (status, "hat in diesem Krankenhaus nicht die Rolle" in text) == (403, True)
    status, _, text = vera.ask("GET", "/nowhere", Accept_Language="de")
    assert (status, "Diese Seite gibt es nicht." in text) == (404, True)


def test_news_reach_a_page_that_is_open(web, network):
    import http.client

    operator = web()
    connection = http.client.HTTPConnection("127.0.0.1", operator.port, timeout=30)
    connection.request("GET", "/swarm/events", headers={"Cookie": operator.cookie})
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    web("ada").do("member.invite", days=2)
    seen = b""
    while b"event: news" not in seen:
        seen += answer.readline()
    connection.close()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content_Type": "multipart/form-data"}, "x"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, b"\xff\xfe=\xff"),
        ({"Content_Type": "application/x-www-form-urlencoded; charset=nonsense"}, "a=b"),
        ({"Cookie": "swarmhub-7490=\xff"}, "a=b"),
    ],
)
def test_what_is_no_form_is_refused_with_a_sentence(web, network, headers, body):
    stranger = Web(network.homes[0])
    status, _, text = stranger.ask("POST", "/login", body, **headers)
    assert status in (400, 403), text
    rosa = web("rosa")
    status, _, text = rosa.ask("POST", "/studies/new", body, **headers)
    assert status in (303, 400, 403), text
    assert "Traceback" not in network.log(1).read_text().split("test_what_is_no_form")[-1]


def test_a_token_that_is_no_text_is_nobodys(network):
    stranger = Web(network.homes[0])
    stranger.token = "\xff\xfe"
    assert stranger.rest("GET", "/today")[0] == 401


def test_a_link_that_was_used_leads_who_is_logged_in_to_the_first_page(network):
    one = Web(network.homes[0])
    link = make_link(network.homes[0], user="vera")
    path = link[link.index("/link/") :]
    assert one.ask("GET", path)[0] == 303
    status, headers, _ = one.ask("GET", path)
    assert (status, headers["Location"]) == (303, "/swarm/")
