"""Deep networks as recipes, as far as no PyTorch is needed: terms, images, starts."""

import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.design import Source
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.operations.data_check import check_data
from swarmhub.recipes import plan
from swarmhub.recipes.neural.cnn import start_images
from swarmhub.recipes.neural.deep import WIDTHS
from swarmhub.recipes.neural.options import Schedule
from swarmhub.recipes.neural.pixels import Grid
from swarmhub.recipes.neural.start import start_convolutions, start_dense
from swarmhub.recipes.preparing import Sources
from swarmhub.recipes.registry import find_recipe, list_for, need_packages
from swarmhub.recipes.trainer import train_table


def terms(outcome=None, **options):
    declared = Declaration(outcome or Outcome("y", positive=("1",)))
    return Spec("x", title="X", data=declared, options=options)


@pytest.fixture
def no_torch(monkeypatch):
    """An installation without the extra."""
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("model", ["deep", "cnn"])
def test_terms_are_completed_without_pytorch(model):
    made = plan.complete(terms(model=model))
    assert [stage.name for stage in made.stages] == [
        "statistics", "initial", "training", "evaluation",
    ]  # fmt: skip
    assert made.stages[2].max_rounds == 20
    assert {bound.array.split("/")[0] for bound in made.stages[-1].bounds} == {"swarm"}


def test_networks_are_for_all_outcomes_but_times():
    for kind in ("binary", "classes", "continuous"):
        assert {"deep", "cnn"} <= set(list_for(kind))
    assert list_for("time_to_event") == ["cox"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": "0"}, "options.epochs to be a whole number from 1 to 100, got '0'"),
        ({"epochs": "2.5"}, "options.epochs to be a whole number"),
        ({"epochs": "²"}, "options.epochs to be a whole number"),
        ({"epochs": "9" * 5000}, "options.epochs to be a whole number"),
        ({"weight_decay": "nan"}, "options.weight_decay to be a number from 0 to 1, got 'nan'"),
        ({"weight_decay": "lots"}, "options.weight_decay to be a number"),
        ({"size": "huge"}, "options.size to be small or paper, got 'huge'"),
        ({"left_out": "yes"}, "options.left_out to be no, got 'yes'"),
        ({"penalty": "0.1"}, "out of model, size, epochs, weight_decay, left_out"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, expected):
    with pytest.raises(BadInput, match=expected):
        plan.complete(terms(model="deep", **options))


def test_the_terms_amend_the_recipe_s_schedule():
    known = Schedule(5, 0.005)
    assert known.amend(terms()) == known
    assert known.amend(terms(epochs="12", weight_decay="1e-3")) == Schedule(12, 0.001)


@pytest.mark.usefixtures("no_torch")
def test_without_pytorch_a_trainer_stops_before_it_reads_or_sends(monkeypatch, tmp_path):
    spec = plan.complete(terms(model="deep"))

    @contextlib.contextmanager
    def join(*_):
        yield SimpleNamespace(spec=spec)  # whatever else is asked of it raises AttributeError

    monkeypatch.setattr("swarmhub.train.join", join)
    nothing = Sources(Files((tmp_path / "no.csv",)))
    with pytest.raises(BadInput, match=r"'pip install swarmhub\[torch\]'"):
        train_table("x", tmp_path, nothing)


@pytest.mark.usefixtures("no_torch")
def test_the_data_check_says_that_pytorch_is_lacking(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("y,age\n" + "".join(f"{k % 2},{k}\n" for k in range(60)))
    sources = Sources(Files((table,)))
    found = check_data(plan.complete(terms(model="deep")), sources)
    assert [f.level for f in found.findings if "swarmhub[torch]" in f.sentence] == ["warning"]
    assert found.is_usable
    assert "torch" not in str(check_data(plan.complete(terms()), sources).findings)
    need_packages(find_recipe("logistic"))


# images


def pixels(shape, block="", drop=()):
    names = [f"px_{y:03}_{x:03}_{c}" for y, x, c in np.ndindex(*shape)]
    return [Source("number", block + n) for k, n in enumerate(names) if k not in drop]


def test_pixels_lie_where_the_reader_took_them():
    image = np.arange(5 * 6 * 2, dtype=np.float64).reshape(5, 6, 2)
    sources = pixels((5, 6, 2), drop=(13, 40))
    kept = np.delete(image.ravel(), (13, 40))
    sources = [sources[1], Source("number", "age"), *sources[2:], sources[0],
               Source("category", "px_000_000_0", "x")]  # fmt: skip
    row = np.array([kept[1], 77.0, *kept[2:], kept[0], -1.0])
    grid = Grid.of(sources)
    images, others = grid.lay_out(row[None])
    wanted = image.copy()
    wanted.ravel()[[13, 40]] = 0.0
    np.testing.assert_array_equal(images[0], wanted.transpose(2, 0, 1))
    np.testing.assert_array_equal(others, [[77.0, -1.0]])


def test_a_border_that_never_varies_is_cut_off():
    inner = [s for s in pixels((12, 12, 1))
             if all(3 <= int(part) <= 8 for part in s.column.split("_")[1:3])]  # fmt: skip
    grid = Grid.of(inner)
    assert (grid.height, grid.width, grid.channels, grid.places.tolist()) == (
        6, 6, 1, list(range(36)),
    )  # fmt: skip
    assert Grid.of(pixels((5, 5, 1), block="scan/")).shape == (1, 5, 5)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([Source("number", "age")], "Expected images for the model 'cnn'"),
        ([*pixels((4, 4, 1), "a/"), *pixels((4, 4, 1), "b/")], "one block of images .*, got 2"),
        (pixels((3, 9, 1)), "at least 4 pixels on a side .*got 3 x 9 x 1"),
        ([*pixels((4, 4, 1)), Source("number", "px_999999_999999_999")], "at most 196608 numbers"),
        ([*pixels((4, 4, 1)), Source("number", "px_0003_003_0")], "each pixel once"),
        ([Source("number", "px_" + "9" * 400 + "_000_0")], "Expected images"),
        ([Source("number", "px_٠٠٠_000_0")], "Expected images"),
    ],
)
def test_features_that_make_no_image_are_refused(sources, expected):
    with pytest.raises(BadInput, match=expected):
        Grid.of(sources)


