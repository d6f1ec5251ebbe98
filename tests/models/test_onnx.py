"""The same model in ONNX, checked with onnxruntime."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from model_tools import model_of, park, wide_design
from outcome_tools import DEATHS, GLUCOSE, SEXES, STAGES, cox_for, inputs_of, model_for

from swarmhub.data.dataset import Block, Dataset
from swarmhub.data.design import Design, Source
from swarmhub.errors import BadInput
from swarmhub.models.onnx import export_onnx
from swarmhub.models.predict import Model

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run_all(path, features):
    """The outputs of an ONNX file, by name, for inputs by name, each (n,)."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {name: np.asarray(v, dtype=np.float64)[:, None] for name, v in features.items()}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def run(path, features):
    """The one output of an ONNX file for inputs by name, each (n,)."""
    (found,) = run_all(path, features).values()
    return found


@pytest.mark.parametrize("recipe", ["logistic", "mlp"])
def test_a_runtime_gives_the_model_s_probabilities(tmp_path, recipe):
    exported, path = park(tmp_path, recipe)
    model = Model(exported)
    said = export_onnx(model, tmp_path / "m.onnx")
    data = model.read(path).dataset
    columns = dict(zip(data.features, data.x.T, strict=True))
    for source in exported.design.sources:
        if source.category:
            texts = data.categories[source.column].texts()
            columns[source.name] = [float(t == source.category) for t in texts]
    found = run(tmp_path / "m.onnx", columns)
    np.testing.assert_allclose(found, model.score(data), rtol=0, atol=1e-13)
    assert "it carries no transforms" in said


FLAGS = Design(
    (Source("number", "lab/crp"), Source("number", "lab/il6"), Source("category", "lab/sex", "F"),
     Source("missing", "lab/crp"), Source("missing", "lab/sex"), Source("block", "lab")),
    np.arange(6.0) / 10, np.full(6, 0.4), (5, 5),
)  # fmt: skip


@pytest.mark.parametrize("recipe", ["logistic", "mlp"])
def test_missing_values_and_blocks_are_found_in_the_graph(tmp_path, recipe):
    from swarmhub.data.frames import Words

    x = np.array([[1.0, 2.0], [np.nan, 2.0], [np.nan, np.nan], [np.nan, np.nan], [99.0, -99.0]])
    sex = ["F", "M", "F", None, None]
    block = (Block("lab", 0, 2),)
    data = Dataset(x, ("lab/crp", "lab/il6"), block, {"lab/sex": Words.of(sex)})
    model = model_of(FLAGS, recipe=recipe)
    export_onnx(model, tmp_path / "m.onnx")
    one_hot = [np.nan if s is None else float(s == "F") for s in sex]
    given = {"lab/crp": x[:, 0], "lab/il6": x[:, 1], "lab/sex=F": one_hot}
    found = run(tmp_path / "m.onnx", given)
    np.testing.assert_allclose(found, model.score(data), rtol=0, atol=1e-13)


@pytest.mark.parametrize("declaration", [SEXES, STAGES])
def test_a_runtime_gives_the_probabilities_of_classes(tmp_path, declaration):
    model, columns = model_for(declaration), inputs_of(200)
    columns["f1"][::5] = np.nan
    export_onnx(model, tmp_path / "m.onnx")
    found, wanted = run_all(tmp_path / "m.onnx", columns), model.predict(columns)
    assert list(found) == ["probabilities", "class"]
    np.testing.assert_allclose(found["probabilities"], wanted.probabilities, rtol=0, atol=1e-13)
    assert found["class"].tolist() == wanted.most_probable.tolist()
    facts = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(facts["classes"]) == list(declaration.outcome.classes)
    assert "threshold" not in facts


def test_a_runtime_takes_the_first_of_equal_classes(tmp_path):
    exported = model_for(STAGES).exported
    equal = {"weight": np.zeros((3, 4)), "bias": np.array([0.0, 1.0, 1.0])}
    export_onnx(Model(replace(exported, arrays=equal)), tmp_path / "m.onnx")
    assert run_all(tmp_path / "m.onnx", inputs_of(2))["class"].tolist() == [1, 1]


def test_a_runtime_gives_the_values_of_a_continuous_outcome(tmp_path):
    model, columns = model_for(GLUCOSE), inputs_of(200)
    columns["f1"][::5] = np.nan
    export_onnx(model, tmp_path / "m.onnx")
    found = run_all(tmp_path / "m.onnx", columns)
    wanted = model.predict(columns).values
    np.testing.assert_allclose(found["value"], wanted, rtol=0, atol=1e-13)
    facts = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert (facts["outcome"], facts["unit"]) == ("continuous", "mmol/l")


def test_a_runtime_gives_the_risks_of_an_event(tmp_path):
    outcome = replace(DEATHS.outcome, horizon="187.5")
    model, columns = cox_for(replace(DEATHS, outcome=outcome)), inputs_of(200)
    columns["f1"][::5] = np.nan
    export_onnx(model, tmp_path / "m.onnx")
    found, wanted = run_all(tmp_path / "m.onnx", columns), model.predict(columns)
    assert list(found) == ["risk", "log_hazard"]
    np.testing.assert_allclose(found["risk"], wanted.risk, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found["log_hazard"], wanted.log_hazard, rtol=0, atol=1e-13)
    facts = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert (facts["outcome"], facts["event"]) == ("time_to_event", "yes")
    assert (facts["horizon"], facts["unit"]) == ("180", "days")


def test_a_runtime_bounds_hazards_as_the_model_does(tmp_path):
    far = cox_for(weight=np.array([1e100, 0.0, 0.0, 0.0]))
    export_onnx(far, tmp_path / "m.onnx")
    found = run_all(tmp_path / "m.onnx", {f"f{k}": [60.0, 40.0] for k in range(4)})
    assert found["log_hazard"].tolist() == [20.0, -20.0]


def test_the_file_says_its_origin_and_what_it_lacks(tmp_path):
    model = Model(park(tmp_path)[0])
    export_onnx(model, tmp_path / "m.onnx")
    made = onnx.load(tmp_path / "m.onnx")
    facts = {p.key: p.value for p in made.metadata_props}
    assert facts["study"] == "park"
    assert facts["positive"] == "PD"
    assert facts["digest"] == model.exported.origin.digest
    assert "no transforms" in made.doc_string
    assert [i.name for i in made.graph.input][:3] == ["age", "crp", "sex=F"]


def test_names_of_features_never_meet_those_of_the_graph(tmp_path):
    names = ("probability", "swarmhub:0", "swarmhub:constant 0")
    design = Design(tuple(Source("number", n) for n in names), np.zeros(3), np.ones(3), (5, 5))
    model = model_of(design)
    export_onnx(model, tmp_path / "m.onnx")
    found = run(tmp_path / "m.onnx", {n: [1.0, 2.0] for n in names})
    data = Dataset(np.array([[1.0] * 3, [2.0] * 3]), names)
    np.testing.assert_allclose(found, model.score(data), rtol=0, atol=1e-13)


def test_a_thousand_inputs_are_no_burden(tmp_path):
    model = model_of(wide_design(1000))
    export_onnx(model, tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(50, 10, (20, 1000))
    given = {f"f{k:04d}": x[:, k] for k in range(1000)}
    wanted = model.score(Dataset(x, tuple(given)))
    np.testing.assert_allclose(run(tmp_path / "m.onnx", given), wanted, rtol=0, atol=1e-12)


def test_without_the_package_the_command_to_install_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BadInput, match=r"pip install swarmhub\[onnx\]"):
        export_onnx(Model(park(tmp_path)[0]), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
