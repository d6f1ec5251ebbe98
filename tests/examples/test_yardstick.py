"""Figures and models in one place, against brute force, scikit-learn and lifelines' definitions."""

from dataclasses import replace

import numpy as np
import pytest
from open_data import read

from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Options
from swarmhub.demo.yardstick import concordance, design_alone, yardstick_of
from swarmhub.errors import BadInput
from swarmhub.examples import find_example
from swarmhub.examples.rehearsal import Split, train_swarm

pytestmark = pytest.mark.unit

SEED = 3


def made_up(y, kind, time=None):
    """Rows whose two columns follow the outcome."""
    random = np.random.default_rng(SEED)
    x = np.column_stack([y, -y]) + random.normal(0, 0.3, (len(y), 2))
    return Dataset(x, ("a", "b"), y=y.astype(np.float64), kind=kind, time=time)


def test_concordance_is_that_of_all_pairs_one_by_one():
    random = np.random.default_rng(SEED)
    time, event = random.integers(1, 9, 60).astype(float), random.integers(0, 2, 60)
    score = random.integers(0, 6, 60).astype(float)
    right = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(60):
            if time[j] > time[i] or (time[j] == time[i] and not event[j]):
                pairs += 1
                right += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
    assert concordance(time, event, score) == pytest.approx(right / pairs, abs=1e-15)
    assert concordance(time, np.zeros(60), score) is None


def test_macro_f1_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(SEED)
    y, chance = random.integers(0, 10, 80), random.dirichlet(np.ones(10), 80)
    ruler = yardstick_of(find_example("pbmc").spec)
    found = ruler.measure([made_up(y, "classes")], chance)
    expected = metrics.f1_score(y, chance.argmax(axis=1), average="macro")
    assert found["macro_f1"] == pytest.approx(expected, abs=1e-12)
    assert found["loss"] == pytest.approx(-np.log(chance[np.arange(80), y]).mean(), abs=1e-8)


def test_a_hospital_without_some_classes_gives_them_no_probability():
    ruler = yardstick_of(find_example("pbmc").spec)
    part = made_up(np.repeat([2, 4, 9], 20), "classes")
    design = design_alone(part, ["a", "b"], Options(kind="classes", classes=10))
    chance = ruler.fit([part], design)(part)
    assert chance.shape == (60, 10)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0)
    assert set(np.flatnonzero(chance.max(axis=0))) == {2, 4, 9}
    assert (chance.argmax(axis=1) == part.y).mean() > 0.9


def test_one_class_makes_no_model():
    part = made_up(np.ones(20), "binary")
    design = design_alone(part, ["a"], Options())
    with pytest.raises(BadInput, match="both classes"):
        yardstick_of(find_example("heart").spec).fit([part], design)


def test_only_columns_of_the_swarm_are_used_alone():
    part = made_up(np.repeat([0, 1], 10), "binary")
    assert design_alone(part, ["b"], Options()).names == ("b",)


def test_all_patients_died_and_there_is_a_model():
    spec = find_example("leukaemia").spec
    time = np.arange(1.0, 31.0)
    part = replace(made_up(np.ones(30), "time_to_event", time), x=time[:, None] + [[0.0, 1.0]])
    design = design_alone(part, ["a"], Options(kind="time_to_event"))
    ruler = yardstick_of(spec)
    found = ruler.measure([part], ruler.fit([part], design)(part))
    assert found == {"c_index": 1.0, "loss": None}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_swarm_in_one_process_is_as_good_as_scikit_learn_pooled(tmp_path, seed):
    studies = pytest.importorskip("studies", reason="needs the folder bench")
    pytest.importorskip("sklearn")
    datasets = list(read("heart", tmp_path).values())
    split = Split.of(find_example("heart").spec, datasets, seed, 0.3)
    swarm, central = split.score(train_swarm(split)), split.score(studies.fit_central(split))
    assert swarm == pytest.approx(central, abs=0.005)
    assert swarm > np.mean(split.score_alone()) + 0.02


def test_the_swarms_cox_model_is_as_good_as_that_of_one_place(tmp_path):
    datasets = list(read("leukaemia", tmp_path).values())
    split = Split.of(find_example("leukaemia").spec, datasets, 0, 0.3)
    pooled = split.yardstick.fit(split.training, split.design)
    assert split.score(train_swarm(split)) == pytest.approx(split.score(pooled), abs=0.005)


def test_trees_are_compared_with_trees_in_one_place():
    spec = replace(find_example("heart").spec, options={"model": "trees"})
    random = np.random.default_rng(SEED)
    x = random.normal(size=(900, 2))
    rows = Dataset(x, ("a", "b"), y=(x[:, 0] * x[:, 1] > 0).astype(float))
    design = design_alone(rows, ["a", "b"], Options())
    ruler = yardstick_of(spec)
    assert ruler.measure([rows], ruler.fit([rows], design)(rows))["auc"] > 0.9
    linear = yardstick_of(replace(spec, options={}))
    assert linear.measure([rows], linear.fit([rows], design)(rows))["auc"] < 0.6


def test_the_swarm_s_probabilities_of_classes_have_a_row_for_each_patient():
    ruler = yardstick_of(find_example("pbmc").spec)
    part = made_up(np.repeat(np.arange(10), 6), "classes")
    design = design_alone(part, ["a", "b"], Options(kind="classes", classes=10))
    weight = np.random.default_rng(SEED).normal(size=(10, 2))
    chance = ruler.apply({"weight": weight, "bias": np.zeros(10)}, part, design)
    assert chance.shape == (60, 10)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0)
