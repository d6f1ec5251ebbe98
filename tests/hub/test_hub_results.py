"""Results of a study that a person takes along: evidence, models, external validations."""

import asyncio
import io
import json
import os
import re
import time
import zipfile
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from markers import TERMS, write_table
from swarm import Network, swarmhub
from web_client import Web

from swarmhub.contract.consortium.motions import get_motions
from swarmhub.hub.context import users_of
from swarmhub.models.predict import load_model
from swarmhub.operations import members, studies
from swarmhub.operations.acting import read_acts
from swarmhub.operations.evidence.verify import verify_evidence
from swarmhub.operations.studies import parse_spec

pytestmark = pytest.mark.process
KIND = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Hospitals 1 and 2 have trained 'markers'; the third is not enrolled."""
    with Network(tmp_path_factory.mktemp("results"), 3) as found:
        for i in (1, 3):
            home = found.homes[i - 1]
            data = home.root / "data"
            data.mkdir()
            write_table(data / "later.csv", 10 + i)
            write_table(data / "earlier.csv", 20 + i)
            write_table(data / "trained.csv", i)
            home.config = replace(home.config, hub_data=str(data))
            home.write_config()
        for i in (1, 2, 3):
            found.up(i, SWARMHUB_HUB="off" if i == 2 else "on")
        spec = parse_spec(TERMS.replace("rounds = 10", "rounds = 3"), "the terms")
        found.open_study(spec, members=(1, 2), samples=80)
        for i in (1, 2):
            write_table(found.root / f"{i}.csv", i)
            words = ["-m", "swarmhub", "train", "table", "markers", "--data"]
            found.train(i, [*words, str(found.root / f"{i}.csv")])
        for i in (1, 3):
            found.wait_until(found.homes[i - 1].run_path("hub.json").exists)
            for name, roles in (("vera", ()), ("rosa", ("researcher",))):
                users_of(found.homes[i - 1]).add(name, roles)
        found.wait_until(lambda: found.study("markers").status == "finished", 180)
        yield found


@pytest.fixture
def enter(network):
    def enter(user, i=1):
        made = Web(network.homes[i - 1])
        made.enter(user)
        network.wait_until(lambda: made.ask("GET", "/studies/markers")[0] == 200)
        return made

    return enter


@pytest.fixture(autouse=True)
def _nothing_lies_there(network):
    for name in lying(network):
        network.homes[0].run_path("downloads").joinpath(name).unlink()


@pytest.fixture
def robot(network):
    made = Web(network.homes[0])
    made.token = users_of(network.homes[0]).add_token("rosa")
    return made


def unpack(data, folder):
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    (inner,) = folder.iterdir()
    return inner


def lying(network, i=1):
    """The files that wait to be fetched."""
    return [p.name for p in network.homes[i - 1].run_path("downloads").glob("*")]


def test_evidence_is_a_download_that_proves_itself(enter, network, tmp_path):
    rosa = enter("rosa")
    assert 'action="/do/evidence.export"' in rosa.page("/studies/markers")
    form = urlencode({"csrf": rosa.csrf(), "next": "/", "study": "markers"})
    status, headers, data = rosa.fetch("POST", "/do/evidence.export", form, **KIND)
    assert (status, headers["Content-Type"]) == (200, "application/zip")
    assert headers["Content-Disposition"] == 'attachment; filename="markers-evidence.zip"'
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    found = verify_evidence(unpack(data, tmp_path), "")
    assert (found.study, found.signed_by) == ("markers", "Hospital 1")
    assert lying(network) == []
    acted = read_acts(network.homes[0], "markers")[-1]
    assert (acted.person, acted.kind) == ("rosa", "evidence.export")


def test_a_download_of_rest_is_given_once(robot, network, tmp_path):
    model = network.study("markers").current.digest
    asked = {"study": "markers", "model": model[:10]}
    status, made = robot.rest("POST", "/acts/model.export", asked)
    assert (status, made["digest"], lying(network)) == (200, model, [made["download"]["name"]])
    path = f"/api/v1/downloads/{made['download']['name']}"
    status, _, data = robot.fetch("GET", path)
    assert (status, len(data)) == (200, made["download"]["nbytes"])
    assert load_model(unpack(data, tmp_path)).exported.architecture == made["architecture"]
    status, said = robot.rest("GET", path.removeprefix("/api/v1"))
    assert (status, said["error"][:20]) == (404, "There is no download")
    assert lying(network) == []


@pytest.mark.parametrize("name", ["..%2f..%2fnode.toml", "x", f"{'0' * 32}-a.zip", "%00", "a%2Fb"])
def test_a_download_is_no_other_file(robot, name):
    assert robot.rest("GET", f"/downloads/{name}")[0] == 404


def test_a_model_is_evaluated_on_own_patients(enter, network, tmp_path):
    rosa, model = enter("rosa"), network.study("markers").current.digest
    page = rosa.page(f"/studies/markers/validation?model={model}")
    assert re.findall(r"<option>([^<]+)", page)[:2] == ["earlier.csv", "later.csv"]
    given = {"study": "markers", "model": model, "file": "later.csv", "earlier": "earlier.csv"}
    form = urlencode({"csrf": rosa.csrf(), "next": "/", **given})
    status, _, text = rosa.ask("POST", "/do/model.evaluate", form, **KIND)
    assert (status, "not released" in text, "Drift" in text) == (200, True, True), text
    name = re.search(r'href="/downloads/([^"]+)"', text)[1]
    kept = unpack(rosa.fetch("GET", f"/downloads/{name}")[2], tmp_path)
    tree = json.loads((kept / "validation.json").read_text())
    auc = tree["figures"]["auc"]
    shown = f'<td class="n">{auc["value"]:.3f}</td><td class="n">{auc["low"]:.3f} –'
    assert shown in text
    assert sorted(p.name for p in kept.iterdir()) == [
        "counts.json", "validation.html", "validation.json",
    ]  # fmt: skip


def test_rest_and_the_command_give_the_same_figures(robot, network, tmp_path):
    data = network.homes[0].root / "data" / "later.csv"
    model = network.study("markers").best.digest
    given = {"study": "markers", "model": model, "file": "later.csv"}
    status, found = robot.rest("POST", "/acts/model.evaluate", given)
    home = ["--home", network.homes[0].root]
    done = swarmhub("model", "export", "markers", "--model", model, "--out", tmp_path / "m", *home)
    assert (status, done.returncode) == (200, 0), done.stderr
    said = json.loads(swarmhub("evaluate", tmp_path / "m", "--data", data, "--json").stdout)
    figures = {f.pop("name"): f for f in found["figures"]}
    assert (figures, found["data"], found["model"]) == (said["figures"], said["data"], model)


def test_a_model_is_attacked_with_the_patients_it_saw(enter, network):
    rosa, model = enter("rosa"), network.study("markers").current.digest
    assert "<option>trained.csv" in rosa.page(f"/studies/markers/privacy?model={model}")
    given = {"study": "markers", "model": model, "file": "trained.csv"}
    form = urlencode({"csrf": rosa.csrf(), "next": "/", **given})
    status, _, text = rosa.ask("POST", "/do/privacy.audit", form, **KIND)
    assert (status, "membership by loss" in text) == (200, True), text
    acted = read_acts(network.homes[0], "markers")[-1]
    assert (acted.person, acted.kind, acted.tx) == ("rosa", "privacy.audit", model)


@pytest.mark.parametrize("file", ["later.csv", "../node.toml", ""])
def test_other_files_than_the_trainers_are_refused(robot, network, file):
    given = {"study": "markers", "model": network.study("markers").current.digest, "file": file}
    status, said = robot.rest("POST", "/acts/privacy.audit", given)
    assert status in (404, 409), said
    assert re.match("The rows in later|There is no file|Expected the file", said["error"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"file": "../node.toml"}, "There is no file"),
        ({"file": ""}, "There is no file"),
        ({"file": "later.csv", "model": "f" * 64}, "Expected the beginning of the digest"),
        ({"file": "later.csv", "joined": "later.csv"}, "is in later.csv and later.csv"),
        ({"file": "later.csv", "study": "none"}, "There is no study"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(robot, network, given, words):
    whole = {"study": "markers", "model": network.study("markers").current.digest, **given}
    status, said = robot.rest("POST", "/acts/model.evaluate", whole)
    assert status in (404, 409), said
    assert words in said["error"]
    assert lying(network) == []


def test_a_viewer_takes_nothing_along(enter, network):
    vera = enter("vera")
    page = vera.page("/studies/markers")
    for act in ("evidence.export", "model.export"):
        assert act not in page
        form = urlencode({"csrf": vera.csrf(), "next": "/", "study": "markers", "model": "0"})
        assert vera.ask("POST", f"/do/{act}", form, **KIND)[0] == 403
    pages = ("/studies/markers/validation", "/studies/markers/privacy")
    for path in (*pages, f"/downloads/{'0' * 32}-markers-model.zip"):
        assert vera.ask("GET", path)[0] == 403
    assert lying(network) == []


def test_a_model_that_is_not_released_is_for_the_enrolled(enter, network):
    rosa = enter("rosa", 3)
    assert "no model here that this hospital may" in rosa.page("/studies/markers/validation")
    given = {"study": "markers", "model": network.study("markers").current.digest}
    said = rosa.do("model.export", "/studies/markers", **given)
    assert "only the hospitals that are enrolled may use it" in said


def test_what_nobody_fetches_goes(robot, network):
    status, made = robot.rest("POST", "/acts/evidence.export", {"study": "markers"})
    folder = network.homes[0].run_path("downloads")
    old = time.time() - 3700
    os.utime(folder / made["download"]["name"], (old, old))
    again = robot.rest("POST", "/acts/evidence.export", {"study": "markers"})[1]
    assert (status, lying(network)) == (200, [again["download"]["name"]])
    robot.fetch("GET", f"/api/v1/downloads/{again['download']['name']}")
    assert lying(network) == []


def release(network, model):
    """Both enrolled hospitals vote for it."""
    one, two = network.homes[:2]
    if not asyncio.run(studies.release(one, "markers", model)).released:
        (motion,) = network.read(get_motions)
        asyncio.run(members.vote(two, motion.id, True))


def test_a_released_model_is_evaluated_elsewhere(enter, robot, network):
    rosa, model = enter("rosa", 3), network.study("markers").current.digest
    made = robot.rest("POST", "/acts/model.export", {"study": "markers", "model": model})[1]
    data = robot.fetch("GET", f"/api/v1/downloads/{made['download']['name']}")[2]
    zipfile.ZipFile(io.BytesIO(data)).extractall(network.homes[2].root / "data")
    assert "<option>markers-model" in rosa.page("/studies/markers/validation")
    given = {"study": "markers", "folder": "markers-model", "file": "later.csv"}
    said = rosa.do("model.evaluate", "/studies/markers/validation", **given)
    assert "only the hospitals that are enrolled may use it" in said
    release(network, model)
    text = rosa.do("model.evaluate", **given)
    assert re.search(r"AUC</th><td class=\"n\">0\.\d{3}</td>", text)
    assert "Not looked for" not in text  # the study's own figures came with the model
