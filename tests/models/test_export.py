"""A settled model leaves its node as a folder."""

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from model_tools import DIAGNOSIS, arrays_of, merged_of, text_of, write
from outcome_tools import (
    DEATHS,
    GLUCOSE,
    STAGES,
    cox_for,
    followed_of,
    inputs_of,
    model_for,
    outcomes_of,
)
from typer.testing import CliRunner

import swarmhub
from swarmhub.blobs import BlobStore
from swarmhub.cli.app import app
from swarmhub.contract.records import Model as Settled
from swarmhub.contract.records import Score, Share, Spec, Study
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.models.evaluate import evaluate_files
from swarmhub.models.folder import read_model, write_model
from swarmhub.models.predict import load_model
from swarmhub.operations import models
from swarmhub.params.buffer import buffer_of
from swarmhub.params.chunks import CHUNK_BYTES, ChunkHasher
from swarmhub.recipes.standardise import keep_scales

TRAINING = {"coupling": np.ones(1), "multiplier": np.zeros(8), "moving": np.zeros(1, np.int64)}
LABELLED = text_of().replace("diagnosis", "label").replace("healthy", "0").replace("PD", "1")


def hold(store, data, layout):
    """Put a buffer into a store; its digest."""
    hasher = ChunkHasher(layout)
    for start in range(0, len(data), CHUNK_BYTES):
        hasher.feed(data[start : start + CHUNK_BYTES])
    path = store.incoming()
    path.write_bytes(data)
    return store.adopt(path, hasher.finish())


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "home", "Ulm", "127.0.0.1:7400")


@pytest.fixture
def store(home):
    return BlobStore(home.blobs_path)


def settled(tmp_path, store, arrays=None, spec=None, text=None):
    """The ledger's record of a study that has settled these arrays over a file's statistics."""
    spec = spec or Spec("park", 2, 2, "Voices", statistics=True, data=DIAGNOSIS)
    statistics = merged_of([write(tmp_path, text or text_of(), "t.csv")], spec.data)
    layout, data = buffer_of(arrays or arrays_of("logistic", 7) | TRAINING)
    store.put_layout(layout)
    digest = hold(store, data, layout.digest)
    model = Settled(
        "park", 9, "train", digest, len(data), layout.digest, "", "5" * 64, "mean", 1, 0, 0,
        (Share(1, 40, ""), Share(7, 20, "")), (1,), turn=4,
    )  # fmt: skip
    score = Score(digest, 18, 18, {"auc": 871_234})
    study = Study("park", "5" * 64, 1, "finished", current=model, best=model, best_score=score)
    document = hold(store, statistics, "0" * 64)
    return models.ChosenModel(study, spec, "test-chain", {1: "Ulm"}, model, document)


def refused(home, record, label=""):
    with pytest.raises(BadInput) as caught:
        models.make_exported(home, record, label)
    return str(caught.value)


def test_the_export_has_design_declaration_and_origin(tmp_path, home, store):
    made = models.make_exported(home, settled(tmp_path, store), "")
    write_model(tmp_path / "m", made)
    found = read_model(tmp_path / "m")
    assert found.declaration == DIAGNOSIS
    assert found.design.names[:2] == ("age", "crp")
    assert sorted(found.arrays) == ["bias", "weight"]
    origin = found.origin
    assert (origin.study, origin.title, origin.round, origin.chain) == (
        "park", "Voices", 4, "test-chain",
    )  # fmt: skip
    assert [(c.name, c.weight) for c in origin.contributors] == [("Ulm", 40), ("member 7", 20)]
    assert [(m.name, m.value, m.samples) for m in found.measures] == [("auc", "0.8712", 18)]
    assert set(found.versions) == {"swarmhub", "numpy", "python"}


