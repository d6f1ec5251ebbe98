"""A node drops what is history while its trainer reads: the trainer asks again."""

import numpy as np
import pytest

from swarmhub import codec
from swarmhub.contract.records import Spec
from swarmhub.errors import TrainerError
from swarmhub.params import buffer_of
from swarmhub.train import session, tasks


class Node:
    """Gives out the tasks in turn, the last of them again and again."""

    def __init__(self, *tasks):
        self.tasks = list(tasks)

    def post(self, path, body):
        if path.endswith("/attach"):
            spec = Spec(name="s", rounds=1, min_peers=1)
            return {"fence": 1, "spec": codec.to_json(spec), "samples": 1,
                    "member": 1, "enrolled": [1, 2]}  # fmt: skip
        return self.tasks.pop(0) if len(self.tasks) > 1 else self.tasks[0]

    def close(self):
        pass


def train(tmp_path, monkeypatch, *files):
    """The model after the end of a study with such a file as its last model, one after another."""
    monkeypatch.setattr(tasks, "MISSED_PAUSE_S", 0.0)
    (tmp_path / "run").mkdir()
    layout, data = buffer_of({"w": np.arange(3.0)})
    (tmp_path / "whole").write_bytes(data)
    over = {"state": "over", "model": "d", "layout": layout.digest}
    given = [{**over, "model_path": str(tmp_path / name)} for name in files]
    model = {"w": np.zeros(3)}
    with session.Swarm("s", tmp_path, None, Node(*given)) as swarm:
        list(swarm.rounds(model))
    return model["w"].tolist()


def test_a_trainer_asks_again_for_what_was_swept(tmp_path, monkeypatch):
    assert train(tmp_path, monkeypatch, "gone", "whole") == [0.0, 1.0, 2.0]


def test_a_file_that_is_never_there_is_said(tmp_path, monkeypatch):
    with pytest.raises(TrainerError, match="start the node again"):
        train(tmp_path, monkeypatch, "gone")
