"""The interface for training scripts:

    with swarmhub.join("heart") as swarm:
        for round in swarm.rounds(model, evaluate=lambda: {"auc": auc_of(model)}):
            train_one_epoch(model, loader)          # merged parameters are in the model here
            round.report(samples=len(loader.dataset))

`rounds` waits for the next round, loads the merged parameters into the model, evaluates them with
`evaluate` (so that metrics belong to the merged model, not to this site's), and yields. After the
body it sends the model's parameters to the node. The process may die at any moment: restarted,
it continues from the last settled model.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from swarmhub import codec, failpoints
from swarmhub.contract.records import Spec
from swarmhub.contract.study.lifecycle import STUDY_NAME, is_study_name
from swarmhub.errors import BadInput, FenceError, HomeError, TrainerError
from swarmhub.failpoints import failpoint
from swarmhub.files import held, lock
from swarmhub.params.buffer import Array
from swarmhub.train.adapters import Parameters, adapt
from swarmhub.train.client import NodeClient
from swarmhub.train.figures import to_count, to_metrics, to_micro
from swarmhub.train.notices import Notices, Say, end_with_a_sentence, to_stderr
from swarmhub.train.shelf import Shelf

HOME_VARIABLE = "SWARMHUB_HOME"
DEFAULT_HOME = Path.home() / ".swarmhub"
WAIT_S = 20
MISSED_TRIES, MISSED_PAUSE_S = 20, 0.1
LEASE_TRIES, LEASE_PAUSE_S = 5, 0.02

Evaluate = Callable[[], Mapping[str, float] | None]


@dataclass
class SwarmRound:
    """One round of training. `local` is this site's private state, kept from round to round."""

    number: int  # 1 to `rounds`
    rounds: int  # how many training rounds the study has
    base: str  # digest of the settled model that is in the model now
    metrics: dict[str, float] = field(default_factory=dict)  # `evaluate` of that model
    local: dict[str, Array] = field(default_factory=dict)  # private arrays, never sent
    _samples: int | None = None
    _own: dict[str, float] = field(default_factory=dict)
    _say: Say = to_stderr

    def report(self, samples: int, **metrics: float) -> None:
        """Report the number of samples of this round's training; metrics are those after local
        training. Raises TrainerError if a value is not a number that can be recorded."""
        self._samples = to_count(samples, "round.report(samples=...)")
        self._own = to_metrics(metrics, "round.report()", self._say)


