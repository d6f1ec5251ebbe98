"""Statistics documents: against numpy on the pooled table, and hostile ones."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import codec
from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge import merge_statistics
from swarmhub.merge.statistics import MAX_CATEGORIES


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


def test_two_kinds_with_values_name_the_column_and_both_members():
    documents = {
        3: document(2, grade=numeric([], 2)),
        5: document(2, grade=text(["I", "II"])),
        9: document(1, grade=numeric([2.0])),
    }
    with pytest.raises(MergeError, match=r"one kind.*'grade'.*text from member 5.*member 9"):
        merge_statistics(documents)


@pytest.mark.parametrize("empty_first", [True, False])
def test_a_column_without_values_takes_the_kind_of_the_others(empty_first):
    empty, full = document(2, grade=numeric([], 2)), document(3, grade=text(["I"] * 3))
    got = merge(empty, full) if empty_first else merge(full, empty)
    expected = {"kind": "text", "count": 3, "missing": 2, "categories": {"I": 3}}
    assert got["columns"]["grade"] == expected


def test_no_documents_overflow_and_too_many_categories_are_refused():
    with pytest.raises(MergeError, match="at least one"):
        merge_statistics({})
    with pytest.raises(MergeError, match="'x' overflow"):
        merge(document(1, x=numeric([1e300])), document(1, x=numeric([-1e300])))
    sites = [document(800, x=text([f"{s}{i}" for i in range(800)])) for s in "ab"]
    with pytest.raises(MergeError, match=f"{MAX_CATEGORIES} categories in column 'x'"):
        merge(*sites)
    with pytest.raises(MergeError, match="2\\^53"):
        merge(document(codec.MAX_INT), document(codec.MAX_INT))


GOOD = {
    "kind": "numeric",
    "count": 2,
    "missing": 1,
    "mean": "0x1.8000000000000p+1",
    "m2": "0x0.0p+0",
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
        with_column(GOOD | {"m2": "-0x1.0000000000000p+0"}),
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
