"""Statistics that leave a hospital: nothing about few patients, and equal to the pooled rows."""

from dataclasses import replace

import numpy as np
import pytest
from data_tools import dataset, merged

from swarmhub import codec
from swarmhub.data.numbers import bin_of, value_of
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput

LABELS = [0, 1] * 150


def columns_of(*datasets):
    document = statistics_of(datasets[0]) if len(datasets) == 1 else merged(*datasets)
    return codec.decode(document, len(document), len(document))["columns"]


def test_rare_categories_free_text_and_single_values_never_leave():
    rare = ["common"] * 40 + ["other"] * 16 + ["Huntington"] * 4
    notes = [f"note on Ms {k}" for k in range(60)]
    few = np.where(np.arange(60) < 4, 123.456 + np.arange(60), np.nan)
    document = statistics_of(dataset(LABELS[:60], rare=rare, notes=notes, few=few))
    assert b"Huntington" not in document
    assert b"note on" not in document
    columns = codec.decode(document)["columns"]
    assert columns["rare"]["categories"] == {"common": 40}  # 'other' would tell the rest
    assert columns["notes"]["categories"] == {}
    assert columns["few"]["count"] == 0
    assert columns["few"]["withheld"] == 4


@pytest.mark.parametrize("ones", [1, 4, 296, 299])
def test_a_rare_code_is_withheld_and_so_is_its_complement(ones):
    hiv = np.where(np.arange(300) < ones, 1.0, 0.0)
    column = columns_of(dataset(LABELS, hiv=hiv, x=np.arange(300.0)))["hiv"]
    assert column["count"] == 0
    assert column["withheld"] == 300
    assert column["bins"] == {}
    assert {column[k] for k in ("mean", "m2", "x", "y", "xy")} == {(0.0).hex()}


def test_a_code_counts_patients_not_rows():
    patients = [k // 6 for k in range(300)]  # 50 patients with six visits
    rare = (np.array(patients) < 4).astype(float)
    frequent = (np.array(patients) < 20).astype(float)
    columns = columns_of(dataset(LABELS, patients, rare=rare, frequent=frequent))
    assert (columns["rare"]["count"], columns["frequent"]["count"]) == (0, 300)


def test_text_with_as_many_values_as_patients_is_withheld():
    patients = [k // 30 for k in range(300)]
    wards = [f"ward {p}" for p in patients]
    document = statistics_of(dataset(LABELS, patients, ward=wards, x=np.arange(300.0)))
    assert b"ward 3" not in document


def test_no_bin_has_values_of_fewer_than_five_patients():
    rng = np.random.default_rng(0)
    x = rng.lognormal(0, 2, 300)
    patients = [k // 3 for k in range(300)]
    bins = columns_of(dataset(LABELS, patients, x=x))["x"]["bins"]
    assert sum(bins.values()) == 300
    assert min(bins.values()) >= 5


def test_bins_keep_order_and_size():
    x = np.array([-1e6, -2.0, -1e-3, 0.0, 1e-3, 0.9, 1.0, 1.1, 250.0, 1e9])
    places = bin_of(x)
    assert (np.diff(places) >= 0).all()
    known = x[x != 0]
    back = np.array([value_of(p) for p in bin_of(known)])
    np.testing.assert_allclose(back, known, rtol=0.1)


def test_covariance_with_the_outcome_is_that_of_the_pooled_rows():
    rng = np.random.default_rng(1)
    parts = []
    for n in (80, 150, 40):
        y = rng.integers(0, 2, n)
        x = np.where(rng.random(n) < 0.2, np.nan, rng.normal(2, 3, n) + y)
        parts.append(dataset(y, x=x))
    x = np.concatenate([p.x[:, 0] for p in parts])
    y = np.concatenate([p.y for p in parts])[~np.isnan(x)]
    x = x[~np.isnan(x)]
    column = columns_of(*parts)["x"]
    assert column["pairs"] == len(x)
    expected = np.cov(x, y, bias=True)[0, 1] * len(x)
    assert float.fromhex(column["xy"]) == pytest.approx(expected, rel=1e-12)
    assert float.fromhex(column["m2"]) == pytest.approx(x.var() * len(x), rel=1e-12)


def test_the_document_is_canonical():
    rng = np.random.default_rng(2)
    document = statistics_of(dataset(LABELS, **{"größe": rng.normal(size=300), "a\"b": rng.normal(
        size=300), "sex": ["M", "F"] * 150}))  # fmt: skip
    assert codec.encode(codec.decode(document)) == document


def test_statistics_need_an_outcome():
    with pytest.raises(BadInput, match="Statistics need the outcome"):
        statistics_of(dataset(None, x=np.arange(20.0)))


def test_a_measured_outcome_publishes_no_value_of_it():
    rng = np.random.default_rng(3)
    y = rng.normal(60.123456, 10, 300)
    given = replace(dataset(y, x=rng.normal(size=300) + y / 10), kind="continuous")
    document = codec.decode(statistics_of(given))
    assert document["labels"] == {}
    column = document["columns"]["x"]
    expected = np.cov(given.x[:, 0], y, bias=True)[0, 1] * 300
    assert float.fromhex(column["xy"]) == pytest.approx(expected, rel=1e-9)
