"""A trainer's course, played by a node that hands out tasks from a list."""

import numpy as np
import pytest

from swarmhub import codec
from swarmhub.contract.records import Spec
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.errors import FenceError, TrainerError
from swarmhub.params import buffer_of
from swarmhub.train import Swarm, tasks
from swarmhub.train.notices import Notices


class Node:
    """Answers as a node's door does; keeps what it is asked."""

    def __init__(self, tasks, spec=None, restarts=0):
        self.tasks, self.asked, self.restarts = list(tasks), [], restarts
        self.spec = spec or Spec("s", 2, 2)

    def post(self, path, body):
        self.asked.append((path.rsplit("/", 1)[1], body))
        if path.endswith("attach"):
            return {"fence": 1, "spec": codec.to_json(self.spec), "samples": 100,
                    "member": 1, "enrolled": [1, 2]}  # fmt: skip
        found = self.tasks.pop(0) if path.endswith("next") else self.take()
        if isinstance(found, Exception):
            raise found
        return found

    def take(self):
        if self.restarts:
            self.restarts -= 1
            return FenceError("unknown")
        return {"state": "taken"}

    def close(self):
        pass

    def answers(self):
        return [body for what, body in self.asked if what == "answer"]


@pytest.fixture
def play(tmp_path):
    """Run a trainer over a list of tasks; gives (its swarm, what the node heard, what was said)."""
    (tmp_path / "run").mkdir()

    def run(tasks, model, train=lambda turn: turn.report(samples=10), evaluate=None, **more):
        node, said = Node(tasks, **more), []
        with Swarm("s", tmp_path, None, node, Notices(said.append, lambda: 0.0)) as swarm:
            for turn in swarm.rounds(model, evaluate):
                train(turn)
        return swarm, node, said

    return run


@pytest.fixture
def base(tmp_path):
    """A settled model of two weights, as a task names it."""
    layout, data = buffer_of({"w": np.array([3.0, 4.0])})
    (tmp_path / "base").write_bytes(data)
    return model_at(tmp_path / "base", layout)


def model_at(path, layout):
    digest = "ab" * 32
    return {"base": digest, "model": digest, "model_path": str(path), "layout": layout.digest}


STAGES = {"initial": "initial", "train": "training", "evaluate": "evaluation", "sum": "moments"}


def task(base, tmp_path, kind="train", number=2, **more):
    found = {"state": "task", "kind": kind, "stage": STAGES[kind], "number": number}
    found |= {"turn": number - 1, "rounds": 2, "spec": compute_spec_digest(Spec("s", 2, 2))}
    return {**found, "drop": str(tmp_path / "drop"), "results": {}, **base, **more}


def over(base, **more):
    return {"state": "over", "why": "finished", **base, **more}


def test_a_trainer_after_the_end_gets_the_last_model(play, base, tmp_path):
    (tmp_path / "statistics").write_bytes(b"{}")
    model = {"w": np.zeros(2)}
    document = {"digest": "d" * 64, "number": 1, "path": str(tmp_path / "statistics")}
    last = over(base, results={"statistics": document})
    swarm, node, said = play([last], lambda: model, spec=Spec("s", 2, 2, statistics=True))
    np.testing.assert_array_equal(model["w"], [3, 4])
    assert swarm.merged_statistics == b"{}"
    assert said == [f"The study 's' is over; the last model is {'ab' * 32}."]
    assert node.answers() == []


def test_a_study_that_is_over_without_a_model_is_said(play):
    _, _, said = play([{"state": "over", "why": "expired"}], {"w": np.zeros(2)})
    assert said == ["The study 's' is over; no model of it is held here."]


def test_a_last_model_that_is_gone_is_a_sentence(play, base, monkeypatch):
    monkeypatch.setattr(tasks, "MISSED_PAUSE_S", 0.0)
    lost = over({**base, "model_path": "/none"})
    with pytest.raises(TrainerError, match="it is gone; start the node again"):
        play([lost] * tasks.MISSED_TRIES, {"w": np.zeros(2)})


def test_a_read_only_model_is_refused_before_any_task(play):
    with pytest.raises(TrainerError, match="'w' cannot be written to"):
        play([], {"w": np.frombuffer(bytes(16))})


def test_the_wait_is_said_when_it_changes(play, base):
    waits = [{"state": "waiting", "for": f"waiting for {who}"} for who in "AAB"]
    _, _, said = play([*waits, {"state": "waiting"}, over(base)], {"w": np.zeros(2)})
    assert said[:2] == ["waiting for A", "waiting for B"]
    assert len(said) == 3


def test_an_answer_that_is_refused_later_ends_the_trainer(play, base, tmp_path):
    with pytest.raises(TrainerError, match="The loss is too large"):
        play([task(base, tmp_path, refused="The loss is too large.")], {"w": np.zeros(2)})


def test_a_node_that_knows_no_fence_is_attached_to_again(play, base):
    _, node, _ = play([FenceError("another trainer"), over(base)], {"w": np.zeros(2)})
    assert [what for what, _ in node.asked] == ["attach", "next", "attach", "next"]