def join(
    study: str,
    home: str | Path | None = None,
    statistics: bytes | None = None,
    say: Say = to_stderr,
    patience_s: float = 600.0,
) -> Swarm:
    """Attach this process to a study at this hospital's node.

    `home` is the node's home (default: $SWARMHUB_HOME, else ~/.swarmhub). `statistics` is this
    site's statistics document, for studies that merge preprocessing statistics first. `say` takes
    each sentence about the study's course (default: on stderr). Waits for the node for up to
    `patience_s` seconds. Raises TrainerError if another trainer holds the study. A program that
    does not catch an error of swarmhub ends with its sentence and exit code 2.
    """
    failpoints.arm()
    end_with_a_sentence()
    if not is_study_name(study):
        raise BadInput(
            f"Expected a study's name ({STUDY_NAME}), got {study[:60]!r}; see "
            "'swarmhub study list'."
        )
    root = Path(home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
    if not (root / "node.toml").exists():
        raise HomeError(
            f"Expected a node's home at {root}, found none; give home=, or set {HOME_VARIABLE}."
        )
    return Swarm(study, root, statistics, NodeClient(root, patience_s, Notices(say)), Notices(say))


class Swarm:
    """A trainer's session in a study. Use it in a `with` block."""

    def __init__(
        self,
        study: str,
        home: Path,
        statistics: bytes | None,
        client: NodeClient,
        notices: Notices | None = None,
    ) -> None:
        self.study = study
        self.home = home
        self.merged_statistics: bytes | None = None  # the document, once there is one
        self.final: str = ""  # digest of the last settled model, once the study is over
        self._document = statistics
        self._client = client
        self._missed: list[str] = []  # files of the node, once for each time they were missing
        self._notices = notices or Notices()
        # a recipe that knows more of the site has its own
        self.explain_no_say = explain_no_say
        self._shelf = Shelf(home / "local" / study)
        self._lease = self._take_lease()
        try:
            self._fence, self.samples = 0, 0
            self.spec = self._attach()  # the study's terms
        except BaseException:
            self.close()
            raise

    def _take_lease(self) -> IO[Any]:
        for _ in range(LEASE_TRIES):  # the node locks it briefly to see whether it is free
            lease = lock(self.home / "run" / f"{self.study}.lease")
            if lease is not None:
                return lease
            time.sleep(LEASE_PAUSE_S)
        raise TrainerError(f"Another trainer holds '{self.study}' on {self.home}; stop it first.")

    def _attach(self) -> Spec:
        found = self._client.post(f"/v1/studies/{self.study}/attach", {"pid": os.getpid()})
        self._fence = int(found["fence"])
        self.samples = int(found["samples"])  # declared at enrolment: the maximum weight of a round
        return codec.from_json(Spec, found["spec"])

    def close(self) -> None:
        """Release the study; it can be joined again."""
        self._client.close()
        self._lease.close()

    def __enter__(self) -> Swarm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # rounds

    def rounds(self, model: Any, evaluate: Evaluate | None = None) -> Iterator[SwarmRound]:
        """Yield every training round; when it ends, the last settled model is in `model`.

        `model` is anything that `adapters.adapt` knows, or a function that makes it once the
        merged statistics are known. `evaluate` measures what is in the model, e.g. {"auc": 0.87};
        the key "samples" says on how many samples (default: those of the last training, or of the
        enrolment in a process that was started since). TrainerError or BadInput, one sentence, if
        the model or a number cannot take part.
        """
        if evaluate is not None and not callable(evaluate):
            raise TrainerError("Expected a function in rounds(evaluate=...), e.g. a lambda.")
        keep_local, parameters = self.spec.keep_local, None
        if not _is_maker(model):
            parameters = Parameters(adapt(model), keep_local)  # reports faults of it at once
        weight = self.samples  # until this process has trained
        while True:
            task = self._next()
            failpoint("trainer.task")
            if task["state"] == "task" and task["kind"] == "statistics":
                self._give_statistics(task)
                continue
            if not self._read(task.get("statistics_path", ""), self._take_statistics):
                continue
            if task["state"] == "over" and not task.get("base_path"):
                self._notices.say(f"The study '{self.study}' is over; no model of it is held here.")
                return
            if parameters is None:
                parameters = Parameters(adapt(model()), keep_local)
            document = Path(task["layout_path"]) if task.get("layout_path") else None
            if not self._read(task["base_path"], parameters.read, task["layout"], document):
                continue  # settled and swept meanwhile: ask for the current task
            if task["state"] == "over":
                self.final = str(task["base"])
                self._notices.say(
                    f"The study '{self.study}' is over; the last model is {self.final}."
                )
                return
            if task["kind"] == "initial":
                layout = parameters.write(Path(task["drop"]))
                self._answer(task, samples=1, layout=layout)
                continue
            metrics = self._measure(task, evaluate)
            if task["kind"] == "evaluation":
                self._answer(task, samples=weight, metrics=metrics)
                continue
            number = int(task["number"])
            local = parameters.load_local(self._shelf.load(number))
            base, rounds = str(task["base"]), int(task["rounds"])
            turn = SwarmRound(
                int(task["training_round"]), rounds, base, metrics, local, _say=self._notices.once
            )
            with parameters.watch_training():
                yield turn
            if turn._samples is None:
                raise TrainerError("Call round.report(samples=...) in every round of training.")
            weight = turn._samples
            self._shelf.save(number, turn.local, parameters.local())
            failpoint("trainer.local")
            layout = parameters.write(Path(task["drop"]))
            self._answer(task, samples=weight, layout=layout, metrics=metrics, own=turn._own)

    def _measure(self, task: dict[str, Any], evaluate: Evaluate | None) -> dict[str, float]:
        """Return the merged model's metrics, and print them."""
        given = evaluate() if evaluate else None
        metrics = to_metrics({} if given is None else given, "evaluate()", self._notices.once)
        wanted = self.spec.metric.name
        named = {n: v for n, v in metrics.items() if n != "samples"}
        why = self.explain_no_say(wanted, named)
        if why:
            self._notices.once(why)
        if named:
            values = ", ".join(f"{name} {value:.4g}" for name, value in named.items())
            on = f" (on {metrics['samples']:.0f} samples)" if "samples" in metrics else ""
            merges = int(task["training_round"]) - 1
            of = f"round {merges} of {task['rounds']}: merged model" if merges else "first model:"
            self._notices.say(f"{of} {values}{on}")
        return metrics

    def _next(self) -> dict[str, Any]:
        while True:
            body = {"fence": self._fence, "wait_s": WAIT_S}
            try:
                task = self._client.post(f"/v1/studies/{self.study}/next", body)
            except FenceError:
                self._attach()  # the node was restarted and knows no fence; the lease is ours
                continue
            if task.get("refused"):
                raise TrainerError(str(task["refused"]))
            if task["state"] != "waiting":
                self._notices.goes_on()
                return task
            if task.get("for"):
                self._notices.waiting(str(task["for"]))

    def _read(self, path: str, read: Callable[..., None], *given: Any) -> bool:
        """Read a file of the node, if there is one; False if the node has deleted it. Raises
        TrainerError if it is missing although the node names it again and again."""
        try:
            if path:
                read(Path(path), *given)
            return True
        except FileNotFoundError:
            self._missed = [*self._missed, path] if path in self._missed else [path]
            if len(self._missed) < MISSED_TRIES:
                time.sleep(MISSED_PAUSE_S)
                return False
        raise TrainerError(
            f"Expected the node's file {path}, it is gone; start the node again: it looks at its "
            "files then, and fetches what it lacks from the other members."
        )

    def _take_statistics(self, path: Path) -> None:
        with held(path) as file:
            self.merged_statistics = file.read()

    def _give_statistics(self, task: dict[str, Any]) -> None:
        if self._document is None:
            raise TrainerError(
                f"'{self.study}' merges statistics first; give join(statistics=...) this site's."
            )
        Path(task["drop"]).write_bytes(self._document)
        try:
            rows = int(json.loads(self._document)["rows"])
        except (ValueError, TypeError, KeyError):
            rows = 1  # the node reports what is wrong with it
        self._answer(task, samples=max(1, rows))

    def _answer(
        self,
        task: dict[str, Any],
        samples: int,
        layout: Any = None,
        metrics: Mapping[str, float] | None = None,
        own: Mapping[str, float] | None = None,
    ) -> None:
        evaluations = []
        named = {k: v for k, v in (metrics or {}).items() if k != "samples"}
        if metrics and named:
            measured_on = int(metrics.get("samples", samples))
            evaluated = {"digest": task["base"], "samples": measured_on, "metrics": to_micro(named)}
            evaluations.append(evaluated)
        body = {
            "fence": self._fence,
            "number": task["number"],
            "base": task["base"],
            "path": task["drop"] if layout is not None or task["kind"] == "statistics" else "",
            "layout": layout,
            "samples": samples,
            "evaluations": evaluations,
            "own_metrics": to_micro(own or {}),
        }
        failpoint("trainer.written")
        try:
            self._client.post(f"/v1/studies/{self.study}/answer", body)
            failpoint("trainer.answered")
        except FenceError:
            self._attach()  # restarted node: the task comes again


def explain_no_say(metric: str, measured: Mapping[str, float]) -> str:
    """Return why a site with these metrics of the merged model has no say in which model is the
    best by the study's metric; "" if it has one."""
    if metric in measured:
        return ""
    return (
        f"the study's metric is '{metric}', but this trainer measures "
        f"{', '.join(map(repr, measured)) or 'nothing'} of the merged model: this site has no "
        "say in which model is the best"
    )


def _is_maker(model: Any) -> bool:
    """Return whether it is a function that makes a model, not a callable model."""
    return callable(model) and not hasattr(model, "state_dict") and not hasattr(model, "arrays")
