"""The hub in Chromium: three hospitals find, vote, propose, amend, approve, watch and release.

Needs Chromium (a system package) and playwright; without them the tests fail in CI, which sets
SWARMHUB_BROWSER, and are skipped elsewhere.
"""

import json
import os
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from markers import TERMS, write_table
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.contract.records import STUDY
from swarmhub.demo.processes import free_address
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.hub.context import users_of
from swarmhub.hub.process import make_link
from swarmhub.operations.evidence.verify import verify_evidence

pytestmark = [pytest.mark.process, pytest.mark.browser]

PICTURES = Path(__file__).parents[2] / "docs" / "assets" / "hub"
CHROMIUM = os.environ.get("SWARMHUB_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run"]  # fmt: skip
ROLES = {"rosa": ("researcher",), "otto": ("owner",), "ada": ("administrator",), "vera": ()}
ADDER = [PROGRAMS / "add_one.py", "--study", "long", "--pause", "0.3"]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not os.path.exists(CHROMIUM):
        if os.environ.get("SWARMHUB_BROWSER"):
            pytest.fail(f"Expected Chromium at {CHROMIUM}; install the system package.")
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


class Apart(Network):
    """Reads the ledger in a thread of its own: playwright has an event loop in this one."""

    def read(self, look):
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(super().read, look).result()

    def open_study(self, *given, **options):
        with ThreadPoolExecutor(1) as apart:
            apart.submit(super().open_study, *given, **options).result()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with Apart(tmp_path_factory.mktemp("browser"), 3) as found:
        data = found.root / "data"
        data.mkdir()
        for name, seed in (("patients-2025.csv", 21), ("patients-2026.csv", 22)):
            write_table(data / name, seed)
        home = found.homes[0]
        home.config = replace(home.config, hub_data=str(data))
        home.write_config()
        for i in (1, 2, 3):
            found.up(i, SWARMHUB_HUB="on")
        for home in found.homes:
            found.wait_until(home.run_path("hub.json").exists)
            for name, roles in ROLES.items():
                users_of(home).add(name, roles)
        yield found


