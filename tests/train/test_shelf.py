"""What a site keeps from round to round comes back as it was given."""

import numpy as np
import pytest

from swarmhub.errors import TrainerError
from swarmhub.train.shelf import Shelf

LOCAL = {
    "t": np.arange(6.0).reshape(2, 3).T,
    "s": np.arange(10.0)[::2],
    "b": np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
    "n": 3,
    "big": np.arange(3).astype(">i4"),
}


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "s")


def test_arrays_of_any_strides_come_back_as_they_were(shelf):
    shelf.save(2, LOCAL, {"head": np.arange(4.0).reshape(2, 2).T})
    found = shelf.load(3)
    for name, value in LOCAL.items():
        np.testing.assert_array_equal(found[name], value)
    np.testing.assert_array_equal(found["head"], [[0, 2], [1, 3]])


def test_only_earlier_rounds_are_loaded_and_two_are_kept(shelf, tmp_path):
    for number in (2, 3, 4):
        shelf.save(number, {"n": number}, {})
    assert [shelf.load(n).get("n") for n in (2, 3, 4, 5)] == [None, None, 3, 4]
    assert len(list((tmp_path / "s").iterdir())) == 2


def test_what_was_cleared_stays_cleared(shelf):
    shelf.save(2, {"n": 1}, {})
    shelf.save(3, {}, {})
    assert shelf.load(4) == {}


def test_a_torn_file_costs_a_round(shelf, tmp_path):
    shelf.save(2, {"n": 2}, {})
    shelf.save(3, {"n": 3}, {})
    (tmp_path / "s" / "3.safetensors").write_bytes(b"torn")
    assert shelf.load(4)["n"] == 2


@pytest.mark.parametrize(
    "local", [{"x": [1, 2]}, {"x": "text"}, {"x": object()}, {3: np.ones(1)}, None, 3,
              {"x": np.array([None])}, {"": np.ones(1)}, {"__metadata__": np.ones(1)}]
)  # fmt: skip
def test_what_cannot_be_kept_is_said_in_a_sentence(local, shelf):
    with pytest.raises(TrainerError, match=r"round\.local"):
        shelf.save(2, local, {})
    assert shelf.load(3) == {}


def test_a_name_of_the_models_own_is_not_taken_twice(shelf):
    with pytest.raises(TrainerError, match="'head'"):
        shelf.save(2, {"head": np.ones(1)}, {"head": np.zeros(1)})


def test_a_folder_that_cannot_be_written_is_said(shelf, tmp_path):
    (tmp_path / "s").write_text("a file")
    with pytest.raises(TrainerError, match="goes on from here"):
        shelf.save(2, {"n": 1}, {})