def test_the_card_is_for_a_clinician(tmp_path, home, store):
    write_model(tmp_path / "m", models.make_exported(home, settled(tmp_path, store), ""))
    card = (tmp_path / "m" / "README.md").read_text()
    for said in (
        "do not use it for the care of patients", "'diagnosis' of a patient is 'PD'",
        "30 with 'PD', 30 with 'healthy'", "Ulm: 40 rows", "auc 0.8712 on 18 rows",
        "swarmhub predict m --data NEW.csv", "swarmhub evaluate m --data", "sex (F, M)",
        "has to be recalibrated",
    ):  # fmt: skip
        assert said in card


def test_strangers_words_are_no_markup_in_the_card(tmp_path, home, store):
    record = settled(tmp_path, store)
    hostile = replace(record, names={1: "<script>`x`\n# Safe for care"})
    write_model(tmp_path / "m", models.make_exported(home, hostile, ""))
    card = (tmp_path / "m" / "README.md").read_text()
    assert "\n# Safe" not in card
    assert "<script" not in card.replace("\\<", "")


def test_a_study_without_a_declaration_means_a_label(tmp_path, home, store):
    spec = Spec("park", 2, 2, statistics=True)
    record = settled(tmp_path, store, spec=spec, text=LABELLED)
    assert models.make_exported(home, record, "").declaration.outcome.column == "label"
    made = models.make_exported(home, record, "y")
    assert made.declaration.outcome.column == "y"
    assert (made.positive, made.negative) == ("1", "0")


def test_a_label_that_contradicts_the_study_is_refused(tmp_path, home, store):
    record = settled(tmp_path, store)
    assert models.make_exported(home, record, "diagnosis").recipe == "logistic"
    assert "declares 'diagnosis' for --label, got 'y'" in refused(home, record, "y")


def test_a_model_that_is_no_recipe_s_is_refused(tmp_path, home, store):
    record = settled(tmp_path, store, arrays={"w": np.zeros(3)})
    said = refused(home, record)
    assert "Expected the arrays of 'logistic' over 7 features" in said
    assert "'swarmhub node export' writes its arrays alone" in said
    no_statistics = replace(record, statistics="")
    assert "merges no statistics" in refused(home, no_statistics)
    assert "are not held here" in refused(home, replace(record, statistics="e" * 64))


def test_another_recipe_than_the_arrays_is_refused(tmp_path, home, store):
    spec = Spec("park", 2, 2, statistics=True, data=DIAGNOSIS, options={"model": "mlp"})
    assert "Expected the arrays of 'mlp'" in refused(home, settled(tmp_path, store, spec=spec))
    record = settled(tmp_path, store, arrays_of("mlp", 7) | {"moving": np.ones(1)}, spec)
    assert models.make_exported(home, record, "").recipe == "mlp"


def table_of(declaration):
    """A model's arrays and a hospital's table, as text, for an outcome."""
    if declaration is DIAGNOSIS:
        return None, None
    model = cox_for() if declaration is DEATHS else model_for(declaration)
    columns = followed_of(model) if declaration is DEATHS else inputs_of(80)
    if declaration is not DEATHS:
        columns[declaration.outcome.column] = outcomes_of(declaration, 80)
    return dict(model.exported.arrays), pd.DataFrame(columns).to_csv(index=False)


