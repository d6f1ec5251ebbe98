"""On how many samples a metric was measured, as a trainer tells its node."""

import numpy as np
from builders import spec_of

from swarmhub import codec, train
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.recipes.linear.training import Training
from swarmhub.recipes.preparing import Sources, prepare
from swarmhub.recipes.trainer import train_table
from swarmhub.train.adapters import Parameters, adapt
from swarmhub.train.notices import Notices
from swarmhub.train.session import Swarm

ENROLLED = 70


class LastEvaluation:
    """A node whose study has only its last evaluation to do; keeps the answer."""

    def __init__(self, folder, spec=None, model=None, statistics=""):
        (folder / "run").mkdir()
        self.folder, self.answers, self.statistics = folder, [], str(statistics)
        self.spec = spec or spec_of(layout="")
        self.base = folder / "base"
        model = model or {"w": np.zeros(3)}
        self.layout = Parameters(adapt(model), ()).write(self.base).digest

    def post(self, path, body):
        if path.endswith("/attach"):
            return {"fence": 1, "samples": ENROLLED, "spec": codec.to_json(self.spec),
                    "member": 1, "enrolled": [1, 2]}  # fmt: skip
        if path.endswith("/answer"):
            self.answers.append(body)
            return {}
        document = {"digest": "d" * 64, "number": 1, "path": self.statistics}
        base = {"base": "b" * 64, "model": "b" * 64, "model_path": str(self.base),
                "layout": self.layout,
                "results": {"statistics": document} if self.statistics else {}}  # fmt: skip
        if self.answers:
            return {"state": "over", **base}
        last = {"kind": "evaluate", "stage": "evaluation", "number": 4, "turn": 1, "rounds": 1,
                "drop": "", "spec": compute_spec_digest(self.spec)}  # fmt: skip
        return {"state": "task", **last, **base}

    def close(self):
        pass


def answer(tmp_path, metrics):
    node = LastEvaluation(tmp_path)
    with Swarm("heart", tmp_path, None, node) as swarm:
        assert list(swarm.rounds({"w": np.zeros(3)}, evaluate=lambda: metrics)) == []
    return node.answers[0]["evaluations"][0]["samples"]


def test_a_trainer_that_starts_with_the_evaluation_counts_its_rows(tmp_path):
    assert answer(tmp_path, {"auc": 0.8}) == ENROLLED


def test_the_rows_that_a_trainer_names_are_recorded(tmp_path):
    assert answer(tmp_path, {"auc": 0.8, "samples": 150}) == 150


def test_a_site_that_lacks_the_metric_is_told_so_once(tmp_path):
    said = []
    with Swarm("heart", tmp_path, None, LastEvaluation(tmp_path), Notices(said.append)) as swarm:
        assert list(swarm.rounds({"w": np.zeros(3)}, evaluate=lambda: {"loss": 0.5})) == []
    (sentence,) = [s for s in said if "no say" in s]
    assert sentence.startswith("the study's metric is 'auc', but this trainer measures 'loss'")


def test_the_trainer_of_tables_says_once_why_it_has_no_say(tmp_path, monkeypatch):
    table = tmp_path / "rows.csv"
    table.write_text("label,age\n" + "".join(f"{k % 2},{k + 30}\n" for k in range(40)))
    source, said = Sources(Files((table,)), label="label", hold_out=0.0), []
    document = tmp_path / "statistics"
    spec = spec_of(layout="", statistics=True)
    document.write_bytes(prepare(spec, source, Findings()).statistics)
    model = Training.cold(1, (20, 20), 0.1).initial()
    node = LastEvaluation(tmp_path, spec, model, document)
    swarm = Swarm("heart", tmp_path, None, node, Notices(said.append))
    monkeypatch.setattr(train, "join", lambda *given: swarm)
    train_table("heart", tmp_path, source, said.append)
    (sentence,) = [s for s in said if "no say" in s]
    assert sentence.startswith(
        "No patients are set aside here, or fewer than 20: this hospital has no say"
    )
