"""Local training of deep networks, with PyTorch, against NumPy and against rows in one place."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

torch = pytest.importorskip("torch")

from swarmhub.data.design import Source  # noqa: E402
from swarmhub.errors import TrainerError  # noqa: E402
from swarmhub.models.layers import score_dense, score_images  # noqa: E402
from swarmhub.recipes.linear.losses import loss_of  # noqa: E402
from swarmhub.recipes.neural.cnn import start_images  # noqa: E402
from swarmhub.recipes.neural.deep import DROPOUT, WIDTHS  # noqa: E402
from swarmhub.recipes.neural.fitting import (  # noqa: E402
    Rows,
    choose_loss,
    draw_batches,
    fit,
    margins_of,
)
from swarmhub.recipes.neural.networks import Convolutions, Dense, Network, drop  # noqa: E402
from swarmhub.recipes.neural.options import Schedule  # noqa: E402
from swarmhub.recipes.neural.pixels import Grid  # noqa: E402
from swarmhub.recipes.neural.start import start_dense  # noqa: E402
from swarmhub.recipes.neural.training import NetworkTraining, seed_round, weigh  # noqa: E402
from swarmhub.train.training import SwarmRound  # noqa: E402

pytestmark = pytest.mark.torch

PLAIN = Dense(0.2, 0.2, has_first_decay=True)
OUTPUTS = {"binary": 1, "classes": 3, "continuous": 1}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def grid_of(height, width, others=2):
    names = [f"px_{y:03}_{x:03}_0" for y, x in np.ndindex(height, width)][1:]
    return Grid.of([Source("number", n) for n in (*[f"a{k}" for k in range(others)], *names)])


def make(recipe, outputs, rng):
    """A network, its start with biases, rows x, and the margins of it by NumPy."""
    if recipe == "deep":
        start = start_dense((12, 9, 7, outputs), 1)
        network: Network = PLAIN
        x = rng.normal(size=(40, 12))

        def score(arrays):
            return score_dense(arrays, x)
    else:
        grid = grid_of(9, 8)
        start = start_images(grid, outputs, 1)
        network, x = Convolutions(grid, PLAIN), rng.normal(size=(20, 9 * 8 + 1))

        def score(arrays):
            return score_images(arrays, *grid.lay_out(x))

    start = {n: a + rng.normal(0, 0.1, a.shape).astype(np.float32) for n, a in start.items()}
    return network, start, x, score


def outcomes(kind, count, rng):
    if kind == "continuous":
        return rng.normal(size=count)
    return rng.integers(0, max(2, OUTPUTS[kind]), count).astype(np.float64)


@pytest.mark.parametrize("recipe", ["deep", "cnn"])
def test_predictions_without_pytorch_are_those_of_its_forward_pass(recipe):
    network, start, x, score = make(recipe, 3, np.random.default_rng(0))
    np.testing.assert_allclose(score(start), margins_of(network, start, x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("recipe", ["deep", "cnn"])
def test_gradients_are_differences_of_the_loss_by_numpy(recipe, kind):
    rng = np.random.default_rng(3)
    network, start, x, score = make(recipe, OUTPUTS[kind], rng)
    y, weight = outcomes(kind, len(x), rng), rng.uniform(0.5, 2.0, len(x))
    wide = {n: a.astype(np.float64) for n, a in start.items()}

    def compute(arrays):
        loss = loss_of(kind, 3 if kind == "classes" else 2)
        return float(weight @ loss.each(y, score(arrays)[None])[0]) / len(y)

    parameters = {n: torch.tensor(a, requires_grad=True) for n, a in wide.items()}
    margins = network.margins(parameters, torch.from_numpy(x), None)
    each = choose_loss(kind, OUTPUTS[kind])(margins, torch.from_numpy(y))
    (torch.from_numpy(weight) * each).mean().backward()
    for name, array in wide.items():
        direction, step = rng.normal(size=array.shape), 1e-6
        sides = [compute({**wide, name: array + s * direction}) for s in (step, -step)]
        slope = float((parameters[name].grad.numpy() * direction).sum())
        assert slope == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4, abs=1e-7), name


def test_training_follows_from_its_seed_and_from_nothing_else():
    rng = np.random.default_rng(0)
    network, start, x, _ = make("deep", 1, rng)
    rows = Rows(x, outcomes("binary", len(x), rng), np.ones(len(x)), choose_loss("binary", 1))
    torch.manual_seed(1)
    one = fit(network, start, rows, Schedule(3, 0.01), seed_round(7, 2))
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    same = fit(network, start, rows, Schedule(3, 0.01), seed_round(7, 2))
    other = fit(network, start, rows, Schedule(3, 0.01), seed_round(7, 3))
    assert all(one[n].tobytes() == same[n].tobytes() for n in one)
    assert not np.array_equal(one["dense1.weight"], other["dense1.weight"])
    assert torch.equal(before, torch.random.get_rng_state())
    assert {n: (a.shape, a.dtype) for n, a in one.items()} == {
        n: (a.shape, a.dtype) for n, a in start.items()
    }


def test_the_decay_is_the_sum_of_squares_of_some_weights():
    start = start_dense((4, 6, 5, 1), 1)
    rows = Rows(np.zeros((10, 4)), np.zeros(10), np.zeros(10), choose_loss("continuous", 1))
    paper = Dense(0.0, 0.0, has_first_decay=False)
    assert paper.list_decayed(start) == ["dense2.weight"]
    assert PLAIN.list_decayed(start) == ["dense1.weight", "dense2.weight"]
    found = fit(paper, start, rows, Schedule(1, 0.5), 0)
    moved = {n for n in start if not np.array_equal(found[n], start[n])}
    assert moved == {"dense2.weight"}  # the loss of rows without weight has no gradient
    first_step = start["dense2.weight"] - found["dense2.weight"]
    np.testing.assert_allclose(first_step, 1e-3 * np.sign(start["dense2.weight"]), atol=2e-5)
    images = Convolutions(grid_of(8, 8), PLAIN)
    assert images.list_decayed(start_images(images.grid, 1, 0)) == [
        "conv1.weight", "conv2.weight", "dense1.weight",
    ]  # fmt: skip


def test_dropout_keeps_the_mean_and_stops_without_a_generator():
    units = torch.ones(2000, 50)
    dropped = drop(units, 0.3, torch.Generator().manual_seed(0))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert drop(units, 0.3, None) is units


@pytest.mark.parametrize(
    ("rows", "batches"), [(1, 1), (9, 1), (33, 4), (200, 25), (256, 16), (5000, 39)]
)
def test_batches_are_all_rows_once_in_like_sizes(rows, batches):
    made = list(draw_batches(rows, torch.Generator().manual_seed(1)))
    assert len(made) == batches
    assert sorted(np.concatenate(made)) == list(range(rows))
    assert max(map(len, made)) - min(map(len, made)) <= 1


def test_a_rare_class_weighs_as_much_as_the_other():
    y = np.array([0.0] * 30 + [1.0] * 10)
    weight = weigh(y, (30, 10))
    assert [weight[y == c].sum() for c in (0, 1)] == pytest.approx([20, 20])
    assert weigh(y, (40,)).tolist() == [1.0] * 40


def test_training_that_diverges_says_so():
    network, start, x, _ = make("deep", 1, np.random.default_rng(0))
    rows = Rows(x, np.full(len(x), np.nan), np.ones(len(x)), choose_loss("continuous", 1))
    with pytest.raises(TrainerError, match="Training has diverged"):
        fit(network, start, rows, Schedule(1, 0.0), 0)


# a swarm


def site_of(x, y, class_rows, kind="binary", test_x=None):
    """A hospital, as far as training asks for it."""
    spec = SimpleNamespace(seed=5)
    return SimpleNamespace(
        x=x, dense_x=x, y=y, kind=kind, loss=loss_of(kind, len(class_rows)), test_x=test_x,
        dense_test_x=test_x,
        design=SimpleNamespace(class_rows=class_rows), swarm=SimpleNamespace(spec=spec),
        in_unit=lambda found: found,
    )  # fmt: skip


def train(sites, network, start, schedule, rounds=20):
    """The trainings of all hospitals after some rounds of weighted means."""
    trainings = [NetworkTraining(s, network, start, schedule) for s in sites]
    local = [{} for _ in sites]
    count = sum(len(s.y) for s in sites)
    for number in range(1, rounds + 1):
        turns = [SwarmRound(number, rounds, "", local=kept) for kept in local]
        for training, turn in zip(trainings, turns, strict=True):
            training.fit(turn)
        local = [turn.local for turn in turns]
        merged = {
            n: sum(np.float32(len(t.site.y) / count) * t.parameters[n] for t in trainings)
            for n in start
        }
        for training in trainings:
            training.parameters = {n: np.array(a) for n, a in merged.items()}
    return trainings


def nonlinear(rng, count, shift, prior):
    x = rng.normal(size=(count, 10)) + shift
    margin = 2 * x[:, 0] * x[:, 1] + 1.5 * (x[:, 2] ** 2 - 1) + x[:, 3] - prior
    return x, (rng.random(count) < 1 / (1 + np.exp(-margin))).astype(np.int64)


def test_a_swarm_of_unlike_hospitals_is_near_the_rows_in_one_place():
    rng, sizes, priors = np.random.default_rng(0), (800, 300, 100), (0, 1.5, -1)
    shifts = [rng.normal(0, 0.5, 10) for _ in sizes]
    parts = [nonlinear(rng, *args) for args in zip(sizes, shifts, priors, strict=True)]
    tests = [nonlinear(rng, 500, *args) for args in zip(shifts, priors, strict=True)]
    x, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    test_x, test_y = (np.concatenate([part[k] for part in tests]) for k in (0, 1))
    class_rows = tuple(np.bincount(y).tolist())
    start = start_dense((10, *WIDTHS["small"], 1), 5)
    network, schedule = Dense(*DROPOUT["small"], has_first_decay=True), Schedule(2, 0.02)
    every = [site_of(own_x, own_y, class_rows, test_x=test_x) for own_x, own_y in parts]
    swarm = train(every, network, start, schedule)
    (pooled,) = train([site_of(x, y, class_rows, test_x=test_x)], network, start, schedule)
    joint, central = (roc_auc_score(test_y, t.predict()) for t in (swarm[0], pooled))
    alone = [roc_auc_score(test_y, t.predict_others()["local"]) for t in swarm]
    assert joint > central - 0.03
    assert joint > np.mean(alone) + 0.08
    assert joint > 0.85


def test_a_swarm_of_one_hospital_is_the_hospital_alone():
    rng = np.random.default_rng(1)
    x, y = nonlinear(rng, 60, 0.0, 0.0)
    site = site_of(x, y, tuple(np.bincount(y).tolist()), test_x=x)
    (made,) = train([site], PLAIN, start_dense((10, 8, 1), 5), Schedule(2, 0.01), rounds=3)
    assert made.predict().tobytes() == made.predict_others()["local"].tobytes()


def test_a_restart_between_rounds_changes_no_bit():
    rng = np.random.default_rng(1)
    x, y = nonlinear(rng, 60, 0.0, 0.0)
    site = site_of(x, y, tuple(np.bincount(y).tolist()), test_x=x)
    start, schedule = start_dense((10, 8, 1), 5), Schedule(2, 0.01)
    (whole,) = train([site], PLAIN, start, schedule, rounds=2)
    first = NetworkTraining(site, PLAIN, start, schedule)
    turn = SwarmRound(1, 2, "")
    first.fit(turn)
    again = NetworkTraining(site, PLAIN, start, schedule)
    again.parameters = first.parameters
    again.fit(SwarmRound(2, 2, "", local=turn.local))
    assert again.predict().tobytes() == whole.predict().tobytes()
    assert again.predict_others()["local"].tobytes() == whole.predict_others()["local"].tobytes()


def test_a_hospital_that_lacks_a_class_trains_and_has_no_model_of_its_own():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 10))
    site = site_of(x, np.ones(30, dtype=np.int64), (50, 50), test_x=x)
    (made,) = train([site], PLAIN, start_dense((10, 8, 1), 5), Schedule(1, 0.01), rounds=1)
    assert made.predict_others() == {}
    assert made.predict().shape == (30,)


def test_training_keeps_no_copy_of_the_rows():
    rows = Rows(
        np.random.default_rng(0).normal(size=(4000, 2500)), np.zeros(4000), np.ones(4000),
        choose_loss("binary", 1),
    )  # fmt: skip
    start = start_dense((2500, 4, 1), 0)
    fit(PLAIN, start, rows, Schedule(1, 0.0), 0)
    profiler = torch.profiler.profile(profile_memory=True)
    with profiler:
        fit(PLAIN, start, rows, Schedule(2, 0.0), 0)
    largest = max(event.cpu_memory_usage for event in profiler.events())
    assert 0 < largest < rows.x.nbytes / 10
