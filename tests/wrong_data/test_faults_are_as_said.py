"""Each fault is of the kind and size that its line in the list says."""

import csv
import io
import os
import re

import numpy as np
import pytest

from .clean import HOSPITALS
from .faults import SEEDS
from .reading import auc, made, numbers, positives, read, text_of, twin_of
from .sheets import line_of

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(
        not os.environ.get("SWARMHUB_LONG"), reason="tests of test data: SWARMHUB_LONG=1"
    ),
]
seeds = pytest.mark.parametrize("seed", SEEDS)
UNITS = {
    "unit-creatinine": 88.42, "unit-glucose": 1 / 18.016, "unit-weight": 2.2046,
    "unit-temperature": 2.7,
}  # fmt: skip


def pooled(found, column):
    sheets = [read(found, h) for h in HOSPITALS]
    label = np.concatenate([positives(found, sheet) for sheet in sheets])
    return label, np.concatenate([numbers(sheet, column) for sheet in sheets])


@pytest.mark.parametrize("name", UNITS)
@seeds
def test_a_unit_has_its_factor(name, seed):
    found, twin = made(name, seed), twin_of(name, seed)
    now = numbers(read(found), found.column)
    ratio = now / numbers(twin.sheets[found.hospital], found.column)
    changed = ratio[~np.isnan(ratio) & (abs(ratio - 1) > 0.01)]
    assert abs(np.median(changed) / UNITS[name] - 1) < 0.05
    share = len(changed) / np.sum(~np.isnan(ratio))
    assert 0.2 < share < 0.5 if seed == 2 else share > 0.99


@pytest.mark.parametrize("name", ["log-one", "log-all"])
@seeds
def test_raw_intensities_are_powers_of_two(name, seed):
    found, twin = made(name, seed), twin_of(name, seed)
    column = found.column or twin.panel[3]
    old, now = numbers(twin.sheets[found.hospital], column), numbers(read(found), column)
    back = np.log2(now) - old
    assert np.nanstd(back) < 0.1


@pytest.mark.parametrize("name", ["sentinel-minus-9", "sentinel-999", "sentinel-zero"])
@seeds
def test_a_code_is_far_from_all_other_hospitals(name, seed):
    found = made(name, seed)
    own = numbers(read(found), found.column)
    code = {"m": -9, "9": 9999 if seed == 2 else 999, "z": 0}[name.split("-")[1][0]]
    others = np.concatenate([numbers(read(found, h), found.column)
                             for h in HOSPITALS if h != found.hospital])  # fmt: skip
    assert 0.005 < np.mean(own == code) < 0.2
    assert not np.any(others == code)
    assert code < np.nanmin(others) or code > np.nanmax(others)


@seeds
def test_outcome_leaks_have_the_stated_strength(seed):
    proxy, treated = made("outcome-proxy", seed), made("post-treatment", seed)
    assert 0.955 < auc(*pooled(proxy, proxy.column)) < 0.985
    label, values = pooled(treated, treated.column)
    assert max(auc(label, values), auc(label, np.isnan(values).astype(float))) > 0.9


@seeds
def test_an_outcome_copy_is_the_outcome(seed):
    found = made("outcome-copy", seed)
    for hospital in HOSPITALS:
        sheet = read(found, hospital)
        pairs = set(zip(positives(found, sheet), sheet.cells(found.column), strict=True))
        assert len({text for _, text in pairs if text}) == 2
        assert len([1 for _, text in pairs if text]) == 2


@seeds
def test_a_good_marker_is_no_proxy(seed):
    assert 0.82 < auc(*pooled(made("good-marker", seed), "ferritin")) < 0.88


@seeds
def test_inverted_labels_are_those_of_the_twin_turned(seed):
    found, twin = made("inverted-labels", seed), twin_of("inverted-labels", seed)
    now = positives(found, read(found))
    then = positives(found, twin.sheets[found.hospital])
    assert (now != then).all()


@seeds
def test_sites_and_plates_part_the_outcome(seed):
    found = made("site-confounded", seed)
    shares = sorted(np.mean(positives(found, read(found, h))) for h in HOSPITALS)
    assert shares[1] < 0.12
    assert shares[2] > 0.88
    found = made("batch-confounded", seed)
    sheet = read(found)
    on_first = np.array(sheet.cells("plate")) == "plate 1"
    assert np.mean(on_first == positives(found, sheet)) > 0.82


@seeds
def test_one_class_is_left(seed):
    found = made("one-class", seed)
    assert len(set(read(found).cells(found.column)) - {""} - set(found.declaration["outcome"]
               ["negative"])) == (seed != 1)  # fmt: skip


@seeds
def test_a_patient_has_two_outcomes(seed):
    found = made("contradictory-outcomes", seed)
    sheet = read(found)
    pairs = zip(sheet.cells("patient_id"), positives(found, sheet), strict=True)
    seen = list(set(pairs))
    assert len(seen) - len({patient for patient, _ in seen}) == (4, 2, 1)[seed]


