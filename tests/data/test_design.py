"""The features that all hospitals derive: those of the pooled rows."""

import numpy as np
import pytest
from data_tools import dataset, design_of, merged

from swarmhub.data import design as design_room
from swarmhub.data.cells import FLAG
from swarmhub.data.design import Design, Options
from swarmhub.errors import BadInput, Malformed


def random_dataset(rng, rows):
    x = rng.normal(5, 3, rows)
    x[rng.random(rows) < 0.2] = np.nan
    return dataset(rng.integers(0, 2, rows), x=x, kind=list(rng.choice(["a", "b", "c"], rows)))


def test_two_hospitals_get_the_design_that_the_pooled_rows_give():
    rng = np.random.default_rng(0)
    a, b = random_dataset(rng, 80), random_dataset(rng, 150)
    x = np.concatenate([a.x[:, 0], b.x[:, 0]])
    kinds = a.categories["kind"].texts() + b.categories["kind"].texts()
    pooled = design_of(dataset(np.concatenate([a.y, b.y]), x=x, kind=kinds))
    swarm = design_of(a, b)
    assert swarm.names == pooled.names == ("x", "kind=a", "kind=b", "kind=c")
    assert swarm.class_rows == pooled.class_rows
    np.testing.assert_allclose(swarm.mean, pooled.mean, rtol=1e-12)
    np.testing.assert_allclose(swarm.sd, pooled.sd, rtol=1e-12)
    made = np.vstack([swarm.matrix(a), swarm.matrix(b)])
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(made[:, 1:].std(axis=0), 1, rtol=1e-12)
    assert (made[np.isnan(x), 0] == 0).all()


def test_columns_that_do_not_vary_or_are_mostly_missing_make_no_feature():
    gaps = np.where(np.arange(100) < 39, np.arange(100) + 0.5, np.nan)
    most = np.where(np.arange(100) < 41, np.arange(100) + 0.5, np.nan)
    given = dataset([0, 1] * 50, gaps=gaps, most=most, one=np.full(100, 0.1), word=["w"] * 100)
    assert design_of(given).names == ("most",)
    assert Design.from_statistics(merged(given), Options(1.0)).names == ("gaps", "most")


def test_indicators_say_what_is_missing():
    x = np.where(np.arange(100) < 30, np.nan, np.arange(100.0))
    given = dataset([0, 1] * 50, x=x, z=np.arange(100.0))
    design = Design.from_statistics(merged(given), Options(with_indicators=True))
    assert design.names == ("x", "z", "missing: x")
    made = design.matrix(given)
    assert made[:, 2].mean() == pytest.approx(0, abs=1e-12)
    assert made[0, 2] > 0 > made[99, 2]


def test_a_column_that_one_hospital_lacks_is_imputed_there():
    rng = np.random.default_rng(1)
    a = dataset([0, 1] * 50, x=rng.normal(size=100), kind=["u", "v"] * 50)
    b = dataset([0, 1] * 20, x=rng.normal(size=40))
    design = design_of(a, b)
    assert design.names == ("x", "kind=u", "kind=v")
    assert (design.matrix(b)[:, 1:] == 0).all()
    assert design.matrix(dataset([0], extra=np.array([3.0]))).tolist() == [[0, 0, 0]]


def test_an_unknown_category_is_other_and_an_outlier_is_bounded():
    rng = np.random.default_rng(2)
    design = design_of(dataset([0, 1] * 50, x=rng.normal(size=100), k=["u", "v"] * 50))
    x = design.matrix(dataset([0, 0], x=np.array([1e90, -1e90]), k=["new", "u"]))
    assert x[:, 0].tolist() == [10, -10]
    assert x[0, 1] == x[0, 2] == -1
    assert x[1, 1:].tolist() == [1, -1]


def test_a_column_of_the_other_kind_counts_as_missing_and_is_said():
    design, here = design_of(dataset([0, 1] * 10, x=np.arange(20.0))), dataset([0], x=["high"])
    (sentence,) = design.mismatched(here)
    assert "numbers in the study and text in this table" in sentence
    assert design.matrix(here).tolist() == [[0.0]]
    assert design.mismatched(dataset([0], x=np.ones(1))) == []


def test_only_the_features_with_most_values_are_kept(monkeypatch):
    monkeypatch.setattr(design_room, "MAX_FEATURES", 2)
    rare = np.where(np.arange(20) < 12, np.arange(20.0), np.nan)
    columns = {"a": rare, "b": np.arange(20.0), "c": np.arange(20.0)}
    assert design_of(dataset([0, 1] * 10, **columns)).names == ("b", "c")


def test_a_hospital_without_values_below_the_limit_has_flags_of_zero():
    crp = np.where(np.arange(60) < 20, 2.5, np.arange(60.0))
    flag = (np.arange(60) < 20).astype(float)
    design = design_of(dataset([0, 1] * 30, **{"crp": crp, f"crp{FLAG}": flag}))
    k = design.names.index(f"crp{FLAG}")
    made = design.matrix(dataset([0, 0], crp=np.array([7.0, np.nan])))
    assert made[:, k].tolist() == [pytest.approx(-design.mean[k] / design.sd[k]), 0.0]


def test_a_withheld_column_stays_if_another_hospital_publishes_it():
    rare = dataset([0, 1] * 30, hiv=np.array([1.0] + [0.0] * 59))
    other = dataset([0, 1] * 30, hiv=np.array([1.0, 0.0] * 30))
    assert design_of(rare, other).names == ("hiv",)
    with pytest.raises(BadInput, match="No column can be used"):
        design_of(rare, rare)


def test_what_cannot_be_learned_is_said():
    x = np.arange(20.0)
    with pytest.raises(BadInput, match="no hospital has a row with label 1"):
        design_of(dataset([0] * 20, x=x))
    with pytest.raises(BadInput, match="No column can be used"):
        design_of(dataset([0, 1] * 10, x=np.ones(20)))
    for wrong in (b"[]", b'{"rows":1}', b'{"columns":[],"labels":{},"rows":1}'):
        with pytest.raises(Malformed):
            Design.from_statistics(wrong)
