"""Deep networks as exported models: predictions and ONNX without PyTorch."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from long_runs import choose
from model_tools import DIAGNOSIS, ORIGIN, wide_design
from outcome_tools import GLUCOSE, STAGES

import swarmhub
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design, Source
from swarmhub.errors import BadInput
from swarmhub.models import layers
from swarmhub.models.exported import ExportedModel
from swarmhub.models.folder import write_model
from swarmhub.models.onnx import export_onnx
from swarmhub.models.predict import Model
from swarmhub.recipes.neural.cnn import start_images
from swarmhub.recipes.neural.pixels import Grid
from swarmhub.recipes.neural.start import start_dense

PROGRAM = Path(__file__).parent / "programs" / "print_scores.py"
KINDS = {
    "binary": (DIAGNOSIS, 1, (50, 50), (0.0, 1.0)),
    "classes": (STAGES, 3, (30, 30, 40), (0.0, 1.0)),
    "continuous": (GLUCOSE, 1, (100,), (6.0, 2.0)),
}


def shake(arrays, seed=1):
    """Arrays with biases that are not 0."""
    rng = np.random.default_rng(seed)
    return {n: a + rng.normal(0, 0.1, a.shape).astype(np.float32) for n, a in arrays.items()}


def dense_model(kind="binary", features=9, widths=(16, 8)):
    declaration, outputs, rows, scale = KINDS[kind]
    design = replace(wide_design(features), class_rows=rows, outcome=scale)
    arrays = shake(start_dense((features, *widths, outputs), 5))
    return Model(ExportedModel("deep", declaration, design, arrays, ORIGIN))


def image_design(height, width, rows, scale, others=("age",)):
    names = [f"px_{y:03}_{x:03}_0" for y, x in np.ndindex(height, width) if (y, x) != (2, 1)]
    sources = tuple(Source("number", name) for name in (*others, *names))
    return Design(sources, np.full(len(sources), 0.5), np.full(len(sources), 0.25), rows, scale)


def image_model(kind="binary", side=10):
    declaration, outputs, rows, scale = KINDS[kind]
    design = image_design(side, side + 1, rows, scale)
    arrays = shake(start_images(Grid.of(design.sources), outputs, 5))
    return Model(ExportedModel("cnn", declaration, design, arrays, ORIGIN))


MODELS = {"deep": dense_model, "cnn": image_model}


def rows_for(model, count=30, seed=0):
    """Rows within four standard deviations, and their standardised values."""
    design = model.design
    x = np.random.default_rng(seed).normal(design.mean, design.sd, (count, len(design.sources)))
    dataset = Dataset(x, tuple(s.column for s in design.sources))
    return dataset, design.matrix(dataset)


def convolve_slowly(image, weight, bias):
    """(c, h, w), (d, c, 3, 3), (d,) -> (d, h, w), by SciPy."""
    signal = pytest.importorskip("scipy.signal")
    return np.array([
        bias[d] + sum(signal.correlate2d(image[c], weight[d, c], "same")
                      for c in range(len(image)))
        for d in range(len(weight))
    ])  # fmt: skip


def run_slowly(arrays, row):
    """The margins (e,) of one row of dense layers."""
    units = row
    for k in range(1, 9):
        if f"dense{k}.weight" in arrays:
            units = np.maximum(units @ arrays[f"dense{k}.weight"] + arrays[f"dense{k}.bias"], 0)
    return units @ arrays["output.weight"] + arrays["output.bias"]


def margins_of(model, x):
    exported = model.exported
    architecture = swarmhub.models.architecture.need_architecture(exported.recipe, model.design)
    return architecture.score(exported.arrays, x)


@pytest.mark.parametrize("kind", KINDS)
def test_margins_of_dense_layers_are_those_of_matrix_products(kind):
    model = dense_model(kind, widths=(30, 20, 10))
    _, x = rows_for(model)
    wide = {n: a.astype(np.float64) for n, a in model.exported.arrays.items()}
    wanted = np.array([run_slowly(wide, row) for row in x]).T
    np.testing.assert_allclose(margins_of(model, x), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_margins_of_images_are_those_of_scipy_s_correlation(kind):
    model = image_model(kind)
    _, x = rows_for(model, 4)
    wide = {n: a.astype(np.float64) for n, a in model.exported.arrays.items()}
    grid = Grid.of(model.design.sources)
    wanted = []
    for image, others in zip(*grid.lay_out(x), strict=True):
        for k in (1, 2):
            image = np.maximum(
                convolve_slowly(image, wide[f"conv{k}.weight"], wide[f"conv{k}.bias"]), 0
            )
            c, h, w = image.shape
            inside = image[:, : h // 2 * 2, : w // 2 * 2]
            image = inside.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))
        wanted.append(run_slowly(wide, np.concatenate([image.ravel(), others])))
    np.testing.assert_allclose(margins_of(model, x), np.array(wanted).T, rtol=0, atol=1e-13)


@pytest.mark.parametrize("recipe", MODELS)
def test_the_bits_of_a_row_do_not_depend_on_the_others(recipe, monkeypatch):
    model = MODELS[recipe]()
    dataset, x = rows_for(model)
    whole = margins_of(model, x)
    alone = np.concatenate([margins_of(model, x[k : k + 1]) for k in range(len(x))], axis=1)
    assert alone.tobytes() == whole.tobytes()
    monkeypatch.setattr(layers, "AT_ONCE", 700)
    assert margins_of(model, x).tobytes() == whole.tobytes()
    assert len(np.unique(model.score(dataset))) == len(x)


@pytest.mark.process
@pytest.mark.parametrize("recipe", choose(MODELS, 1))
def test_another_processor_gives_the_same_bits(tmp_path, recipe):
    model = MODELS[recipe]()
    write_model(tmp_path / "m", model.exported)
    dataset, _ = rows_for(model, 200)
    lines = [",".join(dataset.features), *(",".join(map(repr, row)) for row in dataset.x.tolist())]
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")

    def scores(**variables):
        command = [sys.executable, str(PROGRAM), str(tmp_path / "m"), str(tmp_path / "new.csv")]
        environment = {**os.environ, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    wanted = scores()
    assert len(set(wanted.splitlines())) > 150
    for kernel in ("Prescott", "Haswell"):
        assert scores(OPENBLAS_CORETYPE=kernel) == wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", MODELS)
def test_the_folder_gives_the_same_bits_without_pytorch(tmp_path, monkeypatch, recipe, kind):
    model = MODELS[recipe](kind)
    monkeypatch.setitem(sys.modules, "torch", None)
    write_model(tmp_path / "m", model.exported)
    loaded = swarmhub.load_model(tmp_path / "m")
    dataset, _ = rows_for(model)
    assert loaded.score(dataset).tobytes() == model.score(dataset).tobytes()
    assert "network" in (tmp_path / "m" / "README.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", MODELS)
def test_a_runtime_gives_the_same_predictions(tmp_path, recipe, kind):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = MODELS[recipe](kind)
    export_onnx(model, tmp_path / "m.onnx")
    dataset, _ = rows_for(model)
    dataset.x[::7, 3] = np.nan
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    given = {n: x[:, None] for n, x in zip(dataset.features, dataset.x.T, strict=True)}
    found = session.run(None, given)[0]
    near = 1e-13 if recipe == "deep" else 1e-5  # convolutions are in float32
    np.testing.assert_allclose(found, model.score(dataset), rtol=0, atol=near)


def test_an_image_without_other_features_can_be_written_as_onnx(tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    design = image_design(16, 17, (9, 9), (0.0, 1.0), others=())
    arrays = shake(start_images(Grid.of(design.sources), 1, 5))
    model = Model(ExportedModel("cnn", DIAGNOSIS, design, arrays, ORIGIN))
    export_onnx(model, tmp_path / "m.onnx")
    dataset, _ = rows_for(model)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    given = {n: x[:, None] for n, x in zip(dataset.features, dataset.x.T, strict=True)}
    np.testing.assert_allclose(session.run(None, given)[0], model.score(dataset), rtol=0, atol=1e-5)


# arrays from anywhere


def refused(model, **arrays):
    kept = {n: a for n, a in (dict(model.exported.arrays) | arrays).items() if a is not None}
    with pytest.raises(BadInput) as caught:
        replace(model.exported, arrays=kept).check()
    return str(caught.value)


def of(*shape, value=0.0):
    return np.full(shape, value, dtype=np.float32)


def test_arrays_that_are_no_such_network_are_refused():
    model = dense_model()
    assert "Expected the arrays of 'deep' over 9 features" in refused(
        model, **{"dense2.bias": None}
    )
    assert "Expected the arrays of 'deep'" in refused(model, **{"dense4.bias": of(3)})
    assert "Expected the arrays of 'deep'" in refused(model, **{"output.bias": of(2)})
    assert "Expected the arrays of 'deep'" in refused(model, **{"dense1.bias": of()})
    assert "Expected the arrays of 'deep'" in refused(model, **{"conv1.bias": of(3)})
    assert "no finite numbers" in refused(model, **{"dense1.bias": of(16, value=np.nan)})
    assert "training has diverged" in refused(model, **{"dense1.bias": of(16, value=2e6)})
    empty = {"dense2.bias": of(0), "dense2.weight": of(16, 0), "output.weight": of(0, 1)}
    assert "1 to 4096 units" in refused(model, **empty)


def test_arrays_that_do_not_fit_the_image_are_refused():
    model = image_model()
    assert "Expected the arrays of 'cnn'" in refused(model, **{"conv1.weight": of(16, 2, 3, 3)})
    assert "Expected the arrays of 'cnn'" in refused(model, **{"dense1.weight": of(128, 64)})
    assert "Expected the arrays of 'cnn'" in refused(model, **{"conv1.bias": None})
    deep = {f"conv{k}.bias": of(1) for k in range(1, 7)}
    assert "cannot be pooled so often" in refused(model, **deep)
    other = replace(model.exported, design=replace(wide_design(9), class_rows=(50, 50)))
    with pytest.raises(BadInput, match="Expected images for the model 'cnn'"):
        other.check()


@pytest.mark.parametrize("recipe", MODELS)
def test_the_largest_weights_give_finite_predictions(recipe):
    model = MODELS[recipe]()
    huge = {n: np.full_like(a, 1e6) for n, a in model.exported.arrays.items()}
    exported = replace(model.exported, arrays=huge)
    exported.check()
    dataset, _ = rows_for(model)
    assert np.isfinite(Model(exported).score(dataset)).all()