def test_a_study_of_times_has_their_recipe_by_itself(tmp_path, home, store):
    spec = Spec("park", 2, 2, statistics=True, data=DEATHS)
    arrays, text = table_of(DEATHS)
    made = models.make_exported(home, settled(tmp_path, store, arrays, spec, text), "")
    assert (made.recipe, made.method) == ("cox", "Cox regression")
    assert made.response == cox_for().exported.response
    del arrays["hazard"]
    record = settled(tmp_path, store, arrays, spec, text)
    assert "Expected the arrays of 'cox' over 4 features" in refused(home, record)


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        (DIAGNOSIS, "it gives the probability that 'diagnosis' is 'PD'."),
        (STAGES, "it gives the probability of each of 3 classes of 'stage'."),
        (GLUCOSE, "it gives the value of 'glucose' in mmol/l."),
        (DEATHS, "it gives the risk that 'dead' is 'yes' by "),
    ],
)
def test_the_command_says_what_a_model_gives(tmp_path, home, store, monkeypatch, declaration, said):
    spec = Spec("park", 2, 2, statistics=True, data=declaration)
    ledger(monkeypatch, settled(tmp_path, store, table_of(declaration)[0], spec,
                                table_of(declaration)[1]))  # fmt: skip
    command = ["model", "export", "park", "--out", str(tmp_path / "m"), "--home", str(home.root)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert said in done.output
    tree = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    outcome = declaration.outcome
    assert (tree["kind"], tree["positive"]) == (outcome.kind, "".join(outcome.positive))


def test_a_model_that_is_not_held_is_refused(tmp_path, home, store):
    record = settled(tmp_path, store)
    store.path(record.model.digest).unlink()
    assert "is not held here" in refused(home, record)


def test_a_model_that_was_overwritten_meanwhile_is_refused(tmp_path, store):
    record = settled(tmp_path, store)
    layout = store.layout(record.model.layout)
    path = store.path(record.model.digest)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(models.BlobError, match="gave way to a newer one"):
        models._read_arrays(store, record.model.digest, layout)


def test_raw_arrays_are_exported_as_before(tmp_path, home, store, monkeypatch):
    record = settled(tmp_path, store)
    ledger(monkeypatch, record)
    made = asyncio.run(models.export(home, "park", tmp_path / "m.safetensors"))
    assert (made.study, made.digest, made.round) == ("park", record.model.digest, 4)
    assert (tmp_path / "m.safetensors").stat().st_size > 0


def ledger(monkeypatch, record):
    """Let the ledger have this record."""

    @contextlib.asynccontextmanager
    async def open_client(home):
        yield None

    monkeypatch.setattr(models, "open_client", open_client)
    monkeypatch.setattr(models, "choose_model", lambda *_, **__: record)


def test_the_command_writes_a_folder_that_predicts(tmp_path, home, store, monkeypatch):
    ledger(monkeypatch, settled(tmp_path, store))
    command = ["model", "export", "park", "--out", str(tmp_path / "m"), "--home", str(home.root)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert f"Next: 'swarmhub predict {tmp_path / 'm'}" in done.output.replace("\n", "")
    again = CliRunner().invoke(app, [*command, "--json"])
    assert json.loads(again.stdout)["positive"] == "PD"
    assert sorted(os.listdir(tmp_path / "m")) == ["README.md", "model.json", "model.safetensors"]
    assert load_model(tmp_path / "m").predict(tmp_path / "t.csv").notes == ()


def test_the_client_writes_the_same_folder(tmp_path, home, store, monkeypatch):
    record = settled(tmp_path, store)
    ledger(monkeypatch, record)
    made = swarmhub.Client(home.root).export_model("park", tmp_path / "m")
    assert (made.features, made.recipe, made.digest) == (7, "logistic", record.model.digest)
    assert read_model(tmp_path / "m").architecture == made.architecture


def test_nothing_is_written_if_onnx_is_not_installed(tmp_path, home, store, monkeypatch):
    ledger(monkeypatch, settled(tmp_path, store))
    monkeypatch.setitem(sys.modules, "onnx", None)
    target = models.Target(tmp_path / "m", onnx=tmp_path / "m.onnx")
    with pytest.raises(BadInput, match="pip install"):
        swarmhub.Client(home.root).export_model("park", target)
    assert not (tmp_path / "m").exists()


def test_onnx_is_written_beside_and_says_what_it_lacks(tmp_path, home, store, monkeypatch):
    pytest.importorskip("onnx")
    ledger(monkeypatch, settled(tmp_path, store))
    target = models.Target(tmp_path / "m", best=True, onnx=tmp_path / "m.onnx")
    made = swarmhub.Client(home.root).export_model("park", target)
    assert "carries no transforms" in made.notes[0]
    assert (tmp_path / "m.onnx").exists()


# numbers that each hospital has standardised with its own mean

STANDARDISED = Spec("park", 2, 2, "Voices", statistics=True, data=DIAGNOSIS,
                    options={"standardise": "own"})  # fmt: skip


def exported(tmp_path, home, store):
    """The model as this hospital exports it, read again."""
    made = models.make_exported(home, settled(tmp_path, store, spec=STANDARDISED), "")
    write_model(tmp_path / "m", made, overwrite=True)
    return load_model(tmp_path / "m"), (tmp_path / "m" / "README.md").read_text()


def test_a_hospital_s_own_means_go_with_its_model(tmp_path, home, store):
    keep_scales(home.local_path("park"), {"age": (60.0, 1 / 3)})
    model, card = exported(tmp_path, home, store)
    design, origin = model.design, model.exported.origin
    assert (design.names[0], design.mean[0], design.sd[0]) == ("age", 60.0, 1 / 3)
    assert (origin.standardise, origin.scale, design.owner) == ("own", "Ulm", "Ulm")
    table = write(tmp_path, "age,sex,crp,stage\n60,F,,I\n", "new.csv")
    scores = model.predict(table)
    x = np.array([[0.0, 0.0, *model.design.matrix(model.read(table).dataset)[0, 2:]]])
    margin = x @ model.exported.arrays["weight"] + model.exported.arrays["bias"]
    np.testing.assert_allclose(scores.probability, 1 / (1 + np.exp(-margin)))
    said = "Numbers are standardised with mean and standard deviation of Ulm"
    assert scores.notes[0].startswith(said)
    assert "the copy that it has exported itself" in scores.notes[0]
    assert scores.notes[1] == "Column 'crp' is empty in 1 of 1 rows: the mean of Ulm counts."
    assert said in card
    assert "counts as the mean of the training patients of Ulm" in card
    assert "each hospital's numbers were standardised with its own mean" in card
    evaluated = evaluate_files(model, tmp_path / "t.csv")
    assert evaluated.notes[0] == scores.notes[0]


def test_a_hospital_that_has_not_trained_gets_the_means_of_all(tmp_path, home, store):
    model, card = exported(tmp_path, home, store)
    pooled = models.make_exported(home, settled(tmp_path, store), "")
    np.testing.assert_array_equal(model.design.mean, pooled.design.mean)
    assert (model.exported.origin.scale, model.design.owner) == ("", "")
    (said,) = model.exported.notes
    assert "this copy has the mean of all hospitals" in said
    assert said in card
    assert model.predict(tmp_path / "t.csv").notes == (said,)


def test_own_means_of_a_study_that_pools_are_left_alone(tmp_path, home, store):
    keep_scales(home.local_path("park"), {"age": (60.0, 3.0)})
    made = models.make_exported(home, settled(tmp_path, store), "")
    assert made.design.mean[0] != 60.0
    assert (made.notes, made.origin.standardise) == ((), "pooled")


def test_own_means_of_another_study_are_refused(tmp_path, home, store):
    keep_scales(home.local_path("park"), {"height": (170.0, 9.0)})
    said = refused(home, settled(tmp_path, store, spec=STANDARDISED))
    assert "standardise.json; remove the file" in said


def test_a_hospital_s_name_is_no_markup_in_the_card_of_its_means(tmp_path, home, store):
    keep_scales(home.local_path("park"), {"age": (60.0, 3.0)})
    made = models.make_exported(home, settled(tmp_path, store, spec=STANDARDISED), "")
    hostile = "<b>\n# Safe"
    made = replace(made, origin=replace(made.origin, scale=hostile),
                   design=replace(made.design, owner=hostile))  # fmt: skip
    write_model(tmp_path / "m", made)
    card = (tmp_path / "m" / "README.md").read_text()
    assert "\n# Safe" not in card
    assert "<b" not in card.replace("\\<", "")
