"""The documents of a study on the hub's pages and over REST: read, compared, never run."""

import base64
import http.client

import pytest
from swarm import Network
from web_client import Web

from swarmhub.documents import digest_of
from swarmhub.operations.client import Client

pytestmark = pytest.mark.process

SCRIPT = "<script>alert(1)</script>\u202e\n"
PDF = b"%PDF-1.7 <script>\xff"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with Network(tmp_path_factory.mktemp("hub"), 2) as found:
        found.up(1, SWARMHUB_HUB="on")
        found.up(2)
        home = found.homes[0]
        found.wait_until(lambda: home.run_path("hub.json").exists())
        boss = Web(home)
        boss.enter()
        found.wait_until(lambda: boss.ask("GET", "/")[0] == 200)
        yield found


@pytest.fixture
def web(network):
    made = Web(network.homes[0])
    made.enter()
    return made


def write(network, name, code=SCRIPT):
    """Terms of a study with code and a vote, in a folder."""
    folder = network.root / name
    (folder / "trainer").mkdir(parents=True, exist_ok=True)
    (folder / "trainer" / "fit.py").write_text(code)
    (folder / "trainer" / "requirements.txt").write_text("torch==2.4\n")
    (folder / "vote.pdf").write_bytes(PDF)
    named = f'name = "{name}"\nrounds = 1\nmin_peers = 2\ncode = "trainer"\nethics = "vote.pdf"\n'
    (folder / "study.toml").write_text(named)
    return folder / "study.toml"


def propose(network, name):
    """A study of hospital 2, whose documents have come to hospital 1."""
    proposer, here = (Client(network.homes[i].root) for i in (1, 0))
    terms = proposer.propose(write(network, name)).spec
    network.wait_until(lambda: here.documents(name).is_seen)
    return proposer, here, terms


def test_code_is_shown_as_text_and_never_run(network, web):
    propose(network, "shown")
    page = web.page("/studies/shown/documents")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}" in page
    assert "alert(1)</script>" not in page
    assert "<code>torch==2.4</code>" in page
    assert "<code>fit.py</code>" in web.page("/studies/shown")


def test_a_document_is_a_download_that_no_browser_shows(network, web):
    propose(network, "given")
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    headers = {"Cookie": web.cookie, "Host": f"127.0.0.1:{web.port}"}
    connection.request("GET", f"/studies/given/documents/{digest_of(PDF)}", headers=headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, PDF)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="given-ethics.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    connection.close()
    assert web.ask("GET", f"/studies/given/documents/{'a' * 64}")[0] == 404


def test_rest_has_files_texts_and_bytes(network, web):
    propose(network, "asked")
    status, found = web.rest("GET", "/studies/asked/documents")
    code, ethics = found["documents"]
    assert status == 200
    assert [f["name"] for f in code["files"]] == ["fit.py", "requirements.txt"]
    assert (code["requirements"], ethics["media"]) == (["torch==2.4"], "pdf")
    status, found = web.rest("GET", f"/studies/asked/documents/{ethics['digest']}")
    assert base64.b64decode(found["data"]) == PDF
    assert web.rest("GET", f"/studies/asked/documents/{'a' * 64}")[0] == 404


def test_a_stranger_reads_no_document(network):
    propose(network, "closed")
    stranger = Web(network.homes[0])
    for path in ("", f"/{digest_of(PDF)}"):
        assert stranger.ask("GET", f"/studies/closed/documents{path}")[0] == 303
        assert stranger.rest("GET", f"/studies/closed/documents{path}")[0] == 401


def test_changes_are_shown_after_an_amendment(network, web):
    proposer, here, terms = propose(network, "amended")
    here.approve("amended", terms)
    proposer.amend(write(network, "amended", "rate = 0.2\n"))
    network.wait_until(lambda: here.documents("amended").is_seen)
    assert "another one than this hospital last approved" in web.page("/studies/amended")
    page = web.page("/studies/amended/documents")
    assert "<ins>+rate = 0.2</ins>" in page
    assert "<del>-&lt;script&gt;" in page


def test_an_approval_of_what_is_not_here_needs_a_tick(network, web):
    proposer = Client(network.homes[1].root)
    folder = network.root / "unseen"
    folder.mkdir()
    named = f'name = "unseen"\nrounds = 1\nmin_peers = 2\ncode = "{"c" * 64}"\n'
    (folder / "study.toml").write_text(named)
    terms = proposer.propose(folder / "study.toml").spec
    network.wait_until(lambda: web.ask("GET", "/studies/unseen")[0] == 200)
    assert 'name="unseen" value="yes"' in web.page("/studies/unseen")
    said = web.do("study.approve", "/studies/unseen", study="unseen", terms=terms)
    assert "it has not come yet" in said
    web.do("study.approve", "/studies/unseen", study="unseen", terms=terms, unseen="yes")
    assert proposer.study("unseen").study.approved == (2, 1)
