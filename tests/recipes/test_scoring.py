"""An exported model scores new patients with nothing but its file."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from swarmhub.data import Design, read_table, statistics_of
from swarmhub.errors import BlobError, SwarmhubError
from swarmhub.params.buffer import layout_of
from swarmhub.recipes import KINDS, make_model
from swarmhub.recipes.scoring import KEY, TableModel, describe, describe_if_table, predict_table

ROWS = "".join(f"{k % 2},{40 + k},{'FM'[k % 3 == 0]},{k % 7}.5\n" for k in range(60))


def write(folder, text, name):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def data(tmp_path):
    return write(tmp_path, "y,age,sex,crp\n" + ROWS, "data.csv")


def exported(folder, data, kind="logistic", change=lambda document: None):
    """(file, table, probability) of a model that has seen the data for three rounds."""
    table = read_table(data, "y")
    design = Design.from_statistics(statistics_of(table))
    model, state = make_model(kind, design, 7), {}
    parameters, x = model.initial(), design.matrix(table)
    for _ in range(3):
        parameters, state = model.fit(parameters, x, table.label, state)
    document = json.loads(describe(kind, design)[KEY])
    change(document)
    path = folder / "m.safetensors"
    parameters = {k: np.ascontiguousarray(v) for k, v in parameters.items()}
    save_file(parameters, path, {KEY: json.dumps(document)})
    return path, table, model.predict(parameters, x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_alone_gives_the_models_scores(tmp_path, data, kind):
    path, _, wanted = exported(tmp_path, data, kind)
    rows, notes = predict_table(path, data, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as file:
        found = list(csv.DictReader(file))
    assert (rows, notes) == (60, [])
    assert [r["row"] for r in found] == [str(k) for k in range(1, 61)]
    assert [float(r["probability"]) for r in found] == wanted.tolist()


def test_names_means_and_sds_come_with_the_model(tmp_path, data):
    path, table, _ = exported(tmp_path, data)
    design = TableModel.load(path).design
    assert design.names == ("age", "crp", "sex=F", "sex=M")
    assert design.mean[0] == table.columns["age"].mean()
    assert design.sd[0] == table.columns["age"].std()


def test_scores_carry_the_names_that_a_column_gives(tmp_path, data):
    path = exported(tmp_path, data)[0]
    new = write(tmp_path, "who,sex,crp,age,more\np9,F,1.5,50,<5\np1,M,2.5,51,x\n", "new.csv")
    predict_table(path, new, tmp_path / "s.csv", "who")
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "who,probability"
    assert [line.split(",")[0] for line in lines[1:]] == ["p9", "p1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age,crp\n50,1.5\n", "new.csv lacks 1 of the 3 columns that are needed: 'sex'"),
        ("Age,crp,sex\n50,1.5,F\n", "needed: 'age'; name them as in the study (case counts)"),
        ("age,crp,sex\n50,<5,F\n", "line 2, column 'crp': expected a number"),
        ("age,crp,sex\n", "no rows"),
        ("age,crp,sex\n50,1.5\n", "line 2: expected 3 cells"),
    ],
)
def test_rows_that_cannot_be_scored_are_one_sentence(tmp_path, data, text, said):
    path = exported(tmp_path, data)[0]
    with pytest.raises(SwarmhubError) as caught:
        predict_table(path, write(tmp_path, text, "new.csv"), tmp_path / "s.csv")
    assert said in str(caught.value)
    assert not (tmp_path / "s.csv").exists()


def test_a_category_that_looks_like_a_number_stays_one(tmp_path):
    rows = "".join(f"{k % 2},{k},{'12x'[k % 3]}\n" for k in range(60))
    path = exported(tmp_path, write(tmp_path, "y,a,stage\n" + rows, "d.csv"))[0]
    new = write(tmp_path, "a,stage\n1,1\n2,2\n", "new.csv")
    assert predict_table(path, new, tmp_path / "s.csv")[1] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=2),
        lambda d: d.update(model="forest"),
        lambda d: d.update(features=[]),
        lambda d: d["features"].pop(),
        lambda d: d["features"][0].update(sd=0.0),
        lambda d: d["features"][0].update(mean=float("nan")),
        lambda d: d["features"][0].update(column=3),
        lambda d: d["features"][0].pop("sd"),
        lambda d: d.update(class_rows=[0, 1]),
        lambda d: d.update(class_rows="ab"),
        lambda d: d.update(features=7),
    ],
)
def test_a_damaged_design_is_one_sentence(tmp_path, data, change):
    path = exported(tmp_path, data, change=change)[0]
    with pytest.raises(SwarmhubError, match=r"m\.safetensors: "):
        TableModel.load(path)


def test_a_file_that_is_no_table_model_is_one_sentence(tmp_path, data):
    save_file({"w": np.ones(3)}, tmp_path / "w.safetensors")
    with pytest.raises(SwarmhubError, match="says nothing of its features"):
        TableModel.load(tmp_path / "w.safetensors")
    for wrong in (data, tmp_path / "none"):
        with pytest.raises(BlobError, match="Expected"):
            TableModel.load(wrong)


def test_scores_never_replace_what_they_are_made_of(tmp_path, data):
    path = exported(tmp_path, data)[0]
    for out in (path, data):
        with pytest.raises(SwarmhubError, match="give another --out"):
            predict_table(path, data, out)


def test_only_a_recipes_own_model_is_described(data):
    statistics = statistics_of(read_table(data, "y"))
    design = Design.from_statistics(statistics)
    layout = layout_of(make_model("logistic", design, 0).initial()).digest
    assert describe_if_table("logistic", statistics, layout) == describe("logistic", design)
    assert describe_if_table("mlp", statistics, layout) == {}
    assert describe_if_table("own", statistics, layout) == {}
    assert describe_if_table("logistic", b"{}", layout) == {}
