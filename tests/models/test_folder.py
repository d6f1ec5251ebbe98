"""A folder with a model is read as it was written, or refused with one sentence."""

import hashlib
import json
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
from model_tools import ORIGIN, arrays_of, park
from safetensors.numpy import save

from swarmhub import codec
from swarmhub.contract.records import Outcome
from swarmhub.errors import BadInput
from swarmhub.models import document, folder
from swarmhub.models.folder import read_model, write_model

FILES = ["README.md", "model.json", "model.safetensors"]


@pytest.fixture
def exported(tmp_path):
    return park(tmp_path)[0]


@pytest.fixture
def place(tmp_path, exported):
    write_model(tmp_path / "m", exported)
    return tmp_path / "m"


def refused(place):
    """The one sentence with which a folder is refused."""
    with pytest.raises(BadInput) as caught:
        read_model(place)
    said = str(caught.value)
    assert "\n" not in said
    assert said[-1] in ".?"
    return said


def change(place, edit):
    """Edit model.json as its writer could have: with a seal that fits."""
    tree = json.loads((place / "model.json").read_text())
    del tree["seal"]
    edit(tree)
    (place / "model.json").write_bytes(
        document._sealed(("{\n" + "".join(document._lines(tree))).encode())
    )


@pytest.mark.parametrize("recipe", ["logistic", "mlp"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_model_is_read_as_it_was_written(tmp_path, recipe, dtype):
    exported = park(tmp_path, recipe)[0]
    arrays = arrays_of(recipe, len(exported.design.names), dtype=dtype)
    exported = replace(exported, arrays=arrays, versions={"swarmhub": "1"})
    write_model(tmp_path / "m", exported)
    found = read_model(tmp_path / "m")
    for name in ("recipe", "declaration", "origin", "measures", "versions", "architecture"):
        assert getattr(found, name) == getattr(exported, name)
    assert found.design.sources == exported.design.sources
    assert found.design.mean.tobytes() == exported.design.mean.tobytes()
    assert found.design.sd.tobytes() == exported.design.sd.tobytes()
    assert {n: a.tobytes() for n, a in found.arrays.items()} == {
        n: a.tobytes() for n, a in arrays.items()
    }


def test_the_same_model_is_written_as_the_same_bytes(tmp_path, exported, place):
    before = {name: (place / name).read_bytes() for name in FILES}
    write_model(place, exported)
    assert {name: (place / name).read_bytes() for name in FILES} == before
    assert sorted(os.listdir(tmp_path)) == ["m", "training.csv"]  # nothing is left over


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_in_any_file_is_noticed(place, name):
    path = place / name
    whole = path.read_bytes()
    for at in {0, 1, len(whole) // 2, len(whole) - 2, len(whole) - 1, *range(40, len(whole), 97)}:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        refused(place)
    path.write_bytes(whole)
    read_model(place)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"\n"])
def test_a_shorter_or_longer_file_is_noticed(place, name, damage):
    (place / name).write_bytes(damage((place / name).read_bytes()))
    refused(place)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named(place, name):
    (place / name).unlink()
    said = refused(place)
    assert name in said or "found another folder" in said


def test_what_is_no_folder_of_a_model_is_refused(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(save({"weight": np.zeros(3)}))
    (tmp_path / "empty").mkdir()
    assert "found nothing" in refused(tmp_path / "none")
    assert "found a file" in refused(tmp_path / "m.safetensors")
    assert "found another folder" in refused(tmp_path / "empty")
    (tmp_path / "empty" / "model.json").write_text('{"name": "of another program"}')
    assert "names no format" in refused(tmp_path / "empty")


def test_another_format_number_asks_for_an_update(place):
    change(place, lambda tree: tree.update(format=3))
    assert "expected a model of format 2, got 3; update swarmhub" in refused(place)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.update(recipe="forest"), "got 'forest'"),
        (lambda t: t.update(recipe="mlp"), "Expected the arrays of 'mlp'"),
        (lambda t: t["features"].pop(), "Expected the arrays of 'logistic' over 6 features"),
        (lambda t: t["features"].append(dict(t["features"][0])), "each once"),
        (lambda t: t["features"][0].update(mean="nan"), "not usable"),
        (lambda t: t["features"][0].update(mean="1_0.0"), "got '1_0.0'"),
        (lambda t: t["features"][0].update(sd="-1.0"), "not usable"),
        (lambda t: t["features"][0].update(kind="spline"), "expected one of number"),
        (lambda t: t["features"][0].update(column=""), "has no column"),
        (lambda t: t["features"][6].update(column="x", kind="block"), "has no column"),
        (lambda t: t["features"][2].update(category=""), "wrong category"),
        (lambda t: t["features"].reverse(), "numbers, then categories"),
        (lambda t: t["arrays"][0].update(shape=[2]), "are not those that model.json names"),
        (lambda t: t["arrays"][0].update(shape=[1 << 33]), "more than 1 GB"),
        (lambda t: t["arrays"][0].update(shape=[-1]), "impossible shape"),
        (lambda t: t["declaration"]["outcome"].update(kind="continuous", positive=[], negative=[]),
         "Expected a number of training rows for an outcome that is continuous, got 2"),
        (lambda t: t["declaration"]["outcome"].update(kind="time_to_event", time="days"),
         "got one of time_to_event"),
        (lambda t: t["outcome"].update(sd="2.0"), "outcome that is binary, got 0.0 and 2.0"),
        (lambda t: t.update(class_rows=[5, 5, 5]), "binary, got 3"),
        (lambda t: t.update(class_rows=[]), "binary, got 0"),
        (lambda t: t.pop("outcome"), "'outcome' is missing"),
        (lambda t: t["declaration"].update(threshold="2"), "data.threshold"),
        (lambda t: t.update(class_rows=[0, 3]), "not usable"),
        (lambda t: t.update(more=1), "unknown key 'more'"),
        (lambda t: t.pop("origin"), "'origin' is missing"),
        (lambda t: t.update(recipe=[[[[]]]]), "expected str"),
    ],
)  # fmt: skip
def test_a_document_that_makes_no_model_is_refused(place, edit, said):
    change(place, edit)
    assert said in refused(place)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"bias": np.zeros(1), "weight": np.full(7, np.nan)}, "no finite numbers"),
        ({"bias": np.zeros(1), "weight": np.full(7, np.inf)}, "no finite numbers"),
        ({"bias": np.zeros(1), "weight": np.zeros(6)}, "Expected the arrays"),
        ({"bias": np.zeros(1), "weight": np.zeros(7, np.int64)}, "float64 or float32"),
        ({"weight": np.zeros(7)}, "Expected the arrays"),
        ({"bias": np.zeros(1), "weight": np.zeros(7), "more": np.zeros(1)}, "Expected the arrays"),
    ],
)
def test_arrays_that_make_no_model_are_not_written(tmp_path, exported, arrays, said):
    with pytest.raises(BadInput, match=said):
        write_model(tmp_path / "new", replace(exported, arrays=arrays))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_arrays_that_are_not_finite_are_refused(place, value):
    data = save({"bias": np.zeros(1), "weight": np.array([value] * 7)})
    (place / "model.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    change(place, lambda tree: tree["files"].update({"model.safetensors": digest}))
    assert "no finite numbers" in refused(place)


def test_arrays_that_only_training_needs_stay_behind(tmp_path, exported):
    more = {"coupling": np.ones(1), "multiplier": np.zeros(8), "moving": np.ones(1, np.int64)}
    write_model(tmp_path / "new", replace(exported, arrays={**exported.arrays, **more}))
    assert sorted(read_model(tmp_path / "new").arrays) == ["bias", "weight"]


def test_a_file_too_large_is_not_read_into_memory(place, monkeypatch):
    monkeypatch.setattr(folder, "MAX_HEADER", 100)
    (place / "model.safetensors").write_bytes(bytes(10_000))
    assert "Expected at most" in refused(place)


def test_a_pipe_in_place_of_a_file_is_refused(place):
    (place / "README.md").unlink()
    os.mkfifo(place / "README.md")
    assert "found something else" in refused(place)


def test_another_study_s_model_is_overwritten_only_if_told(place, exported):
    other = replace(exported, origin=replace(ORIGIN, study="heart"))
    with pytest.raises(BadInput, match="has the model of the study 'park'"):
        write_model(place, other)
    write_model(place, other, overwrite=True)
    assert read_model(place).origin.study == "heart"


def test_a_damaged_model_is_overwritten_only_if_told(place, exported):
    (place / "README.md").write_text("")
    with pytest.raises(BadInput, match="not overwritten unless told"):
        write_model(place, exported)
    write_model(place, exported, overwrite=True)
    read_model(place)


def test_a_folder_with_other_files_is_never_overwritten(place, exported):
    (place / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match=r"has other files than a model's \('thesis.tex'\)"):
        write_model(place, exported, overwrite=True)
    assert (place / "thesis.tex").read_text() == "years of work"


def test_a_model_appears_as_a_whole_or_not_at_all(tmp_path, exported, monkeypatch):
    def fail(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "write_durably", fail)
    with pytest.raises(OSError, match="No space"):
        write_model(tmp_path / "new", exported)
    assert sorted(os.listdir(tmp_path)) == ["training.csv"]


def test_an_old_model_comes_back_if_the_new_one_cannot_come(place, exported, monkeypatch):
    rename = type(place).rename
    monkeypatch.setattr(
        type(place), "rename",
        lambda self, to: rename(self, to) if self.suffix != ".new" else os.rename("/none", to),
    )  # fmt: skip
    with pytest.raises(OSError, match="No such file"):
        write_model(place, exported)
    assert read_model(place).origin == exported.origin


def test_an_empty_folder_becomes_the_model(tmp_path, exported):
    (tmp_path / "new").mkdir()
    write_model(tmp_path / "new", exported)
    assert sorted(os.listdir(tmp_path / "new")) == FILES
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) & 0o700 == 0o700


def test_the_declaration_is_in_the_document_in_full(place, exported):
    tree = json.loads((place / "model.json").read_text())
    assert tree["declaration"] == codec.to_json(exported.declaration)
    assert tree["declaration"]["outcome"]["positive"] == ["PD"]
    assert tree["features"][0]["column"] == "age"
    assert tree["origin"]["contributors"][0] == {"member": 1, "name": "Ulm", "weight": 300}


def test_the_architecture_changes_with_the_design_not_the_weights(exported):
    more = replace(exported, arrays=arrays_of("logistic", 7, seed=9))
    assert more.architecture == exported.architecture
    design = replace(exported.design, mean=exported.design.mean + 1)
    assert replace(exported, design=design).architecture != exported.architecture
    other = replace(exported.declaration, outcome=Outcome("y", positive=("PD",)))
    assert replace(exported, declaration=other).architecture != exported.architecture
