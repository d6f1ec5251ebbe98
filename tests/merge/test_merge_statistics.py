"""Statistics documents: against numpy on the pooled table, and hostile ones."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import codec
from swarmhub.data.design import Design
from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import documents as statistics
from swarmhub.merge import merge_statistics
from swarmhub.merge.documents import MAX_CATEGORIES

ZERO = (0.0).hex()
NO_MORE = {"withheld": 0, "bins": {}, "pairs": 0, "x": ZERO, "y": ZERO, "xy": ZERO}


def numeric(values, missing: int = 0) -> dict:
    x = np.asarray(values, np.float64)
    mean = float(x.mean()) if x.size else 0.0
    m2 = float(((x - mean) ** 2).sum()) if x.size else 0.0
    return {
        "kind": "numeric",
        "count": int(x.size),
        "missing": missing,
        "mean": mean.hex(),
        "m2": m2.hex(),
        **NO_MORE,
    }


def text(values, missing: int = 0) -> dict:
    return {
        "kind": "text",
        "count": len(values),
        "missing": missing,
        "categories": dict(Counter(values)),
    }


def document(rows: int, labels=None, **columns) -> bytes:
    return codec.encode({"rows": rows, "labels": labels or {}, "columns": columns})


def merge(*documents: bytes) -> dict:
    return codec.decode(merge_statistics({i + 1: d for i, d in enumerate(documents)}))


@settings(max_examples=60, deadline=None)
@given(
    sites=st.lists(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=30), min_size=1, max_size=6)
)
def test_mean_and_m2_are_those_of_the_pooled_values(sites):
    documents = []
    for site in sites:
        values = [v for v in site if v is not None]
        documents.append(document(len(site), age=numeric(values, len(site) - len(values))))
    pooled = np.array([v for site in sites for v in site if v is not None])
    got = merge(*documents)
    age = got["columns"]["age"]
    assert got["rows"] == sum(map(len, sites)) == age["count"] + age["missing"]
    assert age["count"] == pooled.size
    if pooled.size:
        scale = np.abs(pooled).max()
        assert float.fromhex(age["mean"]) == pytest.approx(pooled.mean(), abs=1e-12 * scale)
        m2 = ((pooled - pooled.mean()) ** 2).sum()
        assert float.fromhex(age["m2"]) == pytest.approx(m2, rel=1e-9, abs=1e-12 * scale**2)


def test_a_large_offset_does_not_swallow_the_variance():
    rng = np.random.default_rng(1)
    sites = [1e9 + rng.standard_normal(1000) for _ in range(5)]
    got = merge(*(document(1000, x=numeric(s)) for s in sites))["columns"]["x"]
    pooled = np.concatenate(sites)
    assert float.fromhex(got["m2"]) == pytest.approx(((pooled - pooled.mean()) ** 2).sum(), 1e-6)


def test_rows_labels_missing_and_categories_are_added():
    a = document(4, {"AML": 3, "other": 1}, sex=text(["f", "m", "f"], 1))
    b = document(3, {"other": 1, "ALL": 2}, sex=text(["x", "f"], 1))
    assert merge(a, b) == {
        "rows": 7,
        "labels": {"AML": 3, "other": 2, "ALL": 2},
        "columns": {
            "sex": {
                "kind": "text",
                "count": 5,
                "missing": 2,
                "categories": {"f": 3, "m": 1, "x": 1},
            }
        },
    }


def test_a_column_that_a_site_does_not_know_is_missing_in_all_of_its_rows():
    first, second = document(5, x=numeric([1.0] * 5)), document(7, y=text(["a"] * 7))
    for order in ((first, second, first), (second, first, first)):
        columns = merge(*order)["columns"]
        assert (columns["x"]["count"], columns["x"]["missing"]) == (10, 7)
        assert (columns["y"]["count"], columns["y"]["missing"]) == (7, 10)


def test_the_order_in_which_documents_are_given_does_not_matter_and_the_result_merges_again():
    rng = np.random.default_rng(2)
    documents = {m: document(9, x=numeric(rng.standard_normal(9))) for m in (4, 1, 3, 2)}
    once = merge_statistics(documents)
    assert merge_statistics(dict(sorted(documents.items()))) == once
    assert merge_statistics({1: once}) == once


WORDS, NUMBERS = text(["I", "II"]), numeric([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("columns", "kind", "count"),
    [
        ([WORDS, NUMBERS, WORDS], "text", 4),  # more hospitals
        ([WORDS, NUMBERS], "numeric", 3),  # more values
        ([WORDS, numeric([1.0, 2.0])], "numeric", 2),
        ([WORDS, numeric([], 2), numeric([], 2)], "text", 2),  # who has no values has no say
    ],
)
def test_of_two_kinds_that_of_most_hospitals_counts_and_the_rest_is_missing(columns, kind, count):
    sites = [document(c["count"] + c["missing"], grade=c) for c in columns]
    rows = sum(c["count"] + c["missing"] for c in columns)
    for order in (sites, sites[::-1]):
        grade = merge(*order)["columns"]["grade"]
        assert (grade["kind"], grade["count"], grade["missing"]) == (kind, count, rows - count)


def test_a_contradicting_hospital_changes_nothing_about_the_others_values():
    honest = [document(3, x=NUMBERS), document(2, x=numeric([5.0, 7.0]))]
    lying = document(9, x=text(["a"] * 9))
    alone, disturbed = merge(*honest)["columns"]["x"], merge(lying, *honest)["columns"]["x"]
    assert disturbed == alone | {"missing": 9}


@pytest.mark.parametrize("empty_first", [True, False])
def test_a_column_without_values_takes_the_kind_of_the_others(empty_first):
    empty, full = document(2, grade=numeric([], 2)), document(3, grade=text(["I"] * 3))
    got = merge(empty, full) if empty_first else merge(full, empty)
    expected = {"kind": "text", "count": 3, "missing": 2, "categories": {"I": 3}}
    assert got["columns"]["grade"] == expected


def test_no_documents_are_refused():
    with pytest.raises(MergeError, match="at least one"):
        merge_statistics({})


def test_beyond_the_limits_what_most_hospitals_have_is_kept(monkeypatch):
    """One hospital's inventions crowd out nothing, and stop nothing."""
    made_up = [f"{i:04}" for i in range(MAX_CATEGORIES)]
    honest = document(2, {"AML": 2}, x=text(["f", "m"]))
    lying = document(3000, dict.fromkeys(made_up, 3), x=text(made_up * 3))
    got = merge(lying, honest, honest)
    assert len(got["labels"]) == len(got["columns"]["x"]["categories"]) == MAX_CATEGORIES
    assert got["labels"]["AML"] == 4
    assert got["columns"]["x"]["categories"]["f"] == got["columns"]["x"]["categories"]["m"] == 2

    honest = document(3, z=NUMBERS)
    lying = document(3, **{f"a{i}": NUMBERS for i in range(20)})
    monkeypatch.setattr(statistics, "MAX_COLUMNS", 20)  # a document has so many, the merge more
    assert len(merge(lying, honest, honest)["columns"]) == 20
    assert "z" in merge(lying, honest, honest)["columns"]
    monkeypatch.setattr(statistics, "MAX_DOCUMENT", len(lying))
    more = document(3, **{f"b{i}": NUMBERS for i in range(20)})
    small = merge_statistics({1: lying, 2: honest, 3: honest, 4: more})
    assert len(lying) - 150 < len(small) <= len(lying)
    assert "z" in codec.decode(small)["columns"]