def trained_over_a_restart(play, base, tmp_path, then):
    """How often a round is trained, and the answers, if the node restarts before the answer."""
    turns = []

    def train(turn):
        turns.append(turn.number)
        turn.report(samples=10)

    given = [task(base, tmp_path), then, over(base)]
    _, node, _ = play(given, {"w": np.zeros(2)}, train, restarts=1)
    return turns, [(a["number"], a["path"]) for a in node.answers()]


def test_a_training_over_which_the_node_restarts_is_not_lost(play, base, tmp_path):
    new = tmp_path / "new"
    again = task(base, tmp_path, drop=str(new))
    turns, answers = trained_over_a_restart(play, base, tmp_path, again)
    assert turns == [1]
    assert answers == [(2, str(tmp_path / "drop")), (2, str(new))]
    assert new.read_bytes() == (tmp_path / "drop").read_bytes() != b""


def test_an_answer_to_a_round_that_went_on_meanwhile_is_late(play, base, tmp_path):
    turns, answers = trained_over_a_restart(play, base, tmp_path, {"state": "waiting"})
    assert (turns, len(answers)) == ([1], 1)


def test_a_refusal_that_speaks_of_attaching_is_no_fence(play):
    with pytest.raises(TrainerError, match="attached to"):
        play([TrainerError("A virus is attached to the file.")], {"w": np.zeros(2)})


def test_the_merged_models_metric_is_said_each_round(play, base, tmp_path):
    given = [task(base, tmp_path, number=n) for n in (2, 3)]
    given += [task(base, tmp_path, "evaluate", 4), over(base)]
    _, _, said = play(given, {"w": np.zeros(2)}, evaluate=lambda: {"auc": 0.87143, "samples": 120})
    assert said[:3] == [
        "first model: auc 0.8714 (on 120 samples)",
        "round 1 of 2: merged model auc 0.8714 (on 120 samples)",
        "round 2 of 2: merged model auc 0.8714 (on 120 samples)",
    ]


@pytest.mark.parametrize("found", [{"loss": 0.5}, {}, None, {"auc": float("nan")}])
def test_a_metric_that_is_not_the_studys_is_said_once(found, play, base, tmp_path):
    given = [task(base, tmp_path, number=n) for n in (2, 3)] + [over(base)]
    _, _, said = play(given, {"w": np.zeros(2)}, evaluate=lambda: found)
    assert len([s for s in said if "the study's metric is 'auc'" in s]) == 1


def test_no_measurement_is_no_evaluation(play, base, tmp_path):
    given = [task(base, tmp_path), over(base)]
    _, node, _ = play(given, {"w": np.zeros(2)}, evaluate=lambda: {"auc": None, "samples": 9})
    assert node.answers()[0]["evaluations"] == []


def test_a_trainer_that_measures_only_weighs_what_was_enrolled(play, base, tmp_path):
    given = [task(base, tmp_path, "evaluate", 4), over(base)]
    _, node, _ = play(given, {"w": np.zeros(2)}, evaluate=lambda: {"auc": 0.5})
    assert node.answers()[0]["evaluations"][0]["samples"] == 100


def test_private_arrays_are_apart_from_those_of_the_model(play, tmp_path):
    layout, data = buffer_of({"w": np.zeros(2)})
    (tmp_path / "base").write_bytes(data)
    base = model_at(tmp_path / "base", layout)
    model, seen = {"w": np.zeros(2), "head": np.zeros((2, 3)).T}, []

    def train(turn):
        seen.append(dict(turn.local))
        model["head"] += np.arange(6.0).reshape(3, 2)
        turn.local["t"] = np.arange(6.0).reshape(2, 3).T
        turn.report(samples=1)

    spec = Spec("s", 2, 2, keep_local=("head",))
    terms = compute_spec_digest(spec)
    given = [task(base, tmp_path, number=n, spec=terms) for n in (2, 3)] + [over(base)]
    play(given, model, train, spec=spec)
    assert [sorted(local) for local in seen] == [[], ["t"]]
    np.testing.assert_array_equal(seen[1]["t"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(model["head"], 2 * np.arange(6.0).reshape(3, 2))


def test_an_array_that_changes_its_type_in_training_is_said(play, base, tmp_path):
    model = {"w": np.zeros(2)}

    def train(turn):
        model["w"] = model["w"].astype("f4")
        turn.report(samples=1)

    with pytest.raises(TrainerError, match="array w: the trained model has F32"):
        play([task(base, tmp_path)], model, train)


def test_a_model_of_another_form_is_told_what_differs(play, base, tmp_path):
    layout, _ = buffer_of({"w": np.array([3.0, 4.0])})
    (tmp_path / "layout").write_bytes(layout.pack())
    found = task(base, tmp_path, layout_path=str(tmp_path / "layout"))
    with pytest.raises(TrainerError, match=r"F64 of shape \[3\], the study's model has F64"):
        play([found], {"w": np.zeros(3)})


@pytest.mark.parametrize("evaluate", [{"auc": 1}, 0.5, "auc"])
def test_what_is_no_function_cannot_evaluate(evaluate, play):
    with pytest.raises(TrainerError, match="Expected a function"):
        play([], {"w": np.zeros(2)}, evaluate=evaluate)
