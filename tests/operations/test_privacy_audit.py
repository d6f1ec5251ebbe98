"""An audit of privacy at one hospital: its conditions, its file, its place in the report."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
from reports import HOSTILE, Page, reported
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Figure
from swarmhub.operations.privacy_audit.contents import Audit
from swarmhub.operations.privacy_audit.held import Held
from swarmhub.operations.privacy_audit.kept import export_audit, keep_audit, read_audit
from swarmhub.operations.privacy_audit.known import attack_loss, attack_trajectory
from swarmhub.operations.privacy_audit.updates import attack_contribution, attack_update
from swarmhub.operations.privacy_audit.words import LOSS, SENTENCES, SITE, describe, give_up
from swarmhub.operations.report.page import render


def audit(**changes):
    attacks = (describe(LOSS, {"auroc": Figure(0.5, 0.4, 0.6, 90)}), give_up(SITE, "Nobody left."))
    usual = Audit(
        "aml", "chain-1", "Aldmoor", "a" * 64, "5" * 64, 3, "logistic", "plain", 60, 30, 90, True,
        1, 5, "0.1.0", attacks,
    )  # fmt: skip
    return dataclasses.replace(usual, **changes)


def home_in(root):
    return SimpleNamespace(local_path=lambda study: root / study, root=root)


def part(patients):
    return SimpleNamespace(count_patients=lambda: patients, rows=patients)


def held(members=60, others=30, kind="binary", recipe="logistic", masked=False, dp=None):
    """What an audit attacks, as far as it is looked at before an attack runs."""
    outcome = SimpleNamespace(kind=kind, classes=())
    prepared = SimpleNamespace(
        training=part(members), held=part(others) if others else None,
        schema=SimpleNamespace(outcome=outcome),
    )  # fmt: skip
    privacy = SimpleNamespace(masked=masked, dp=dp)
    spec = SimpleNamespace(options={"model": recipe}, privacy=privacy, data=None)
    return Held(None, None, SimpleNamespace(spec=spec), None, prepared, ("one",), True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"members": 30, "others": 19}, "got 30 and 19: too few"),
        ({"members": 300, "others": 9}, "got 300 and 9: too few"),
        ({"others": 0}, "got 60 and 0: too few"),
        ({"kind": "time_to_event", "recipe": "cox"}, "'cox' has no loss of one record."),
    ],
)
def test_what_cannot_run_is_said(given, said):
    found = attack_loss(held(**given))
    assert found.figures == ()
    assert said in found.reason


def test_one_model_has_no_trajectory():
    assert "one settled model" in attack_trajectory(held()).reason


@pytest.mark.parametrize("attack", [attack_update, attack_contribution])
def test_updates_are_of_plain_linear_studies(attack):
    assert "linear recipes only" in attack(held(recipe="trees")).reason
    assert "masked" in attack(held(recipe="deep", masked=True)).reason
    assert "with noise" in attack(held(dp="a budget")).reason


def test_an_audit_is_kept_and_read_again(tmp_path):
    home = home_in(tmp_path)
    keep_audit(home, audit())
    assert read_audit(home, "aml") == audit()
    assert read_audit(home, "other") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"attacks": 3}', '{"attacks": [{"figures": [{}]}]}', "null"]
)
def test_a_damaged_file_is_no_audit(tmp_path, text):
    (tmp_path / "aml").mkdir()
    (tmp_path / "aml" / "privacy.json").write_text(text)
    assert read_audit(home_in(tmp_path), "aml") is None


def test_another_form_is_no_audit(tmp_path):
    keep_audit(home_in(tmp_path), audit(form="swarmhub/privacy-audit/99"))
    assert read_audit(home_in(tmp_path), "aml") is None


def test_a_copy_never_replaces_the_data(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("x")
    with pytest.raises(BadInput):
        export_audit(audit(), data, [data])
    export_audit(audit(), tmp_path / "copy.json", [data])
    assert json.loads((tmp_path / "copy.json").read_text())["members"] == 60
    assert data.read_text() == "x"


def test_the_report_shows_figures_and_reasons():
    text = Page(render(reported(leakage=audit()))).text
    assert "60 that it was trained on, 30 set aside" in text
    assert "0.400 to 0.600" in text
    assert "Not run: Nobody left." in text
    assert SENTENCES[LOSS][2] in text
    assert "Not measured here" in Page(render(reported())).text


def test_the_report_names_an_audit_of_another_model():
    text = Page(render(reported(leakage=audit(model="b" * 64)))).text
    assert "another one than that of this report" in text


def test_the_report_believes_no_text_of_an_audit():
    page = render(reported(leakage=audit(hospital=HOSTILE, attacks=(give_up(SITE, HOSTILE),))))
    assert "<script>" not in page


def test_a_home_that_is_none_is_one_sentence(tmp_path):
    given = ["privacy", "audit", "aml", "--data", str(tmp_path / "x.csv"), "--home", str(tmp_path)]
    done = CliRunner().invoke(app, given)
    assert "Expected a node's home" in str(done.exception)