LARGEST = {"kind": "numeric", "count": (1 << 40) - 1, "missing": 1, **NO_MORE}


@given(st.lists(st.tuples(st.floats(-1e100, 1e100), st.floats(0, 1e250)), min_size=2, max_size=9))
def test_documents_that_are_valid_can_always_be_merged(sites):
    extremes = [(1e100, 1e250), (-1e100, 1e250), *sites]
    documents = [
        document(1 << 40, x=LARGEST | {"mean": mean.hex(), "m2": m2.hex()}) for mean, m2 in extremes
    ]
    found = merge(*documents)["columns"]["x"]
    assert abs(float.fromhex(found["mean"])) <= 1.0001e100
    assert 0 <= float.fromhex(found["m2"]) < 1e252


GOOD = {
    "kind": "numeric",
    "count": 2,
    "missing": 1,
    "mean": "0x1.8000000000000p+1",
    "m2": "0x0.0p+0",
    **NO_MORE,
    "bins": {"-7": 1, "0": 1},
}
WORD = {"kind": "text", "count": 2, "missing": 1, "categories": {"a": 2}}


def with_column(column, name: str = "x"):
    return {"rows": 3, "labels": {}, "columns": {name: column}}


@pytest.mark.parametrize(
    "hostile",
    [
        [],
        None,
        {"rows": 3, "labels": {}},
        {"rows": 3, "labels": {}, "columns": {}, "more": 1},
        {"rows": -1, "labels": {}, "columns": {}},
        {"rows": True, "labels": {}, "columns": {}},
        {"rows": "3", "labels": {}, "columns": {}},
        {"rows": 3, "labels": [], "columns": {}},
        {"rows": 3, "labels": {"a": 4}, "columns": {}},
        {"rows": 3, "labels": {"": 1}, "columns": {}},
        {"rows": 3, "labels": {"a": -1}, "columns": {}},
        {"rows": 3, "labels": {}, "columns": []},
        with_column(GOOD, ""),
        with_column(GOOD, "n" * 513),
        with_column([]),
        with_column({}),
        with_column(GOOD | {"kind": "date"}),
        with_column(GOOD | {"kind": ["numeric"]}),
        with_column(GOOD | {"categories": {}}),
        with_column(GOOD | {"count": 3}),
        with_column(GOOD | {"count": -1, "missing": 4}),
        with_column(GOOD | {"missing": False}),
        with_column(GOOD | {"mean": 3}),
        with_column(GOOD | {"mean": None}),
        with_column(GOOD | {"mean": "3.0"}),
        with_column(GOOD | {"mean": "nan"}),
        with_column(GOOD | {"mean": "inf"}),
        with_column(GOOD | {"mean": "0x1p+1"}),
        with_column(GOOD | {"mean": "0x1p+99999"}),
        with_column(GOOD | {"mean": (1.001e100).hex()}),
        with_column(GOOD | {"m2": (1.001e250).hex()}),
        {"rows": (1 << 40) + 1, "labels": {}, "columns": {}},
        with_column(GOOD | {"m2": "-0x1.0000000000000p+0"}),
        with_column(GOOD | {"withheld": 1}),
        with_column(GOOD | {"withheld": -1}),
        with_column(GOOD | {"pairs": 3}),
        with_column(GOOD | {"x": (1.001e100).hex()}),
        with_column(GOOD | {"y": "nan"}),
        with_column(GOOD | {"xy": (-1.001e250).hex()}),
        with_column(GOOD | {"bins": {"0": 3}}),
        with_column(GOOD | {"bins": {"00": 1}}),
        with_column(GOOD | {"bins": {"1001": 1}}),
        with_column(GOOD | {"bins": {"\u0661": 1}}),
        with_column(GOOD | {"bins": [1]}),
        with_column(GOOD | {"bins": {str(i): 0 for i in range(401)}}),
        with_column(WORD | {"withheld": 0}),
        with_column(WORD | {"categories": {"a": 3}}),
        with_column(WORD | {"categories": {"a": 2, "b": 1}}),
        with_column(WORD | {"categories": {"": 1}}),
        with_column(WORD | {"categories": {"a": "1"}}),
        with_column(WORD | {"categories": {str(i): 0 for i in range(MAX_CATEGORIES + 1)}}),
    ],
)
def test_a_hostile_document_is_refused_and_its_member_named(hostile):
    good = document(3, x=GOOD)
    with pytest.raises(BadContribution) as caught:
        merge_statistics({1: good, 7: codec.encode(hostile), 9: good})
    assert caught.value.member == 7


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{",
        b'{"rows": 3}',
        json.dumps({"rows": 1.5}).encode(),
        b'{"columns":{},"labels":{},"rows":NaN}',
        b"[" * 100_000,
        b" " * ((64 << 20) + 1),
    ],
)
def test_bytes_that_are_no_canonical_json_are_refused(data):
    with pytest.raises(BadContribution) as caught:
        merge_statistics({4: data})
    assert caught.value.member == 4


