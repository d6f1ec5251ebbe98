"""The main job as a user starts it: real processes, real data, real TLS, one command."""

import asyncio
import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from long_runs import long_run

from swarmhub import load_model
from swarmhub.home.home import Home
from swarmhub.operations.report.gather import gather

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "swarmhub"]


def swarmhub(*arguments, timeout=120):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )


def processes_of(root):
    """Processes whose command line names the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(root) in text and int(path.parent.name) != os.getpid():
            found.append(text)
    return found


def write_csv(path, header, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "home"
    done = swarmhub("demo", "--json", "--home", root)
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout)


def test_json_is_one_object_with_the_stated_keys(outcome):
    _, found = outcome
    assert set(found) == {
        "nodes", "rounds", "startup_s", "round_s_median", "total_s", "leaders", "auc",
        "model_digest", "model", "report", "ledger", "takeovers", "privacy", "budget",
    }  # fmt: skip
    assert set(found["auc"]) == {"local", "local_mean", "swarm", "central", "own"}
    assert found["nodes"] == 4
    assert 2 <= found["rounds"] <= 20
    assert found["rounds"] == len(found["leaders"])
    assert found["takeovers"] == []


def test_the_swarm_learns_as_well_as_pooled_and_better_than_alone(outcome):
    auc = outcome[1]["auc"]
    assert list(auc["local"]) == ["Cleveland", "Hungary", "Switzerland", "VA Long Beach"]
    assert auc["swarm"] == pytest.approx(auc["central"], abs=0.01)
    assert auc["swarm"] > auc["local_mean"] + 0.02


def test_each_hospital_has_the_swarms_auc_on_its_own_patients(outcome):
    own = outcome[1]["auc"]["own"]
    assert list(own) == ["Cleveland", "Hungary", "Switzerland", "VA Long Beach"]
    for figure in own.values():
        assert figure["low"] < figure["value"] < figure["high"]
    assert sum(figure["patients"] for figure in own.values()) == 275


def test_the_evaluation_is_settled_as_counts(outcome):
    root, _ = outcome
    home = Home.open(next(root.glob("sites/01-*/home")))
    found = asyncio.run(gather(home, "demo"))
    counts = {name: np.array(array) for name, array in found.counts.items()}
    assert counts["swarm/threshold"].sum() == 275
    assert counts["left-out/threshold"].sum() == 275
    for array in (counts["swarm/positive"], counts["swarm/negative"]):
        assert array[array > 0].min() >= 5
    assert found.penalty["strengths"]
    assert all("numpy" in site.software and len(site.data) == 64 for site in found.sites)


@pytest.fixture(scope="module")
def audited(outcome):
    """Cleveland's audit of the demo's model, as JSON, and its home."""
    home = next(outcome[0].glob("sites/01-*/home"))
    data = outcome[0] / "tables" / "cleveland.csv"
    done = swarmhub("privacy", "audit", "demo", "--data", data, "--home", home, "--json")
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout)


def test_the_demos_model_is_attacked_with_own_patients(audited):
    found = audited[1]
    figures = {a["name"]: {f["name"]: f for f in a["figures"]} for a in found["attacks"]}
    assert (found["members"], found["others"], found["is_same_data"]) == (212, 91, True)
    for attack in ("membership by loss", "membership by shadows"):
        assert figures[attack]["auroc"]["low"] < 0.5 < figures[attack]["auroc"]["high"]
    assert figures["inversion of an update"]["contrast"]["low"] > 0.6
    assert figures["site by models without a hospital"]["chance"]["value"] == 0.25
    reasons = {a["name"]: a["reason"] for a in found["attacks"] if a["reason"]}
    assert list(reasons) == ["membership by trajectory"]


def test_an_audit_is_in_the_report_and_in_evidence(audited, tmp_path):
    home, found = audited
    place = tmp_path / "evidence"
    done = swarmhub("evidence", "export", "demo", "--out", place, "--home", home)
    assert done.returncode == 0, done.stderr
    assert json.loads((place / "privacy" / "audit.json").read_bytes()) == found
    report = json.loads((place / "report" / "report.json").read_bytes())
    assert report["leakage"] == found
    assert swarmhub("evidence", "verify", place).returncode == 3


def test_rows_that_were_not_trained_on_are_refused(outcome, audited):
    other = outcome[0] / "tables" / "hungary.csv"
    done = swarmhub("privacy", "audit", "demo", "--data", other, "--home", audited[0])
    assert done.returncode == 2
    assert "are not those that this hospital trained 'demo' on" in " ".join(done.stderr.split())
    assert json.loads((audited[0] / "local/demo/privacy.json").read_bytes()) == audited[1]


def test_leadership_goes_round(outcome):
    assert len(set(outcome[1]["leaders"])) >= 2


def test_nothing_is_left_running(outcome):
    assert processes_of(outcome[0]) == []


def test_an_auditor_can_verify_and_read_the_ledger(outcome):
    _, found = outcome
    done = swarmhub("ledger", "verify", "--file", found["ledger"], "--json")
    assert json.loads(done.stdout)["members"] == list(found["auc"]["local"])
    events = json.loads(swarmhub("ledger", "log", "--file", found["ledger"], "--json").stdout)
    settled = [e["model"] for e in events if e["event"] == "settled"]
    kinds = [e["kind"] for e in settled]
    assert kinds[:2] == ["describe", "sum"]
    assert kinds.count("train") == found["rounds"]
    assert kinds[-1] == "evaluate"
    assert [e["digest"] for e in settled if e["kind"] == "train"][-1] == found["model_digest"]
    votes = [e for e in events if e["event"] == "vote_cast"]
    assert len(votes) == 3
    assert all(e["aye"] for e in votes)


def test_no_patient_is_on_the_ledger(outcome):
    root, found = outcome
    text = Path(found["ledger"]).read_bytes()
    rows = Path(root, "tables", "cleveland.csv").read_text().splitlines()[1:]
    assert rows
    assert not any(row.encode() in text for row in rows)


def test_the_model_is_a_folder_that_predicts(outcome):
    root, found = outcome
    model = load_model(found["model"])
    assert found["model_digest"] in (Path(found["model"]) / "model.json").read_text()
    scores = model.predict(root / "tables" / "cleveland.csv")
    assert len(scores.probability) == 303
    assert 0.3 < scores.probability.mean() < 0.7


def test_the_report_names_each_hospital_and_the_model(outcome):
    _, found = outcome
    page = Path(found["report"]).read_text()
    assert found["model_digest"] in page
    assert all(name in page for name in found["auc"]["own"])
    numbers = json.loads(Path(found["report"]).with_suffix(".json").read_text())
    for hospital in numbers["hospitals"]:
        assert hospital["swarm"]["reason"] == ""
        assert 0.4 < hospital["local"]["value"] <= 1.0
        assert 0.4 < hospital["left_out"]["value"] <= 1.0


def test_every_node_settled_the_same_model(outcome):
    root, found = outcome
    holders = list(root.glob(f"sites/*/home/blobs/{found['model_digest']}.bin"))
    assert len(holders) == 4
    assert len({p.read_bytes() for p in holders}) == 1


@long_run
def test_a_killed_leader_costs_its_round_a_second_and_no_model(tmp_path):
    done = swarmhub("demo", "--json", "--kill-leader", "--home", tmp_path / "d")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (takeover,) = found["takeovers"]
    assert takeover["from"] != takeover["to"]
    assert takeover["term"] >= 1
    assert found["rounds"] == 30
    assert found["auc"]["swarm"] == pytest.approx(found["auc"]["central"], abs=0.03)
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_interrupted_leaves_nothing_running(tmp_path, number):
    root = tmp_path / "d"
    child = subprocess.Popen(
        [*COMMAND, "demo", "--rounds", "500", "--home", str(root)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip  # tests in the background of a shell ignore SIGINT, and so would their children
    end = time.monotonic() + 60
    while len(processes_of(root)) < 9 and time.monotonic() < end:
        time.sleep(0.05)  # four nodes, four trainers and the demo itself
    child.send_signal(number)
    _, errors = child.communicate(timeout=30)
    while processes_of(root) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes_of(root) == []
    assert b"Traceback" not in errors


def is_over(ledger):
    """Whether the demo's study is over, as its ledger has it."""
    done = swarmhub("ledger", "log", "--file", ledger, "--last", 5, "--json")
    return any(event["event"] == "study_ended" for event in json.loads(done.stdout))


