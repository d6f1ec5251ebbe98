"""Training rounds: load the merge, measure it, let the site train, send its parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.contract.round.kinds import EVALUATE, INITIAL, TRAIN
from swarmhub.contract.stages import find_stage, get_stages
from swarmhub.errors import TrainerError
from swarmhub.failpoints import failpoint
from swarmhub.params.buffer import Array, layout_of
from swarmhub.train.adapters import Parameters, adapt
from swarmhub.train.arrays import write_arrays
from swarmhub.train.bounded import MILLION, Bound
from swarmhub.train.figures import to_count, to_metrics
from swarmhub.train.notices import Say, to_stderr
from swarmhub.train.shelf import Shelf
from swarmhub.train.summands import encode
from swarmhub.train.tasks import Tasks

FIRST = "first model:"
Evaluate = Callable[[], Mapping[str, Any] | None]
ExplainNoSay = Callable[[str, Mapping[str, float]], str]


@dataclass
class SwarmRound:
    """One round of training. `local` is this site's private state, kept from round to round."""

    number: int  # 1 to `rounds`
    rounds: int  # how many rounds this training has at most
    base: str  # digest of the settled model that is in the model now
    metrics: dict[str, float] = field(default_factory=dict)  # `evaluate` of that model
    local: dict[str, Array] = field(default_factory=dict)  # private arrays, never sent
    stage: str = "training"  # name of the stage to which the round belongs
    bound: Bound | None = None  # of what a patient changes, in a study with differential privacy
    _task: dict[str, Any] = field(default_factory=dict)
    _samples: int | None = None
    _own: dict[str, float] = field(default_factory=dict)
    _say: Say = to_stderr

    def report(self, samples: int, **metrics: float) -> None:
        """Report the number of samples of this round's training; metrics are those after local
        training. Raises TrainerError if a value is not a number that can be recorded."""
        self._samples = to_count(samples, "round.report(samples=...)")
        self._own = to_metrics(metrics, "round.report()", self._say)