def test_the_good_columns_of_these_tests_are_good():
    assert merge(document(3, x=GOOD, y=WORD))["columns"] == {"x": GOOD, "y": WORD}


def test_twenty_thousand_transcripts_are_merged():
    columns = {f"ENSG{i:011}": GOOD for i in range(20_000)}
    data = codec.encode({"rows": 3, "labels": {}, "columns": columns})
    got = codec.decode(merge_statistics({1: data, 2: data}), 64 << 20)
    assert len(got["columns"]) == 20_000
    assert got["columns"]["ENSG00000000000"]["count"] == 4


def test_names_may_have_brackets_and_the_merge_can_be_read():
    """Or a hospital could send names of which the merge has more brackets than are read."""
    names = ["{" * 500 + f"{i}" for i in range(900)]
    lying = document(900, dict.fromkeys(names, 1), **{"glucose [mg/dl]": numeric([1.0] * 900)})
    honest = document(3, {"0": 1, "1": 2}, **{"glucose [mg/dl]": numeric([1.0, 2.0, 4.0])})
    design = Design.from_statistics(merge_statistics({1: honest, 2: lying, 3: honest}))
    assert design.names == ("glucose [mg/dl]",)


def test_pairs_bins_and_withheld_rows_are_added():
    site = numeric([1.0, 2.0, 4.0]) | {"pairs": 3, "x": (7 / 3).hex(), "y": (1 / 3).hex()}
    one = document(5, x=site | {"xy": (5 / 3).hex(), "withheld": 2, "bins": {"3": 3}})
    found = merge(one, one)["columns"]["x"]
    assert (found["withheld"], found["pairs"], found["bins"]) == (4, 6, {"3": 6})
    assert float.fromhex(found["xy"]) == pytest.approx(10 / 3)


def test_nobody_has_more_rows_than_its_weight_says():
    one, other = document(5, x=numeric([1.0] * 5)), document(6, x=numeric([2.0] * 6))
    assert merge_statistics({1: one, 2: other}, {1: 5, 2: 9}) == merge_statistics(
        {1: one, 2: other}
    )
    with pytest.raises(BadContribution, match="rows") as caught:
        merge_statistics({1: one, 2: other}, {1: 5, 2: 5})
    assert caught.value.member == 2


def test_more_labels_than_rows_are_refused():
    with pytest.raises(BadContribution, match="labels"):
        merge_statistics({1: document(5, {"0": 3, "1": 3})})
