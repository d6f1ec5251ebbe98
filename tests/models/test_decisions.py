"""Decisions of training that new patients' data do not change: one row is read as all are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from data_tools import dataset, merged
from model_tools import DIAGNOSIS, arrays_of, exported_of, model_of, predict, text_of, write

from swarmhub.contract.records import Inputs
from swarmhub.data.design import Design, Source
from swarmhub.errors import BadInput
from swarmhub.models.predict import Model


def numbered(folder):
    """A model with a column of words that mostly look like numbers: 1, 2, 2a."""
    lines = [f"{40 + k % 30},{['1', '2', '2a'][k % 3]},{['PD', 'healthy'][k * 7 % 5 < 2]}"
             for k in range(90)]  # fmt: skip
    path = write(folder, "\n".join(["age,grade,diagnosis", *lines]) + "\n", "t.csv")
    return Model(exported_of([path]))


def test_words_that_look_like_numbers_stay_words(tmp_path):
    model = numbered(tmp_path)
    assert Source("category", "grade", "2") in model.design.sources
    mixed = predict(model, tmp_path, "age,grade\n50,2\n50,2a\n")
    alone = predict(model, tmp_path, "age,grade\n50,2\n")
    assert alone.notes == mixed.notes == ()
    assert alone.probability[0] == mixed.probability[0] != mixed.probability[1]
    for values in ([2], [2.0], ["2"], np.array([2], np.uint8), pd.array([2], "Int64")):
        found = model.predict({"age": [50], "grade": values})
        assert found.probability.tolist() == alone.probability.tolist()


def test_words_that_look_like_record_numbers_stay_categories(tmp_path):
    codes = [f"C{500 + k}" for k in range(12)]
    design = Design(
        tuple(Source("category", "icd", code) for code in codes),
        np.full(12, 1 / 12), np.full(12, 0.3), (5, 5),
    )  # fmt: skip
    model = model_of(design)
    whole = predict(model, tmp_path, "icd\n" + "\n".join(codes) + "\n")
    assert whole.notes == ()
    assert len(set(whole.probability)) == 12
    assert predict(model, tmp_path, "icd\nC503\n").probability[0] == whole.probability[3]


def test_booleans_are_numbers_or_words_as_in_training():
    data = dataset([0, 1] * 20, smoker=np.array([0.0, 1.0] * 20), ward=["True", "False"] * 20)
    design = Design.from_statistics(merged(data))
    model = model_of(design)
    one = model.predict({"smoker": [1.0, 0.0], "ward": ["True", "False"]})
    two = model.predict(pd.DataFrame({"smoker": [True, False], "ward": [True, False]}))
    three = model.predict(
        pd.DataFrame({"smoker": [True, False], "ward": [True, False]}, dtype="boolean")
    )
    assert one.probability.tolist() == two.probability.tolist() == three.probability.tolist()
    assert one.notes == two.notes == ()


LIMITED = replace(DIAGNOSIS, inputs=(Inputs("table", below_limit="half"),))


def test_a_flag_of_values_below_the_limit_is_zero_without_them(tmp_path):
    lines = [f"{'<2' if k % 3 == 0 else k % 7 + 2},{['PD', 'healthy'][k * 7 % 5 < 2]}"
             for k in range(90)]  # fmt: skip
    path = write(tmp_path, "\n".join(["crp,diagnosis", *lines]) + "\n", "t.csv")
    model = Model(exported_of([path], LIMITED))
    assert "crp below the limit" in model.design.names
    mixed = predict(model, tmp_path, "crp\n5\n<2\n4\n\n")
    alone = predict(model, tmp_path, "crp\n5\n4\n")
    assert mixed.probability[[0, 2]].tolist() == alone.probability.tolist()
    assert "1 of 3 values are below the limit" in mixed.notes[0]


def test_declared_transforms_are_applied_to_new_data(tmp_path):
    logged = replace(DIAGNOSIS, inputs=(Inputs("table", ("crp",), transform="log2"),))
    model = Model(exported_of([write(tmp_path, text_of(), "t.csv")], logged))
    found = predict(model, tmp_path, "crp\n4\n")
    z = (2.0 - model.design.mean[0]) / model.design.sd[0]
    a = arrays_of("logistic", 1)
    assert found.probability[0] == pytest.approx(
        1 / (1 + np.exp(-(a["weight"] * z + a["bias"])[0]))
    )
    with pytest.raises(BadInput, match="expected positive numbers for the declared log2"):
        predict(model, tmp_path, "crp\n0\n")