class Training:
    """The training of one model in a session: from round to round."""

    def __init__(
        self,
        tasks: Tasks,
        shelf: Shelf,
        model: Any,
        evaluate: Evaluate | None,
        explain_no_say: ExplainNoSay,
    ) -> None:
        self.model = model
        self.turn: SwarmRound | None = None  # the round in which the site trains now
        self.final = ""  # digest of the last model, once the study is over
        self._tasks, self._shelf = tasks, shelf
        self._evaluate: Evaluate | None = None
        self.measure_with(evaluate)
        self._explain_no_say = explain_no_say
        self._weight = tasks.samples  # until this process has trained
        self._parameters: Parameters | None = None
        self._start: dict[str, Array] = {}
        if not _is_maker(model):
            self._adapt(model)  # reports faults of it at once

    def _adapt(self, model: Any) -> Parameters:
        self._parameters = Parameters(adapt(model), self._tasks.spec.keep_local)
        if sum(s.kind == INITIAL for s in get_stages(self._tasks.spec)) > 1:  # it starts again
            self._start = {n: a.copy() for n, a in self._parameters.shared().items()}
        return self._parameters

    def measure_with(self, evaluate: Evaluate | None) -> None:
        """Measure with this function from now on; None: as before. Raises TrainerError if it is no
        function."""
        if evaluate is not None and not callable(evaluate):
            raise TrainerError("Expected a function in evaluate=..., e.g. a lambda.")
        self._evaluate = evaluate or self._evaluate

    def next_round(self) -> SwarmRound | None:
        """Wait for the next training round, load the model, and return the round; None if the study
        is over (the last model is loaded) or sums next."""
        tasks = self._tasks
        while True:
            task = tasks.next()
            failpoint("trainer.task")
            if task["state"] == "over" and not task.get("model_path"):
                tasks.notices.say(
                    f"The study '{tasks.study}' is over; no model of it is held here."
                )
                return None
            parameters = self._parameters or self._adapt(self.model())
            document = Path(task["layout_path"]) if task.get("layout_path") else None
            if not tasks.read(task["model_path"], parameters.read, task["layout"], document):
                continue  # settled and swept meanwhile: ask for the current task
            if task["state"] == "over":
                self.final = str(task["model"])
                tasks.notices.say(
                    f"The study '{tasks.study}' is over; the last model is {self.final}."
                )
                return None
            if task["kind"] == TRAIN:
                self.turn = self._begin(parameters, task)
                return self.turn
            if task["kind"] == INITIAL:
                self._give_start(parameters, task)
            elif task["kind"] == EVALUATE:
                self._give_evaluation(task)
            elif self._comes_first(task):
                raise TrainerError(
                    f"'{tasks.study}' sums '{task['stage']}' before it trains; call "
                    f"swarm.sum('{task['stage']}', arrays) first."
                )
            else:
                return None

    def _comes_first(self, task: Mapping[str, Any]) -> bool:
        """Return whether no training comes before the task's stage."""
        stages = get_stages(self._tasks.spec)
        at = [s.name for s in stages].index(task["stage"])
        return all(s.kind != TRAIN for s in stages[:at]) and any(s.kind == TRAIN for s in stages)

    def _begin(self, parameters: Parameters, task: dict[str, Any]) -> SwarmRound:
        metrics, _ = self._measure(task)
        number = int(task["number"])
        local = parameters.load_local(self._shelf.load(number))
        return SwarmRound(
            int(task["turn"]), int(task["rounds"]), str(task["base"]), metrics, local,
            str(task["stage"]), self._find_bound(), task, _say=self._tasks.notices.once,
        )  # fmt: skip

    def _find_bound(self) -> Bound | None:
        dp = self._tasks.spec.privacy.dp
        if dp is None:
            return None
        return Bound(dp.clip_millionths / MILLION, self._tasks.samples, dp.unit)

    def watch(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which the model is trained here."""
        return self._parameters.watch_training() if self._parameters else contextlib.nullcontext()

    def send(self, turn: SwarmRound) -> None:
        """Send the parameters after the training of a round. Raises TrainerError if nothing was
        reported."""
        self.turn, parameters = None, self._parameters
        if turn._samples is None or parameters is None:
            raise TrainerError("Call round.report(samples=...) in every round of training.")
        self._weight = turn._samples
        self._shelf.save(int(turn._task["number"]), turn.local, parameters.local())
        failpoint("trainer.local")
        layout = parameters.write(Path(turn._task["drop"]))
        self._tasks.answer(
            turn._task, self._weight, layout=layout, metrics=turn.metrics, own=turn._own,
            write=parameters.write,
        )  # fmt: skip

    def _give_start(self, parameters: Parameters, task: dict[str, Any]) -> None:
        """Offer this site's start of the model: as it was when the session began."""
        if _is_maker(self.model) and task["model"]:
            parameters = self._adapt(self.model())
        elif task["model"]:
            parameters.load({name: array.copy() for name, array in self._start.items()})
        self._tasks.answer(task, 1, layout=parameters.write(Path(task["drop"])))

    def _give_evaluation(self, task: dict[str, Any]) -> None:
        metrics, counts = self._measure(task)
        stage = find_stage(self._tasks.spec, str(task["stage"]))
        if stage is None or not stage.bounds or not counts:
            self._tasks.answer(task, self._weight, metrics=metrics)
            return
        mine = encode(stage, counts)
        layout = layout_of(mine)
        write_arrays(mine, layout, Path(task["drop"]))
        self._tasks.answer(task, self._weight, layout=layout, metrics=metrics)

    def _measure(self, task: dict[str, Any]) -> tuple[dict[str, float], dict[str, Array]]:
        """Return the merged model's metrics, which are printed, and its counts."""
        given = self._evaluate() if self._evaluate else None
        is_mapping = isinstance(given, Mapping)
        counts = {n: v for n, v in given.items() if is_counts(v)} if is_mapping and given else {}
        numbers: Any = {} if given is None else given
        if counts:
            numbers = {n: v for n, v in numbers.items() if n not in counts}
        notices = self._tasks.notices
        metrics = to_metrics(numbers, "evaluate()", notices.once)
        named = {n: v for n, v in metrics.items() if n != "samples"}
        why = self._explain_no_say(self._tasks.spec.metric.name, named)
        if why:
            notices.once(why)
        if named:
            values = ", ".join(f"{name} {value:.4g}" for name, value in named.items())
            on = f" (on {metrics['samples']:.0f} samples)" if "samples" in metrics else ""
            notices.say(f"{self._say_model(task)} {values}{on}")
        return metrics, counts

    def _say_model(self, task: Mapping[str, Any]) -> str:
        """Return which model is measured: "round 3 of 10: merged model"."""
        stages = get_stages(self._tasks.spec)
        names = [s.name for s in stages]
        at = names.index(task["stage"])
        merges = int(task["turn"]) - 1
        if task["kind"] != TRAIN:
            before = [s for s in stages[:at] if s.kind == TRAIN]
            last = before[-1] if before else None
            return self._say_merge(last.name, last.max_rounds, last.max_rounds) if last else FIRST
        return self._say_merge(str(task["stage"]), merges, int(task["rounds"])) if merges else FIRST

    def _say_merge(self, name: str, merges: int, rounds: int) -> str:
        stages = get_stages(self._tasks.spec)
        stage = "" if sum(s.kind == TRAIN for s in stages) == 1 else f" of '{name}'"
        return f"round {merges} of {rounds}{stage}: merged model"


def is_counts(value: Any) -> bool:
    """Return whether an item of `evaluate` is an array of counts, not a metric."""
    return isinstance(value, np.ndarray) and value.ndim > 0


def _is_maker(model: Any) -> bool:
    """Return whether it is a function that makes a model, not a callable model."""
    return callable(model) and not hasattr(model, "state_dict") and not hasattr(model, "arrays")
