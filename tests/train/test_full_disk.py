"""A trainer whose answer finds no room on the disk."""

import errno

import numpy as np
import pytest

from swarmhub.errors import TrainerError
from swarmhub.params.buffer import layout_of
from swarmhub.train import arrays
from swarmhub.train.arrays import AGAIN_S, read_arrays, write_arrays

MODEL = {"w": np.arange(4, dtype=np.float32)}


def fail(monkeypatch, *numbers):
    """Let so many writes fail with these errors, then none."""
    left, write = [*numbers], arrays.write_buffer

    def write_buffer(*given):
        if left:
            raise OSError(left.pop(0), "No space left on device")
        write(*given)

    monkeypatch.setattr(arrays, "write_buffer", write_buffer)


def test_a_full_disk_is_waited_for_and_no_training_lost(tmp_path, monkeypatch, capsys):
    fail(monkeypatch, errno.ENOSPC, errno.EDQUOT)
    layout, path, pauses = layout_of(MODEL), tmp_path / "drop", []
    write_arrays(MODEL, layout, path, pause=pauses.append)
    assert pauses == [AGAIN_S, AGAIN_S]
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1
    assert str(tmp_path) in said
    (tmp_path / "layout").write_bytes(layout.pack())
    found = {}
    read_arrays(path, tmp_path / "layout", found)
    np.testing.assert_array_equal(found["w"], MODEL["w"])


def test_a_disk_that_refuses_ends_the_trainer_with_a_sentence(tmp_path, monkeypatch):
    fail(monkeypatch, errno.EROFS)
    with pytest.raises(TrainerError, match="check its disk"):
        write_arrays(MODEL, layout_of(MODEL), tmp_path / "drop", pause=pytest.fail)
