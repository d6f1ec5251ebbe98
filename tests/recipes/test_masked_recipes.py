"""Recipes in a masked study: sums of whole numbers make the model of all rows in one place."""

import numpy as np
import pytest
from masked_hall import run

from swarmhub.contract.records import Declaration, Outcome, Privacy, Spec
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.models.trees import add_trees
from swarmhub.recipes import boosting, cox
from swarmhub.recipes.linear.alone import fit_at
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.elastic import ElasticNet, iterate, weigh
from swarmhub.recipes.linear.folds import STRENGTHS
from swarmhub.recipes.linear.losses import LOGISTIC, loss_of
from swarmhub.recipes.plan import complete
from swarmhub.recipes.registry import find_default
from swarmhub.recipes.survival.likelihood import Rows, measure, sum_rows
from swarmhub.recipes.survival.times import observe

pytestmark = pytest.mark.unit

ROWS = (120, 70, 50)
WEIGHT = np.array([1.2, -0.8, 0.5, 0.0])
ILL = Outcome("ill", positive=("1",))
DEAD = Outcome("dead", "time_to_event", positive=("1",), time="days", unit="days")
CLASSES = Outcome("type", "classes", classes=("B", "T", "NK"))
AGE = Outcome("age", "continuous", unit="years")


def write_table(path, outcome, seed):
    """A hospital's table of four inputs, of which three tell something."""
    rng, n = np.random.default_rng(seed), ROWS[seed - 1]
    x = rng.normal(size=(n, 4)) + 0.3 * seed
    margin, noise = x @ WEIGHT, rng.normal(size=n)
    time, end = rng.exponential(np.exp(-margin)) * 300, rng.uniform(100, 900, size=n)
    columns = {
        "binary": {"ill": (margin + noise > 0).astype(int)},
        "continuous": {"age": 50 + 8 * margin + 3 * noise},
        "classes": {"type": np.array(CLASSES.classes)[np.digitize(margin + noise, (-1, 1))]},
        "time_to_event": {
            "dead": (time <= end).astype(int), "days": np.ceil(np.minimum(time, end)),
        },
    }[outcome.kind] | {f"marker{k}": x[:, k] for k in range(4)}  # fmt: skip
    lines = [
        ",".join(columns),
        *(",".join(map(str, r)) for r in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return Files((path,))


def train(folder, outcome, model, rounds=20, **options):
    """The hall, the hospitals, and the training rows of all: x, y."""
    spec = complete(
        Spec(name="s", min_peers=3, rounds=rounds, privacy=Privacy(masked=True),
             data=Declaration(outcome, min_count=1), options={"model": model, **options})
    )  # fmt: skip
    files = [write_table(folder / f"{i}.csv", outcome, i) for i in (1, 2, 3)]
    hall, sites, said = run(spec, files, folder)
    assert not any("too far from it" in sentence for sentence in said)
    x = np.concatenate([np.asarray(s.dense_x) for s in sites])
    return hall, sites, (x, np.concatenate([s.y for s in sites]), said)


def fitted(hall, name="fit"):
    return hall.results[name].arrays


def strength_in(said):
    """The C that was chosen in the swarm."""
    return float(next(s for s in said if "the penalty was chosen" in s).rsplit(" ", 1)[1])


@pytest.mark.parametrize("outcome", [ILL, AGE, CLASSES], ids=lambda o: o.kind)
def test_logistic_learns_its_penalty_and_the_pooled_model(tmp_path, outcome):
    hall, _, (x, y, said) = train(tmp_path, outcome, "logistic")
    loss = loss_of(outcome.kind, 3)
    pooled = fit_at(Axes.of(x), y, strength_in(said), loss).reshape(loss.outputs, -1)
    found = hall.model["weight"].reshape(loss.outputs, -1)
    assert strength_in(said) in STRENGTHS
    assert fitted(hall)["moving"][0] == 0
    np.testing.assert_allclose(found, pooled[:, :-1], atol=0.01)
    assert all(v.dtype == np.int64 for v in hall.counts.values())


def test_intercepts_of_each_hospital_leave_as_their_mean(tmp_path):
    hall, sites, _ = train(tmp_path, ILL, "logistic", penalty="0.1", intercept="own")
    own = [float(s.find_intercept(hall.model["weight"])[0]) for s in sites]
    assert np.ptp(own) > 0.01
    assert hall.model["bias"][0] == pytest.approx(np.mean(own))


def test_trees_are_those_of_all_rows(tmp_path):
    options = {"trees": "5", "depth": "2", "rate": "0.5"}
    hall, _, (x, y, _) = train(tmp_path, ILL, "trees", **options)
    pooled = boosting.fit_alone(hall.spec, x, y, None, LOGISTIC)
    np.testing.assert_allclose(add_trees(hall.model, x), pooled(x), atol=1e-9)
    assert fitted(hall, "cuts")["members"].tolist() == [0]


@pytest.mark.parametrize("outcome", [ILL, AGE], ids=lambda o: o.kind)
def test_an_elastic_net_is_that_of_all_rows(tmp_path, outcome):
    hall, _, (x, y, said) = train(tmp_path, outcome, "elastic_net")
    loss = loss_of(outcome.kind)
    rows = [np.bincount(y.astype(int))] if loss.has_classes else [[len(y)]]
    seen = weigh(x, y, loss, np.array(rows), np.ones((1, len(y)), dtype=bool))
    alone = iterate(ElasticNet(1, 4, loss, 0.5, (strength_in(said),)), seen, 25)["at"][0]
    np.testing.assert_allclose(hall.model["weight"], alone[:-1], atol=1e-7)
    assert fitted(hall)["moving"][0] == 0


@pytest.mark.parametrize("baseline", ["own", "shared"])
def test_a_cox_model_has_the_slope_zero_over_all_rows(tmp_path, baseline):
    hall, sites, _ = train(tmp_path, DEAD, "cox", penalty="0.1", baseline=baseline)
    beta, slope = hall.model["weight"], -10.0 * hall.model["weight"]
    grid = cox.learn_grid(sites[0])
    parts = [Rows(s.dense_x, observe(grid, s.prepared.training.time, s.y)) for s in sites]
    if baseline == "own":
        slope += sum(measure(sum_rows(r, beta), beta).gradient for r in parts)
    else:
        every = [sum_rows(r, beta) for r in parts]
        slope += measure(
            {n: np.sum([e[n] for e in every], axis=0) for n in every[0]}, beta
        ).gradient
    assert np.abs(beta).max() > 0.3
    np.testing.assert_allclose(slope, 0.0, atol=1e-5)
    assert len(grid) == len(hall.model["hazard"])


@pytest.mark.parametrize("option", ["left_out", "contribution"])
def test_models_without_a_hospital_are_refused_with_masks(option):
    spec = Spec(name="s", privacy=Privacy(masked=True), data=Declaration(ILL),
                options={"model": "logistic", option: "yes"})  # fmt: skip
    with pytest.raises(BadInput, match=f"options.{option} to be no in a masked study, got yes"):
        complete(spec)


def test_defaults_of_masked_studies_are_those_of_plain_ones():
    for kind in ("binary", "classes", "continuous", "time_to_event"):
        assert find_default(kind, masked=True) == find_default(kind)
