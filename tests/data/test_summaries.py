import numpy as np
import pytest

from swarmhub import codec
from swarmhub.data import Design, Table, statistics_of, summaries
from swarmhub.errors import BadInput, Malformed
from swarmhub.merge import merge_statistics


def text(*values):
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def table(y, **columns):
    return Table(columns, np.array(y, dtype=np.int64), len(y))


def design_of(*tables):
    return Design.from_statistics(
        merge_statistics({i: statistics_of(t) for i, t in enumerate(tables, start=1)})
    )


def random_table(rng, rows):
    x = rng.normal(5, 3, rows)
    x[rng.random(rows) < 0.2] = np.nan
    kind = text(*rng.choice(["a", "b", "c"], rows))
    return table(rng.integers(0, 2, rows), x=x, kind=kind)


def test_two_hospitals_get_the_design_that_the_pooled_rows_give():
    rng = np.random.default_rng(0)
    a, b = random_table(rng, 80), random_table(rng, 150)
    both = {n: np.concatenate([a.columns[n], b.columns[n]]) for n in a.columns}
    pooled = design_of(table(np.concatenate([a.label, b.label]), **both))
    swarm = design_of(a, b)
    assert swarm.names == pooled.names == ("x", "kind=a", "kind=b", "kind=c")
    assert swarm.class_rows == pooled.class_rows
    np.testing.assert_allclose(swarm.mean, pooled.mean, rtol=1e-12)
    np.testing.assert_allclose(swarm.sd, pooled.sd, rtol=1e-12)
    x = np.vstack([swarm.matrix(a), swarm.matrix(b)])
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(x[:, 1:].std(axis=0), 1, rtol=1e-12)
    assert (x[np.isnan(both["x"]), 0] == 0).all()


def test_rare_categories_free_text_and_single_values_never_leave():
    rows = 60
    rare = text(*["common"] * 56, *["Huntington"] * 4)
    notes = text(*(f"note on Ms {k}" for k in range(rows)))
    few = np.full(rows, np.nan)
    few[:4] = 123.456
    document = statistics_of(table([0, 1] * 30, rare=rare, notes=notes, few=few))
    assert b"Huntington" not in document
    assert b"note on" not in document
    columns = codec.decode(document)["columns"]
    assert columns["rare"] == {
        "kind": "text",
        "count": 60,
        "missing": 0,
        "categories": {"common": 56},
    }
    assert columns["notes"]["categories"] == {}
    assert columns["few"] == {
        "kind": "numeric",
        "count": 0,
        "missing": 60,
        "mean": (0.0).hex(),
        "m2": (0.0).hex(),
    }


def test_columns_that_do_not_vary_or_are_mostly_missing_make_no_feature():
    rows = 100
    gaps = np.where(np.arange(rows) < 39, np.arange(rows), np.nan)
    most = np.where(np.arange(rows) < 41, np.arange(rows), np.nan)
    one = np.full(rows, 0.1)
    design = design_of(table([0, 1] * 50, gaps=gaps, most=most, one=one, word=text(*["w"] * rows)))
    assert design.names == ("most",)


def test_a_column_that_one_hospital_lacks_or_never_filled_is_imputed_there():
    rng = np.random.default_rng(1)
    a = table([0, 1] * 50, x=rng.normal(size=100), kind=text(*["u", "v"] * 50))
    b = table([0, 1] * 20, x=rng.normal(size=40), kind=np.full(40, np.nan))
    design = design_of(a, b)
    assert design.names == ("x", "kind=u", "kind=v")
    assert (design.matrix(b)[:, 1:] == 0).all()
    assert design.matrix(table([0], extra=np.array([3.0]))).tolist() == [[0, 0, 0]]


def test_a_category_nobody_published_is_other_and_an_outlier_is_bounded():
    rng = np.random.default_rng(2)
    design = design_of(table([0, 1] * 50, x=rng.normal(size=100), k=text(*["u", "v"] * 50)))
    x = design.matrix(table([0, 0], x=np.array([1e90, -1e90]), k=text("new", "u")))
    assert x[:, 0].tolist() == [10, -10]
    assert x[0, 1] == x[0, 2] == -1
    assert x[1, 1:].tolist() == [1, -1]


def test_a_column_of_the_other_kind_counts_as_missing_and_is_said():
    design, here = design_of(table([0, 1] * 10, x=np.arange(20.0))), table([0], x=text("high"))
    (sentence,) = design.mismatched(here)
    assert "numbers in the study and text in this table" in sentence
    assert design.matrix(here).tolist() == [[0.0]]
    assert design.mismatched(table([0], x=np.ones(1))) == []


def test_only_the_features_with_most_values_are_kept(monkeypatch):
    monkeypatch.setattr(summaries, "MAX_FEATURES", 2)
    rare = np.where(np.arange(20) < 12, np.arange(20.0), np.nan)
    columns = {"a": rare, "b": np.arange(20.0), "c": np.arange(20.0)}
    assert design_of(table([0, 1] * 10, **columns)).names == ("b", "c")


def test_what_cannot_be_learned_is_said():
    x = np.arange(20.0)
    with pytest.raises(BadInput, match="no hospital has a row with label 1"):
        design_of(table([0] * 20, x=x))
    with pytest.raises(BadInput, match="No column can be used"):
        design_of(table([0, 1] * 10, x=np.ones(20)))
    with pytest.raises(BadInput, match="label column"):
        statistics_of(Table({"x": x}, None, 20))
    for wrong in (b"[]", b'{"rows":1}', b'{"columns":[],"labels":{},"rows":1}'):
        with pytest.raises(Malformed):
            Design.from_statistics(wrong)