# starts


def test_all_hospitals_start_alike_and_studies_do_not():
    one, same, other = (start_dense((7, 5, 1), seed) for seed in (3, 3, 4))
    assert {n: a.shape for n, a in one.items()} == {
        "dense1.bias": (5,), "dense1.weight": (7, 5), "output.bias": (1,), "output.weight": (5, 1),
    }  # fmt: skip
    assert all(one[n].tobytes() == same[n].tobytes() for n in one)
    assert not np.allclose(one["dense1.weight"], other["dense1.weight"])
    assert {a.dtype for a in one.values()} == {np.dtype("float32")}


def test_weights_start_between_the_bounds_of_glorot():
    weight = start_dense((300, 200, 1), 0)["dense1.weight"]
    reach = np.sqrt(6 / 500)
    assert np.abs(weight).max() <= reach
    assert weight.std() == pytest.approx(reach / np.sqrt(3), rel=0.02)
    kernel = start_convolutions((16, 32), 3, 0)["conv1.weight"]
    assert kernel.shape == (32, 16, 3, 3)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (48 * 9)), rel=0.03)


def test_the_network_of_the_paper_has_as_many_parameters():
    widths = (12_708, *WIDTHS["paper"], 1)
    assert sum(a.size for a in start_dense(widths, 0).values()) == 4_558_977


def test_large_images_have_a_third_convolution():
    small, large = (Grid.of(pixels((k, k, 1))) for k in (8, 16))
    assert start_images(small, 3, 0)["dense1.weight"].shape == (32 * 2 * 2, 64)
    assert start_images(large, 3, 0)["dense1.weight"].shape == (64 * 2 * 2, 64)
