"""On how many samples a metric was measured, as a trainer tells its node."""

import numpy as np
from builders import spec_of

from swarmhub import codec
from swarmhub.train.adapters import Parameters, adapt
from swarmhub.train.session import Swarm

ENROLLED = 70


class LastEvaluation:
    """A node whose study has only its last evaluation to do; keeps the answer."""

    def __init__(self, folder):
        self.folder, self.answers = folder, []
        self.base = folder / "base"
        self.layout = Parameters(adapt({"w": np.zeros(3)}), ()).write(self.base).digest

    def post(self, path, body):
        if path.endswith("/attach"):
            return {"fence": 1, "samples": ENROLLED, "spec": codec.to_json(spec_of(layout=""))}
        if path.endswith("/answer"):
            self.answers.append(body)
            return {}
        base = {"base": "b" * 64, "base_path": str(self.base), "layout": self.layout}
        if self.answers:
            return {"state": "over", **base}
        last = {"kind": "evaluation", "number": 4, "training_round": 3, "rounds": 2, "drop": ""}
        return {"state": "task", **last, **base}

    def close(self):
        pass


def answer(tmp_path, metrics):
    (tmp_path / "run").mkdir()
    node = LastEvaluation(tmp_path)
    with Swarm("heart", tmp_path, None, node) as swarm:
        assert list(swarm.rounds({"w": np.zeros(3)}, evaluate=lambda: metrics)) == []
    return node.answers[0]["evaluations"][0]["samples"]


def test_a_trainer_that_starts_with_the_evaluation_counts_its_rows(tmp_path):
    assert answer(tmp_path, {"auc": 0.8}) == ENROLLED


def test_the_rows_that_a_trainer_names_are_recorded(tmp_path):
    assert answer(tmp_path, {"auc": 0.8, "samples": 150}) == 150
