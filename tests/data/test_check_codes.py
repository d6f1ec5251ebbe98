"""Codes for 'not known': a sentence for each column, or one for many columns of a kind."""

import numpy as np
import pytest
from data_tools import dataset

from swarmhub.data.check.values import check_values
from swarmhub.data.findings import Findings


def look(columns):
    rng = np.random.default_rng(0)
    made = {}
    for k in range(columns):
        values = rng.normal(50.0, 2.0, 200)
        values[:7] = 0.0 if k % 2 else 999.0
        made[f"gene{k}"] = values
    found = Findings(strict=False)
    check_values(dataset([0, 1] * 100, **made), found)
    return [f.sentence for f in found.found if f.topic == "codes for not known"]


def test_few_columns_are_named_one_by_one():
    sentences = look(4)
    assert len(sentences) == 4
    assert "Column 'gene0': 7 rows have the value 999" in sentences[0]


@pytest.mark.parametrize("columns", [40, 600])
def test_many_columns_of_a_kind_are_one_sentence(columns):
    sentences = look(columns)
    assert len(sentences) == 2
    assert all(f"{columns // 2} columns (" in s for s in sentences)
    assert {"zeros" in s for s in sentences} == {True, False}
    assert max(map(len, sentences)) < 500
