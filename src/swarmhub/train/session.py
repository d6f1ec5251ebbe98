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

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from swarmhub import failpoints
from swarmhub.contract.names import STUDY_NAME, is_study_name
from swarmhub.contract.records import Spec, Stage, StageKind
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, SUM
from swarmhub.contract.stages import find_stage, get_stages
from swarmhub.errors import BadInput, HomeError, SwarmhubError, TrainerError
from swarmhub.params.buffer import Array, layout_of
from swarmhub.train.arrays import read_arrays, write_arrays
from swarmhub.train.client import NodeClient
from swarmhub.train.code_check import check_code
from swarmhub.train.figures import to_count
from swarmhub.train.notices import Notices, Say, end_with_a_sentence, to_stderr
from swarmhub.train.shelf import Shelf
from swarmhub.train.summands import Summed, decode, encode
from swarmhub.train.tasks import MISSED_TRIES, Tasks
from swarmhub.train.training import Evaluate, SwarmRound, Training

HOME_VARIABLE = "SWARMHUB_HOME"
DEFAULT_HOME = Path.home() / ".swarmhub"


def join(
    study: str,
    home: str | Path | None = None,
    statistics: bytes | None = None,
    say: Say = to_stderr,
    patience_s: float = 600.0,
    code: str | Path | None = None,
) -> Swarm:
    """Attach this process to a study at this hospital's node.

    `home` is the node's home (default: $SWARMHUB_HOME, else ~/.swarmhub). `statistics` is this
    site's statistics document, for studies that merge preprocessing statistics first. `say` takes
    each sentence about the study's course (default: on stderr). Waits for the node for up to
    `patience_s` seconds. `code` is the folder (or file) of this program's code, to be compared
    with the code that the terms bind. Raises TrainerError if another trainer holds the study, or
    the code is not that of the terms. A program that does not catch an error of swarmhub ends with
    its sentence and exit code 2.
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
    swarm = Swarm(study, root, statistics, NodeClient(root, patience_s, Notices(say)), Notices(say))
    try:
        unknown = check_code(swarm.spec, Path(code) if code else None, root)
    except SwarmhubError:
        swarm.close()
        raise
    if unknown:
        say(unknown)
    return swarm


class Iteration(Protocol):
    """One site's side of an iteration over sums."""

    def arrays(self, sums: Mapping[str, Any] | None, /) -> Mapping[str, Any]:
        """Return this site's arrays of the next round."""


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
        # a recipe that knows more of the site has its own
        self.explain_no_say = explain_no_say
        self._tasks = Tasks(study, home, statistics, client, notices or Notices())
        self._shelf = Shelf(home / "local" / study)
        self._seen: dict[str, str] = {}  # digest of the newest result that was returned, by stage
        self._training: Training | None = None  # the last one

    @property
    def spec(self) -> Spec:
        """The study's terms."""
        return self._tasks.spec

    @property
    def samples(self) -> int:
        """The samples declared at enrolment: the maximum weight of a round."""
        return self._tasks.samples

    @property
    def member(self) -> int:
        """This hospital's id in the consortium."""
        return self._tasks.member

    @property
    def enrolled(self) -> tuple[int, ...]:
        """Ids of the members that were enrolled when this trainer attached, ascending."""
        return self._tasks.enrolled

    @property
    def stage(self) -> str:
        """Name of the stage in which the site has its newest task; "" before the first."""
        return self._tasks.stage

    def name_data(self, digest: str) -> None:
        """Name the data from which this site's answers are made, by a digest that tells others
        nothing (keyed by a secret of the hospital): it is recorded with each contribution."""
        self._tasks.data_digest = digest

    @property
    def merged_statistics(self) -> bytes | None:
        """The merged document of a `describe` stage, once there is one."""
        return self._tasks.merged_statistics

    @property
    def final(self) -> str:
        """Digest of the last settled model, once the study is over; else ""."""
        return self._training.final if self._training else ""

    def close(self) -> None:
        """Release the study; it can be joined again."""
        self._tasks.close()

    def __enter__(self) -> Swarm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # stages

    def describe(self, document: bytes) -> bytes | None:
        """Give this site's statistics document in the study's `describe` stage, wait until it is
        settled, and return the merged one; None if the study is over and this node does not hold
        it. Raises TrainerError if the terms have no such stage."""
        if all(stage.kind != DESCRIBE for stage in get_stages(self.spec)):
            raise TrainerError(
                f"'{self.study}' merges no statistics, which a study over tables needs; propose "
                "it with statistics = true."
            )
        self._tasks.document = document
        while self._tasks.merged_statistics is None:
            if self._tasks.next()["state"] == "over":
                break
        return self._tasks.merged_statistics

    def result(self, name: str) -> Summed | None:
        """Return the newest settled result of a `sum` stage (or of an `evaluate` stage with
        counts); None before the first. Raises TrainerError if the terms have no such stage."""
        stage = self._need_stage(name, SUM, EVALUATE)
        self._tasks.look()
        return self._take(stage) if name in self._tasks.results else None

    def sum(self, name: str, arrays: Mapping[str, Any], samples: int | None = None) -> Summed:
        """Add this site's arrays to the others' in the next round of a `sum` stage, and return the
        settled sums.

        `arrays` are numbers by name, with the same names and shapes at every site: whole numbers,
        or floats, which are stored in steps of 2^-bits if the terms have bounds for the array.
        `samples` is the number of samples behind them (default: those of the enrolment). If the
        stage has gone on since its result was last seen here, nothing is sent and the newer result
        is returned, so that an iteration goes on from there. Raises TrainerError for arrays that
        cannot be added, or if another stage comes first.
        """
        stage = self._need_stage(name, SUM)
        mine = encode(stage, arrays)
        weight = self.samples if samples is None else to_count(samples, "swarm.sum(samples=...)")
        sent = 0
        while True:
            task = self._tasks.next(sent)
            known = self._tasks.results.get(name)
            if known is not None:
                is_new = known["digest"] != self._seen.get(name, "")
                if known["is_last"] or (known["number"] >= sent if sent else is_new):
                    return self._take(stage)
            if task["state"] == "over":
                raise TrainerError(f"The study '{self.study}' is over; '{name}' has no result.")
            if task["state"] == "waiting":
                continue
            if task["stage"] != name:
                raise TrainerError(self._say_order(task, name))
            layout = layout_of(mine)
            write_arrays(mine, layout, Path(task["drop"]))
            if self._tasks.answer(task, samples=weight, layout=layout) == "taken":
                sent = int(task["number"])

    def _need_stage(self, name: str, *kinds: StageKind) -> Stage:
        known = [s.name for s in get_stages(self.spec) if s.kind in kinds]
        stage = find_stage(self.spec, name)
        if stage is None or name not in known:
            raise TrainerError(
                f"Expected a stage of kind {' or '.join(kinds)} "
                f"({', '.join(known) or 'the terms have none'}), got {name[:60]!r}."
            )
        return stage

    def _say_order(self, task: Mapping[str, Any], wanted: str) -> str:
        calls = {SUM: f"swarm.sum('{task['stage']}', arrays)"}
        call = calls.get(task["kind"], "swarm.rounds(model)")
        return (
            f"'{self.study}' is in the stage '{task['stage']}', which comes before '{wanted}'; "
            f"call {call} first."
        )

    def _take(self, stage: Stage) -> Summed:
        """Read the newest result of a stage."""
        for _ in range(MISSED_TRIES):
            known = self._tasks.results[stage.name]
            self._seen[stage.name] = known["digest"]
            found: dict[str, Array] = {}
            if self._tasks.read(known["path"], read_arrays, Path(known["layout_path"]), found):
                arrays = decode(stage, found)
                return Summed(arrays, known["turn"], known["is_last"], known["met"],
                              known["digest"])  # fmt: skip
            self._tasks.look()  # a newer one has replaced it
        raise TrainerError(f"The result of '{stage.name}' cannot be read; start the node again.")

    # training

    def iterate(self, name: str, step: Iteration, samples: int | None = None) -> Summed:
        """Run an iteration in a `sum` stage until the stage is over, and return its last sums.

        `step.arrays(sums)` makes this site's arrays of the next round from the newest sums (None
        before the first), as those of `swarmhub.data.harmonise` do. A process that was started
        again goes on from the newest sums. Errors and `samples` as of `sum`.
        """
        found = self.result(name)
        while found is None or not found.is_last:
            arrays = step.arrays(None if found is None else found.arrays)
            found = self.sum(name, arrays, samples)
        return found

    def rounds(self, model: Any, evaluate: Evaluate | None = None) -> Iterator[SwarmRound]:
        """Yield every training round; when it ends, the last settled model is in `model`.

        `model` is anything that `adapters.adapt` knows, or a function that makes it once the
        merged statistics are known. `evaluate` measures what is in the model, e.g. {"auc": 0.87};
        the key "samples" says on how many samples (default: those of the last training, or of the
        enrolment in a process that was started since); arrays in it are counts, for an `evaluate`
        stage that sums them. Ends when the study is over, or sums next. TrainerError or BadInput,
        one sentence, if the model or a number cannot take part.
        """
        training = self._begin(model, evaluate)
        while (turn := training.next_round()) is not None:
            with training.watch():
                yield turn
            training.send(turn)

    def sync(
        self,
        model: Any,
        samples: int | None = None,
        metrics: Mapping[str, float] | None = None,
        evaluate: Evaluate | None = None,
    ) -> SwarmRound | None:
        """Send the model's parameters after local training on `samples` samples, wait for the
        merge, and load it into the model: one step of `rounds`, for a training loop that belongs to
        a framework (call it at the start without `samples`, then at the end of each epoch).

        Returns the round that begins, or None if there is nothing more to train. `metrics` are
        those after local training; `evaluate` as of `rounds`.
        """
        training = self._training
        if training is None or training.model is not model:
            training = self._begin(model, evaluate)
        training.measure_with(evaluate)
        if training.turn is not None:
            if samples is None:
                raise TrainerError("Give sync(samples=...): the samples of this round's training.")
            training.turn.report(samples, **(metrics or {}))
            training.send(training.turn)
        return training.next_round()

    def _begin(self, model: Any, evaluate: Evaluate | None) -> Training:
        explain = self.explain_no_say
        self._training = Training(self._tasks, self._shelf, model, evaluate, explain)
        return self._training


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