@seeds
def test_the_same_patient_is_on_both_sides(seed):
    found = made("both-sides", seed)
    sides = [{i.upper() for i in read(found, found.hospital, f"{found.hospital}-{side}.csv")
              .cells("patient_id")} for side in ("train", "test")]  # fmt: skip
    assert len(sides[0] & sides[1]) == {1: 2, 2: 1}.get(seed, len(sides[0] & sides[1])) > 0
    right = made("right-split", seed)
    for h in HOSPITALS:
        train, test = (set(read(right, h, f"{h}-{s}.csv").cells("patient_id"))
                       for s in ("train", "test"))  # fmt: skip
        assert not train & test


@seeds
def test_a_second_row_repeats_the_first(seed):
    rows = read(made("duplicated-rows", seed)).rows
    again = made("duplicated-rows", seed).line - line_of(0)
    assert rows[again] in rows[:again]
    ids = [i.strip() for i in read(made("duplicated-samples", seed)).cells("sample_id")]
    assert len(ids) - len(set(ids)) == 1


@seeds
def test_two_ids_have_the_same_panel(seed):
    found, twin = made("two-ids", seed), twin_of("two-ids", seed)
    sheet = read(found)
    values = np.array([numbers(sheet, p) for p in twin.panel]).T
    last = np.round(values[found.line - line_of(0)], 2)
    same = np.nanmax(abs(values - last), 1) < 0.0051
    assert len({sheet.cells("patient_id")[k] for k in np.flatnonzero(same)}) == 2


@seeds
def test_a_counter_follows_the_outcome(seed):
    found = made("row-counter", seed)
    sheet = read(found)
    assert auc(positives(found, sheet), numbers(sheet, "nr")) == 1
    other = read(found, next(h for h in HOSPITALS if h != found.hospital))
    assert auc(positives(found, other), numbers(other, "nr")) < 0.75


@seeds
def test_bytes_are_where_they_are_said_to_be(seed):
    content = next(iter(made("nul-byte", seed).files[made("nul-byte", seed).hospital].values()))
    line = content[: content.index(0)].count(b"\n") + 1
    assert made("nul-byte", seed).line == line
    found = made("latin-1", seed)
    lines = found.files[found.hospital][found.file].split(b"\n")
    with pytest.raises(UnicodeDecodeError):
        lines[found.line - 1].decode()
    assert all(line.decode() or True for line in lines[: found.line - 1])


@seeds
def test_lines_are_torn_as_said(seed):
    short = made("short-row", seed)
    lines = text_of(short).split("\n")
    assert lines[short.line - 1].count(",") < lines[0].count(",")
    blank = made("blank-line", seed)
    assert text_of(blank).split("\n")[blank.line - 1].strip(" ,") == ""
    twice = made("header-twice", seed)
    lines = text_of(twice).split("\n")
    assert lines[twice.line - 1] == lines[0]


@seeds
def test_a_quote_swallows_rows_without_a_word(seed):
    found = made("unclosed-quote", seed)
    assert text_of(found).split("\n")[found.line - 1].count('"') == 1
    rows = list(csv.reader(io.StringIO(text_of(found), newline="")))
    clean = len(twin_of("unclosed-quote", seed).sheets[found.hospital].rows) + 1
    assert len(rows) < clean
    if seed == 2:
        assert {len(row) for row in rows} == {len(rows[0])}


@seeds
def test_ids_collide_only_as_numbers(seed):
    ids = set(read(made("ids-above-2-53", seed)).cells("patient_id"))
    assert min(map(int, ids)) > 2**53
    assert len({float(i) for i in ids}) < len(ids)
    if seed == 0:
        zeros = set(read(made("leading-zeros", seed)).cells("patient_id"))
        assert len({int(i) for i in zeros}) == len(zeros) - 1
    rounded = read(made("rounded-ids", seed))
    column = made("rounded-ids", seed).column
    assert len(set(rounded.cells(column))) < len(rounded.rows) / 2


@seeds
def test_dates_are_written_in_two_ways(seed):
    found = made("mixed-dates", seed)
    dates = read(found).cells(found.column)
    slashed = [d for d in dates if re.fullmatch(r"\d\d/\d\d/\d{4}", d)]
    assert 0 < len(slashed) < len(dates)
    assert len(slashed) + sum(bool(re.fullmatch(r"\d{4}-\d\d-\d\d", d)) for d in dates) == len(
        dates
    )


@seeds
def test_columns_are_lost_doubled_swapped_or_still(seed):
    lost, doubled = made("missing-columns", seed), made("duplicate-header", seed)
    assert len(set(lost.declaration["inputs"]) - set(read(lost).names)) == 3 - seed
    assert read(doubled).names.count(doubled.column) == 2
    still = read(made("constant-column", seed))
    assert len(set(still.cells(made("constant-column", seed).column)) - {"", "NA"}) == 1
    swapped, twin = made("swapped-columns", seed), twin_of("swapped-columns", seed)
    old, now = twin.sheets[swapped.hospital], read(swapped)
    assert [n for n in now.names if now.cells(n) != old.cells(n)].count(swapped.column) == 1
    assert sum(now.cells(n) != old.cells(n) for n in now.names) == 2
