"""The arrays of trees: their margins by hand, refusals, and the same model in ONNX."""

from dataclasses import replace

import numpy as np
import pytest
from model_tools import DIAGNOSIS, ORIGIN, predict, wide_design
from outcome_tools import GLUCOSE, STAGES, inputs_of, model_for

from swarmhub.data.design import Design, Source
from swarmhub.errors import BadInput
from swarmhub.models.architecture import check_arrays
from swarmhub.models.exported import ExportedModel
from swarmhub.models.folder import read_model, write_model
from swarmhub.models.predict import Model
from swarmhub.models.trees import add_trees

FOUR = Design(tuple(Source("number", f"x{k}") for k in range(4)), np.zeros(4), np.ones(4), (5, 5))


def draw_trees(features, outputs=1, trees=7, depth=3, seed=0):
    """Trees with random splits and leaves."""
    rng = np.random.default_rng(seed)
    nodes = (trees, outputs, 2**depth - 1)
    return {
        "feature": rng.integers(0, features, nodes).astype(np.float64),
        "threshold": rng.normal(size=nodes),
        "leaf": rng.normal(size=(trees, outputs, 2**depth)),
    }


def follow(arrays, x):
    """Margins of one row, (e,), node by node."""
    trees, outputs, leaves = arrays["leaf"].shape
    found = [0.0] * outputs
    for t in range(trees):
        for k in range(outputs):
            node = 0
            while node < leaves - 1:
                goes_left = x[int(arrays["feature"][t, k, node])] <= arrays["threshold"][t, k, node]
                node = 2 * node + (1 if goes_left else 2)
            found[k] += float(arrays["leaf"][t, k, node - leaves + 1])
    return found


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_margins_are_those_of_a_walk_by_hand_bit_for_bit(depth):
    arrays, x = draw_trees(5, 3, depth=depth), np.random.default_rng(1).normal(size=(40, 5))
    x[0] = arrays["threshold"].ravel()[0]  # a value at a threshold goes left
    assert add_trees(arrays, x).T.tolist() == [follow(arrays, row) for row in x]
    every = [add_trees(arrays, x[k : k + 1]) for k in range(40)]
    assert np.array_equal(np.concatenate(every, axis=1), add_trees(arrays, x))


def trees_for(declaration, outputs=1):
    made = model_for(declaration).exported
    return replace(made, recipe="trees", arrays=draw_trees(len(made.design.sources), outputs))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"feature": np.full((7, 1, 7), 4.0)}, "features from 0 to 3 in 'feature', got 4"),
        ({"feature": np.full((7, 1, 7), 0.5)}, "whole numbers .* got 0.5"),
        ({"feature": np.full((7, 1, 7), -1.0)}, "got -1"),
        ({"leaf": np.zeros((7, 1, 7))}, "Expected the arrays of 'trees'"),
        ({"leaf": np.zeros((0, 1, 8))}, "Expected the arrays of 'trees'"),
        ({"leaf": np.zeros(8)}, "Expected the arrays of 'trees'"),
        ({"leaf": np.zeros((7, 2, 8))}, "Expected the arrays of 'trees'"),
        ({"leaf": np.zeros((7, 1, 2**20))}, "Expected the arrays of 'trees'"),
        ({"threshold": np.full((7, 1, 7), np.inf)}, "no finite numbers"),
        ({"threshold": np.zeros((7, 1, 6))}, "Expected the arrays of 'trees'"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(change, said):
    check_arrays("trees", FOUR, draw_trees(4))
    with pytest.raises(BadInput, match=said):
        check_arrays("trees", FOUR, draw_trees(4) | change)


def test_trees_are_written_read_and_applied_as_they_were(tmp_path):
    exported = trees_for(GLUCOSE)
    write_model(tmp_path / "m", exported)
    again, columns = read_model(tmp_path / "m"), inputs_of(50)
    assert again.method == "gradient-boosted trees"
    found = Model(again).predict(columns).values
    assert np.array_equal(found, Model(exported).predict(columns).values)
    margins = add_trees(exported.arrays, exported.design.matrix(Model(again).read(columns).dataset))
    mean, sd = exported.design.outcome
    np.testing.assert_allclose(found, mean + sd * margins[0], rtol=1e-15)


def test_a_table_is_scored_by_trees(tmp_path):
    design = wide_design(2)
    exported = ExportedModel("trees", DIAGNOSIS, design, draw_trees(2), ORIGIN)
    scores = predict(Model(exported), tmp_path, "f0000,f0001\n50,60\n,40\n")
    margins = add_trees(exported.arrays, np.array([[0.0, 1.0], [0.0, -1.0]]))[0]
    np.testing.assert_allclose(scores.probability, 1 / (1 + np.exp(-margins)), rtol=1e-14)


@pytest.mark.parametrize(("declaration", "outputs"), [(GLUCOSE, 1), (STAGES, 3)])
def test_a_runtime_adds_up_the_same_trees(tmp_path, declaration, outputs):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from swarmhub.models.onnx import export_onnx

    model, columns = Model(trees_for(declaration, outputs)), inputs_of(200)
    columns["f1"][::5] = np.nan
    export_onnx(model, tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    given = {n: np.asarray(v, dtype=np.float64)[:, None] for n, v in columns.items()}
    found, wanted = session.run(None, given)[0], model.predict(columns)
    expected = wanted.values if outputs == 1 else wanted.probabilities
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
