"""Writing a report: two whole files, and every number of the page with its conditions."""

import asyncio
import dataclasses
import json
import math

import pytest
from reports import HOSTILE, reported, site
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.operations.report import contents, write
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.kinds.binary import contents as two
from swarmhub.operations.report.write import STEPS, to_json, write_report

FIELDS = {
    "Report": "title hospital conditions outcome swarm left_out hospitals metric "
    "learning penalty features dropped own findings terms contributions "
    "whole tripod_ai probast_ai leakage budget form",
    "Conditions": "study chain terms recipe method model layout rounds settled_ms threshold "
    "test_fraction split min_count results privacy is_private",
    "Measured": "name value low high support method reason is_descriptive",
    "Evaluated": "model patients rows figures reason",
    "Contributed": "hospital value is_shapley",
    "Hospital": "name trained tested swarm left_out local curve took_part software data",
}
OF_TWO = {
    "ReportOfTwo": "within subgroups curves", "EvaluatedTwo": "positives negatives cells",
    "HospitalOfTwo": "positives", "PredictedTwo": "positive negative positives",
}  # fmt: skip


@pytest.fixture
def gathered(monkeypatch):
    """Let `write_report` find a report made by hand; the test may change it."""
    found = {"report": reported()}

    async def gather(home, study):
        return found["report"]

    monkeypatch.setattr(write, "gather", gather)
    return found


def made(out, **more):
    return asyncio.run(write_report(None, "aml", out, **more))


def test_both_files_are_written_and_steps_are_told(gathered, tmp_path):
    told = []
    written = made(tmp_path / "aml.html", tell=told.append)
    assert told == list(STEPS)
    assert written.page == str(tmp_path / "aml.html")
    assert (tmp_path / "aml.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "aml.json").read_text()) == json.loads(
        json.dumps(to_json(reported()))
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["aml.html", "aml.json"]


def test_a_report_is_replaced_and_another_file_is_not(gathered, tmp_path):
    made(tmp_path / "aml.html")
    (tmp_path / "aml.json").write_text('{"form": "swarmhub/report/1"}')
    made(tmp_path / "aml.html")
    (tmp_path / "aml.json").write_text('{"patients": []}')
    with pytest.raises(BadInput, match="is no report;"):
        made(tmp_path / "aml.html")
    assert (tmp_path / "aml.json").read_text() == '{"patients": []}'


@pytest.mark.parametrize("name", ["aml.txt", "missing/aml.html"])
def test_a_path_that_cannot_be_used_is_refused(gathered, tmp_path, name):
    with pytest.raises(BadInput, match=r"Expected an \.html file|There is no folder"):
        made(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_half_a_surrogate_pair_is_written(gathered, tmp_path):
    gathered["report"] = reported(sites=(site("A\ud800"),), terms=[("now", "\udfff")])
    made(tmp_path / "aml.html")
    assert json.loads((tmp_path / "aml.json").read_text())["hospitals"][0]["name"] == "A\ud800"
    assert "\ud800" not in (tmp_path / "aml.html").read_text()


@pytest.mark.parametrize("record", sorted(FIELDS))
def test_the_shape_of_the_json_is_that_of_its_form(record):
    fields = [f.name for f in dataclasses.fields(getattr(contents, record))]
    assert fields == FIELDS[record].split()
    assert contents.FORM == "swarmhub/report/4"  # another shape needs another number


@pytest.mark.parametrize("record", sorted(OF_TWO))
def test_two_classes_add_to_the_shape_of_the_json(record):
    own, base = (
        dataclasses.fields(c) for c in (getattr(two, record), getattr(two, record).__base__)
    )
    assert [f.name for f in own[len(base) :]] == OF_TWO[record].split()


def test_every_figure_has_its_conditions():
    tree = to_json(reported())
    conditions = tree["conditions"]
    assert (conditions["model"], conditions["layout"]) == ("a" * 64, "b" * 64)
    assert (conditions["terms"], conditions["threshold"]) == ("5" * 64, 0.4)
    assert conditions["test_fraction"] == "0.3"
    assert conditions["results"] == {"evaluation": "e" * 64}
    assert [h["data"] for h in tree["hospitals"]] == ["d" * 64] * 2
    figures = [f for e in (tree["swarm"], tree["left_out"]) for f in e["figures"]]
    assert all(f["value"] is None or f["support"] for f in figures)
    assert all(f["low"] is None or f["method"] for f in figures)


def test_numbers_are_json_and_reasons_take_their_place():
    tree = json.loads(json.dumps(to_json(reported(counts={})), allow_nan=False))
    assert tree["swarm"]["figures"] == []
    assert "no counts" in tree["swarm"]["reason"]
    hospital = tree["hospitals"][1]
    assert (hospital["tested"], hospital["positives"]) == (None, None)
    assert hospital["swarm"]["reason"]
    assert not any(math.isnan(v) for v in tree["learning"])


def test_names_are_whole_in_the_json():
    assert compose(reported(title=HOSTILE)).title == HOSTILE


def test_the_command_prints_the_paths_as_json(gathered, tmp_path):
    home = Home.create(tmp_path / "h", "A", "127.0.0.1:7400", ledger=str(tmp_path / "l.sqlite"))
    out = tmp_path / "aml.html"
    command = ["report", "aml", "--out", str(out), "--home", str(home.root), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "study": "aml", "page": str(out), "data": str(tmp_path / "aml.json"),
    }  # fmt: skip