def test_a_demo_that_was_stopped_ends_with_the_last_model(tmp_path):
    child = subprocess.Popen(
        [*COMMAND, "demo", "--model", "mlp", "--rounds", "8", "--home", str(tmp_path / "d")],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    next(line for line in child.stdout if " 1/8" in line)
    child.send_signal(signal.SIGSTOP)  # the hospitals go on, and drop the models between
    end = time.monotonic() + 60
    while not is_over(tmp_path / "d" / "ledger.sqlite"):
        assert time.monotonic() < end
    child.send_signal(signal.SIGCONT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    rows = [line.split() for line in said.splitlines() if re.match(r" *[0-9]/8 ", line)]
    assert [row[0] for row in rows] == [f"{k}/8" for k in range(2, 9)]
    assert rows[2][-2] == "–"
    assert float(rows[-1][-2]) > 0.8
    assert re.search(r"[1-9] round\(s\) have no figures of their own", said)


@long_run
def test_two_demos_run_at_once_and_one_directory_runs_one(tmp_path):
    tables = own_tables(tmp_path)
    first = subprocess.Popen(
        [*COMMAND, "demo", "--json", "--rounds", "12", "--home", str(tmp_path / "a"), *tables],
        stdout=subprocess.PIPE,
    )
    end = time.monotonic() + 60
    while not (tmp_path / "a" / "ledger.sqlite").exists() and time.monotonic() < end:
        time.sleep(0.02)
    same = swarmhub("demo", "--home", tmp_path / "a")
    assert same.returncode == 2
    assert "A demo is running in" in same.stderr
    other = swarmhub("demo", "--json", "--rounds", "2", "--home", tmp_path / "b", *tables)
    assert other.returncode == 0, other.stderr
    out, _ = first.communicate(timeout=120)
    assert json.loads(out)["rounds"] >= 2
    again = swarmhub("demo", "--json", "--rounds", "2", "--home", tmp_path / "a", *tables)
    assert again.returncode == 0, again.stderr


# one's own tables


def own_tables(tmp_path, seed=0, rows=60):
    """Three hospitals with columns that differ, gaps, and text."""
    rng = np.random.default_rng(seed)
    arguments = []
    for k, name in enumerate(["North", "South", "West"]):
        label = rng.integers(0, 2, rows)
        age = 50 + 10 * label + rng.normal(0, 8, rows)
        sex = rng.choice(["f", "m"], rows)
        extra = rng.normal(label, 1.0)
        gappy = ["" if rng.random() < 0.2 else f"{v:.3f}" for v in extra]
        header = ["age", "sex", "outcome", *(["marker"] if k else ["other"])]
        body = zip(age.round(2), sex, label, gappy, strict=True)
        path = write_csv(tmp_path / f"{name}.csv", header, body)
        arguments += ["--site", f"{name}={path}"]
    return [*arguments, "--label", "outcome"]


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_own_tables_with_other_columns_gaps_and_text(tmp_path, model):
    done = swarmhub(
        "demo", "--json", "--rounds", "6", "--model", model, "--home", tmp_path / "d",
        *own_tables(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    auc = json.loads(done.stdout)["auc"]
    assert auc["swarm"] == pytest.approx(auc["central"], abs=0.02)
    assert auc["swarm"] > 0.7


def test_a_hospital_with_one_class_only_takes_part(tmp_path):
    rng = np.random.default_rng(1)
    arguments = []
    for name, classes in {"A": [0, 1], "B": [0, 1], "C": [1]}.items():
        label = rng.choice(classes, 40)
        rows = zip(rng.normal(label, 1.0).round(3), label, strict=True)
        path = write_csv(tmp_path / f"{name}.csv", ["x", "y"], rows)
        arguments += ["--site", f"{name}={path}"]
    done = swarmhub("demo", "--json", "--rounds", "4", "--label", "y", "--home", tmp_path / "d",
                    *arguments)  # fmt: skip
    assert done.returncode == 0, done.stderr
    auc = json.loads(done.stdout)["auc"]
    assert auc["local"]["C"] is None
    assert auc["swarm"] == pytest.approx(auc["central"], abs=0.02)


def test_thousands_of_genes_and_tens_of_patients_with_a_test_file(tmp_path):
    rng = np.random.default_rng(2)
    genes = [f"g{i}" for i in range(2000)]
    arguments = []

    def table(name, rows):
        label = rng.integers(0, 2, rows)
        values = rng.normal(0, 1, (rows, len(genes)))
        values[:, :100] += 0.5 * label[:, None]
        body = ([y, *v] for y, v in zip(label, values.round(3), strict=True))
        return write_csv(tmp_path / f"{name}.csv", ["label", *genes], body)

    for name in ("A", "B"):
        arguments += ["--site", f"{name}={table(name, 30)}"]
    done = swarmhub("demo", "--json", "--rounds", "5", "--test", table("test", 60), "--home",
                    tmp_path / "d", *arguments)  # fmt: skip
    assert done.returncode == 0, done.stderr
    auc = json.loads(done.stdout)["auc"]
    assert auc["swarm"] == pytest.approx(auc["central"], abs=0.02)


# bad input: one sentence, exit code 2, nothing left


def check_sentence(done):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(lines) == 1, done.stderr
    assert re.search(r"[.;]", lines[0])
    return lines[0]


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is here")
def test_a_deep_network_without_pytorch_gets_one_sentence(tmp_path):
    done = swarmhub("demo", "--model", "deep", "--home", tmp_path / "d")
    assert "pip install swarmhub[torch]" in check_sentence(done)
    assert not (tmp_path / "d").exists()


@pytest.mark.torch
@pytest.mark.skipif(not os.environ.get("SWARMHUB_LONG"), reason="a longer run: SWARMHUB_LONG=1")
def test_a_deep_network_is_near_all_rows_in_one_place(tmp_path):
    pytest.importorskip("torch")
    done = swarmhub("demo", "--json", "--model", "deep", "--home", tmp_path / "d", timeout=300)
    assert done.returncode == 0, done.stderr
    auc = json.loads(done.stdout)["auc"]
    assert auc["swarm"] == pytest.approx(auc["central"], abs=0.015)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--site", "A=GOOD", "--site", "A=GOOD"], "2 to 24 sites, got 1"),
        (["--site", "A=GOOD"], "2 to 24 sites, got 1"),
        (["--site", "A=GOOD", "--site", "nonsense"], "NAME=FILE"),
        (["--site", "A=GOOD", "--site", "B=/no/such.csv"], "no file /no/such.csv"),
        (["--site", "A=GOOD", "--site", "B=GOOD", "--label", "lable"], "did you mean 'label'"),
        (["--site", "A=GOOD", "--site", "B=RAGGED"], "line 3"),
        (["--site", "A=GOOD", "--site", "B=BINARY"], "UTF-8"),
        (["--site", "A=GOOD", "--site", "B=WORDS"], "one of the study's words"),
        (["--site", "A=GOOD", "--site", "B=GOOD", "--test", "/no/test.csv"], "/no/test.csv"),
        (["--model", "transformer"], "Expected --model logistic or mlp or elastic_net or trees"),
        (["--label", "x"], "--site"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, arguments, words):
    files = {
        "GOOD": "label,x\n0,1\n1,2\n0,3\n1,4\n",
        "RAGGED": "label,x\n0,1\n1,2,3\n",
        "WORDS": "label,x\nill,1\nwell,2\n",
    }
    paths = {"BINARY": tmp_path / "binary.csv"}
    paths["BINARY"].write_bytes(b"label,x\n0,\xff\xfe\n")
    for name, text in files.items():
        paths[name] = tmp_path / f"{name.lower()}.csv"
        paths[name].write_text(text)
    given = [re.sub("GOOD|RAGGED|WORDS|BINARY", lambda m: str(paths[m[0]]), a) for a in arguments]
    done = swarmhub("demo", "--json", "--home", tmp_path / "d", *given)
    assert words in check_sentence(done)
    assert processes_of(tmp_path / "d") == []


def test_a_directory_with_other_things_in_it_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    done = swarmhub("demo", "--json", "--home", tmp_path)
    assert "empty or new directory" in check_sentence(done)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_column_of_another_kind_is_said_before_the_figures(tmp_path):
    sites = []
    for name in "ABC":
        ages = [("old" if i > 60 else "young") if name == "C" else i for i in range(120)]
        rows = [(i % 2, age, i * 7 % 41 + 9 * (i % 2)) for i, age in enumerate(ages)]
        path = tmp_path / f"{name}.csv"
        path.write_text("y,age,bp\n" + "".join(f"{y},{a},{b}\n" for y, a, b in rows))
        sites += ["--site", f"{name}={path}"]
    done = subprocess.run(
        [*COMMAND, "demo", *sites, "--label", "y", "--rounds", "2", "--home", str(tmp_path / "d")],
        capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stdout.splitlines() if "counts as missing" in line]
    assert "C: Column 'age' has numbers in the study and text in this table" in said
    assert done.stdout.index(said) < done.stdout.index("the swarm ")


def test_terms_of_any_outcome_take_the_place_of_the_options(tmp_path):
    rng = np.random.default_rng(3)
    sites = []
    for name, shift in (("A", 0.0), ("B", 9.0)):
        crp = rng.normal(size=(80, 2))
        age = 50 + shift + 6 * crp[:, 0] + rng.normal(size=80)
        rows = [f"{a:.4f},{c:.4f},{d:.4f}" for a, (c, d) in zip(age, crp, strict=True)]
        (tmp_path / f"{name}.csv").write_text("age,crp,esr\n" + "\n".join(rows) + "\n")
        sites += ["--site", f"{name}={tmp_path / name}.csv"]
    terms = tmp_path / "age.toml"
    terms.write_text(
        'name = "age"\noptions = { intercept = "own" }\n[data.outcome]\n'
        'column = "age"\nkind = "continuous"\nunit = "years"\n'
    )
    home = ["--json", "--home", tmp_path / "d"]
    done = swarmhub("demo", "--study", terms, *sites, *home)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["auc"]
    assert found["swarm"] < 1.2  # years; one intercept for both would be off by 4.5
    assert found["central"] > 3.0
    refused = swarmhub("demo", "--study", terms, "--label", "age", *sites)
    assert refused.returncode == 2
    assert "the terms say it" in refused.stderr


@long_run
def test_a_swarm_whose_changes_are_clipped_and_capped_learns_as_well(tmp_path):
    arguments = ("--merge", "clipped_mean", "--max-share", "400")
    done = swarmhub("demo", "--json", *arguments, "--home", tmp_path / "d")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["auc"]["swarm"] == pytest.approx(found["auc"]["central"], abs=0.015)
    events = json.loads(swarmhub("ledger", "log", "--file", found["ledger"], "--json").stdout)
    rules = {e["model"]["rule"] for e in events if e["event"] == "settled" and e["model"]["rule"]}
    assert "clipped_mean" in rules


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--merge", "krum"), "Expected --merge weighted_mean"),
        (("--merge", "trimmed_mean", "--max-share", "250"), "ignores weights"),
        (("--max-share", "0"), "from 1 to 1000"),
        (("--max-share", "250", "--model", "trees"), "Expected no --merge"),
    ],
    ids=str,
)
def test_a_rule_that_the_demo_cannot_have_is_refused(tmp_path, arguments, words):
    done = swarmhub("demo", *arguments, "--home", tmp_path / "d")
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