class Person:
    """A user of a hospital's hub in a browser of their own."""

    def __init__(self, browser, home, user, **options):
        self.context = browser.new_context(**{"locale": "en-GB", **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.asked, self.said = [], []
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.on("console", lambda m: self.said.append(m.text))
        link = make_link(home, user=user)
        self.root = link[: link.index("/link/")]
        self.page.goto(link)
        self.page.goto(self.root + "/")

    def go(self, path):
        self.page.goto(self.root + path)
        return self.page

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def text(self):
        return self.page.inner_text("main")


@pytest.fixture
def person(browser, network):
    made = []

    def enter(i, user, **options):
        made.append(Person(browser, network.homes[i - 1], user, **options))
        return made[-1]

    yield enter
    for one in made:
        strangers = {u for u in one.asked if not u.startswith((one.root, "data:", "blob:"))}
        assert strangers == set()  # no request leaves the machine
        refused = [t for t in one.said if "Content Security Policy" in t or "Content-Security" in t]
        assert refused == []
        one.context.close()


def picture(person, name, at="main"):
    """Compare a page with its picture in the guide: its headings, columns, buttons and fields. With
    SWARMHUB_PICTURES=1 the picture is made."""
    outline = person.page.evaluate(
        """() => [...document.querySelectorAll('main h1, main h2, main th[scope=col], main button, '
             + 'main summary, main label')].map(e => e.tagName + ' '
             + (e.firstChild?.textContent ?? '').trim())"""
    )
    made, kept = PICTURES / f"{name}.png", PICTURES / f"{name}.json"
    if os.environ.get("SWARMHUB_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        person.page.set_viewport_size({"width": 1100, "height": 760})
        person.page.evaluate("at => document.querySelector(at).scrollIntoView()", at)
        person.page.screenshot(path=made)
        kept.write_text(json.dumps(outline, indent=1, ensure_ascii=False) + "\n")
    assert made.exists(), "SWARMHUB_PICTURES=1 makes it"
    assert outline == json.loads(kept.read_text()), f"{name} has changed: SWARMHUB_PICTURES=1"


def propose(rosa, terms):
    rosa.go("/studies/new")
    rosa.page.get_by_label("Terms").fill(terms)
    rosa.press("Read them back in words")
    assert "Do four markers tell who is ill?" in rosa.text()
    rosa.press("Sign and propose")
    rosa.page.wait_for_url("**/studies/markers")


def test_a_study_from_its_proposal_to_its_report(person, network, tmp_path):
    rosa = person(1, "rosa")
    propose(rosa, TERMS)
    # an owner of another hospital finds it on the first page, refuses it, and later approves
    otto2 = person(2, "otto")
    otto2.page.wait_for_selector("text=Studies to approve or refuse")
    picture(otto2, "today")
    otto2.page.get_by_role("link", name="Do four markers tell who is ill?").click()
    assert "What would leave this hospital" in otto2.text()
    otto2.page.get_by_label("Reason (all members can read it)").fill("the ethics board has not met")
    otto2.press("Refuse")
    assert "Refused" in otto2.text()
    assert network.study("markers").refused == (2,)
    rosa.go("/studies/markers")
    assert "the ethics board has not met" in rosa.text()
    otto2.press("Approve these terms")
    otto3 = person(3, "otto")
    otto3.go("/studies/markers")
    otto3.press("Approve these terms")
    for i, otto in ((1, person(1, "otto")), (2, otto2), (3, otto3)):
        otto.go("/studies/markers")
        otto.page.get_by_label("Training samples here, at most").fill("80")
        otto.press("Enrol")
        assert "This hospital takes part" in otto.text(), i
    vera = person(3, "vera")
    vera.go("/studies/markers")
    assert vera.page.get_by_role("button", name="Withdraw", exact=True).count() == 0
    assert "A data owner of this hospital decides this." in vera.text()
    rosa.go("/studies/markers")
    rosa.press("Start the study")
    for i in (1, 2, 3):
        write_table(tmp_path / f"{i}.csv", i)
        network.train(i, ["-m", "swarmhub", "train", "table", "markers", "--data",
                          str(tmp_path / f"{i}.csv")])  # fmt: skip
    # the page that is open shows rounds as they are settled, without being loaded again
    loaded = rosa.page.evaluate("performance.timeOrigin")
    rosa.page.wait_for_selector("#live td >> text=training", timeout=120_000)
    assert rosa.page.evaluate("performance.timeOrigin") == loaded
    network.wait_until(lambda: network.study("markers").status == "finished", 180)
    rosa.page.wait_for_selector("text=finished")
    rosa.page.wait_for_selector("#live figure svg")
    rosa.page.wait_for_selector("#result caption")
    picture(rosa, "study", at="#rounds")
    rosa.page.get_by_role("link", name="Report").click()
    rosa.page.wait_for_selector("text=How good it is")
    assert rosa.page.evaluate("document.styleSheets.length") == 1
    # an owner moves to release the model, the others vote
    otto2.go("/studies/markers")
    otto2.page.get_by_text("Move to release the newest model…").click()
    otto2.press("Move to release the newest model")
    assert "with this hospital's vote" in otto2.text()
    for i in (1, 3):
        ada = person(i, "ada")
        if "Motions to vote on" in ada.text():
            ada.press("Vote for it")
    assert len(network.study("markers").released) == 1

    take_along(rosa, tmp_path)


def take_along(rosa, folder):
    """A researcher takes along evidence and model, and evaluates the model on own patients."""
    rosa.go("/studies/markers")
    for name, file in (("Download the evidence", "evidence"), ("Download", "model")):
        with rosa.page.expect_download() as coming:
            rosa.press(name)
        coming.value.save_as(folder / f"{file}.zip")
        assert coming.value.suggested_filename == f"markers-{file}.zip"
    zipfile.ZipFile(folder / "evidence.zip").extractall(folder)
    assert verify_evidence(folder / "markers-evidence", "").study == "markers"
    rosa.go("/studies/markers")
    rosa.page.get_by_role("link", name="Evaluate with own patients").first.click()
    picture(rosa, "validation")
    rosa.page.get_by_label("Data file of this hospital").select_option("patients-2026.csv")
    rosa.page.get_by_label("Earlier patients").select_option("patients-2025.csv")
    rosa.press("Evaluate")
    rosa.page.wait_for_selector("text=Figures on these patients")
    picture(rosa, "validated")
    with rosa.page.expect_download() as coming:
        rosa.page.get_by_role("link", name="Keep as a file").click()
    coming.value.save_as(folder / "validation.zip")
    with zipfile.ZipFile(folder / "validation.zip") as kept:
        assert "markers-validation/validation.json" in kept.namelist()


def test_a_hospital_that_is_away_is_named_with_its_reason(person, network):
    network.open_study(make_spec("long", rounds=60, quorum_grace_ms=1500))
    for i in (1, 2, 3):
        network.train(i, ADDER, name="adder")
    vera = person(1, "vera")
    vera.go("/studies/long")
    vera.page.wait_for_selector("#live td >> text=training", timeout=60_000)
    network.children.kill("adder 3")
    network.children.kill("node 3")
    vera.page.wait_for_selector(
        "#live >> text=Hospital 3: did not contribute before the round went on", timeout=60_000
    )
    network.up(3, SWARMHUB_HUB="on")
    network.train(3, ADDER, name="adder")
    network.wait_until(lambda: network.study("long").status == "finished", 180)
    vera.go("/ledger?q=settles&study=long")
    assert "Entries" in vera.text()


def test_a_newcomer_is_invited_and_voted_in(person, network):
    ada = person(1, "ada")
    ada.go("/members")
    ada.page.get_by_label("Valid for days").fill("3")
    ada.press("Make an invitation")
    token = ada.page.get_by_label("Invitation").input_value()
    home = Home.create(network.root / "new", "Newcomer", free_address(),
                       ledger=str(network.root / "ledger.sqlite"))  # fmt: skip
    done = swarmhub("consortium", "apply", token, "--home", str(home.root))
    assert done.returncode == 0, done.stderr
    for i in (1, 2, 3):
        one = person(i, "ada")
        if "admit 'Newcomer'" in one.text():
            one.press("Vote for it")
    ada.go("/members")
    assert "Newcomer" in ada.text()
    picture(ada, "members")
    assert make_card(home).account[:32] in ada.text()


def test_pages_are_for_keyboards_and_screen_readers(person, network):
    pytest.importorskip("axe_playwright_python")
    axe = files("axe_playwright_python") / "axe.min.js"
    rosa = person(1, "rosa")
    for path in ("/", "/studies", "/studies/new", "/members", "/ledger", "/node", "/me"):
        rosa.go(path)
        rosa.page.evaluate(axe.read_text())
        found = json.loads(rosa.page.evaluate("axe.run().then(r => JSON.stringify(r.violations))"))
        serious = [f"{path}: {v['id']}" for v in found if v["impact"] in ("serious", "critical")]
        assert serious == []
        rosa.page.keyboard.press("Tab")
        assert rosa.page.evaluate("document.activeElement.className") == "skip"


def test_german_pages_fit_a_narrow_screen(person, network):
    network.open_study(make_spec("narrow", min_peers=3))
    rosa = person(1, "rosa", locale="de-DE", viewport={"width": 400, "height": 800})
    for path in ("/", "/studies", "/studies/narrow", "/studies/new", "/members", "/ledger",
                 "/node", "/me"):  # fmt: skip
        rosa.go(path)
        assert rosa.page.evaluate("document.documentElement.lang") == "de"
        assert rosa.page.evaluate("document.documentElement.scrollWidth") == 400, path
        labels = rosa.page.eval_on_selector_all(
            "button, nav a", "all => all.filter(e => e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).display != 'inline').map(e => e.textContent)",
        )  # fmt: skip
        assert labels == [], path


def test_a_strangers_page_in_the_same_browser_can_do_nothing(person, network):
    rosa = person(1, "rosa")
    before = len(network.read(lambda s: s.values))
    page = rosa.context.new_page()
    page.route("http://stranger.test/**", lambda route: route.fulfill(
        body="<h1>stranger</h1>", content_type="text/html"))  # fmt: skip
    page.goto("http://stranger.test/")
    page.evaluate(
        """root => {
            const form = document.createElement('form');
            form.method = 'post'; form.action = root + '/do/study.finish';
            form.innerHTML = '<input name=study value=markers><input name=csrf value=x>';
            document.body.append(form); form.submit();
        }""",
        rosa.root,
    )
    page.wait_for_load_state()
    assert "Log in" in page.inner_text("body") or "nothing was done" in page.inner_text("body")
    page.goto("http://stranger.test/")
    answer = page.evaluate(
        "root => fetch(root + '/api/v1/studies', {credentials: 'include'})"
        ".then(a => a.status, e => 'blocked')",
        rosa.root,
    )
    assert answer in ("blocked", 401, 403)
    framed = rosa.context.new_page()
    framed.route("http://stranger.test/**", lambda route: route.fulfill(
        body=f"<iframe src='{rosa.root}/'></iframe>", content_type="text/html"))  # fmt: skip
    framed.goto("http://stranger.test/")
    framed.wait_for_timeout(500)
    assert not any("What needs you" in re.sub(r"\s+", " ", f.content())
                   for f in framed.frames if f != framed.main_frame)  # fmt: skip
    assert len(network.read(lambda s: s.values)) == before
    assert network.read(lambda s: STUDY.get(s, "nothing")) is None
