"""What a trainer writes:

    with swarmhub.join("heart") as swarm:
        for round in swarm.rounds(model, evaluate=lambda: {"auc": auc_of(model)}):
            train_one_epoch(model, loader)          # merged parameters are in the model here
            round.report(samples=len(loader.dataset))

`rounds` waits for the next round, loads the merged parameters into the model, measures them with
`evaluate` (so that metrics belong to the merged model, not to this site's), and yields. After the
body it hands the model's parameters to the node. The process may die at any moment: started
again, it goes on from the last settled model.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from swarmhub import codec, moments
from swarmhub.contract.records import Spec
from swarmhub.contract.study import STUDY_NAME, is_study_name
from swarmhub.errors import BadInput, BlobError, HomeError, TrainerError
from swarmhub.files import lock
from swarmhub.moments import reach
from swarmhub.params.buffer import Array
from swarmhub.train.adapters import Parameters, adapt
from swarmhub.train.client import NodeClient
from swarmhub.types import MICRO

HOME_VARIABLE = "SWARMHUB_HOME"
DEFAULT_HOME = Path.home() / ".swarmhub"
WAIT_S = 20
LEASE_TRIES, LEASE_PAUSE_S = 5, 0.02

Evaluate = Callable[[], Mapping[str, float] | None]


@dataclass
class SwarmRound:
    """One round of training. `local` is this site's private state, kept from round to round."""

    number: int  # 1 to `rounds`
    rounds: int
    base: str  # digest of the settled model that is in the model now; "" in no round
    metrics: dict[str, float] = field(default_factory=dict)  # of that model, here
    local: dict[str, Array] = field(default_factory=dict)
    _samples: int | None = None
    _own: dict[str, float] = field(default_factory=dict)

    def report(self, samples: int, **metrics: float) -> None:
        """Say on how many samples this round trained; metrics are those after local training."""
        self._samples = int(samples)
        self._own = {k: float(v) for k, v in metrics.items()}


def join(
    study: str,
    home: str | Path | None = None,
    statistics: bytes | None = None,
    on_wait: Callable[[str], None] | None = None,
    patience_s: float = 600.0,
) -> Swarm:
    """Attach this process to a study at this hospital's node.

    `home` is the node's home (default: $SWARMHUB_HOME, else ~/.swarmhub). `statistics` is this
    site's statistics document, for studies that merge preprocessing statistics first. Waits for
    the node for up to `patience_s` seconds. TrainerError where another trainer holds the study.
    """
    moments.arm()
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
    return Swarm(study, root, statistics, NodeClient(root, patience_s, on_wait))


class Swarm:
    """A trainer's place in a study. Use it in a `with` block."""

    def __init__(
        self, study: str, home: Path, statistics: bytes | None, client: NodeClient
    ) -> None:
        self.study = study
        self.home = home
        self.merged_statistics: bytes | None = None
        self.final: str = ""  # digest of the last settled model, once the study is over
        self._document = statistics
        self._client = client
        self._lease = self._take_lease()
        try:
            self._fence, self.samples = 0, 0
            self.spec = self._attach()
        except BaseException:
            self.close()
            raise

    def _take_lease(self) -> IO[Any]:
        for _ in range(LEASE_TRIES):  # the node takes it for an instant to see whether it is free
            lease = lock(self.home / "run" / f"{self.study}.lease")
            if lease is not None:
                return lease
            time.sleep(LEASE_PAUSE_S)
        raise TrainerError(f"Another trainer holds '{self.study}' on {self.home}; stop it first.")

    def _attach(self) -> Spec:
        found = self._client.post(f"/v1/studies/{self.study}/attach", {"pid": os.getpid()})
        self._fence = int(found["fence"])
        self.samples = int(found["samples"])  # declared at enrolment: the most a round may weigh
        return codec.from_json(Spec, found["spec"])

    def close(self) -> None:
        """Let go of the study; it can be joined again."""
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
        the key "samples" says on how many samples (default: those of the last training).
        """
        made: Any = None
        parameters: Parameters | None = None
        weight = 1
        while True:
            task = self._next()
            reach("trainer.task")
            if task["state"] == "task" and task["kind"] == "statistics":
                self._give_statistics(task)
                continue
            if task.get("statistics_path"):
                self.merged_statistics = Path(task["statistics_path"]).read_bytes()
            if task["state"] == "over" and not task.get("base_path"):
                return  # and no model is held here
            if parameters is None:
                made = model() if callable(model) and not hasattr(model, "state_dict") else model
                parameters = Parameters(adapt(made), self.spec.keep_local)
            if task["state"] == "over":
                if task.get("base_path"):
                    parameters.read(Path(task["base_path"]), task["layout"])
                    self.final = task["base"]
                return
            if task["kind"] == "initial":
                layout = parameters.write(Path(task["drop"]))
                self._answer(task, samples=1, layout=codec.to_json(layout))
                continue
            try:
                parameters.read(Path(task["base_path"]), task["layout"])
            except FileNotFoundError:
                continue  # settled and swept while we were busy: ask for the current task
            metrics = dict((evaluate() if evaluate else None) or {})
            if task["kind"] == "evaluation":
                self._answer(task, samples=weight, metrics=metrics)
                continue
            local = self._load_local(int(task["number"]))
            parameters.load_local(local)
            turn = SwarmRound(
                int(task["training_round"]), int(task["rounds"]), str(task["base"]), metrics, local
            )
            yield turn
            if turn._samples is None:
                raise TrainerError("Call round.report(samples=...) in every round of training.")
            weight = turn._samples
            self._save_local(int(task["number"]), {**turn.local, **parameters.local()})
            reach("trainer.local")
            layout = parameters.write(Path(task["drop"]))
            self._answer(
                task, samples=weight, layout=codec.to_json(layout), metrics=metrics,
                own=turn._own,
            )  # fmt: skip

    def _next(self) -> dict[str, Any]:
        while True:
            body = {"fence": self._fence, "wait_s": WAIT_S}
            try:
                task = self._client.post(f"/v1/studies/{self.study}/next", body)
            except TrainerError as error:
                if "attached to" not in str(error):
                    raise
                self._attach()  # the node was restarted and knows no fence; the lease is ours
                continue
            if task["state"] != "waiting":
                return task

    def _give_statistics(self, task: dict[str, Any]) -> None:
        if self._document is None:
            raise TrainerError(
                f"'{self.study}' merges statistics first; give join(statistics=...) this site's."
            )
        Path(task["drop"]).write_bytes(self._document)
        try:
            rows = int(json.loads(self._document)["rows"])
        except (ValueError, TypeError, KeyError):
            rows = 1  # the node says what is wrong with it
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
        if metrics:
            measured_on = int(metrics.get("samples", samples))
            named = {k: v for k, v in metrics.items() if k != "samples"}
            evaluated = {"digest": task["base"], "samples": measured_on, "metrics": _micro(named)}
            evaluations.append(evaluated)
        body = {
            "fence": self._fence,
            "number": task["number"],
            "base": task["base"],
            "path": task["drop"] if layout is not None or task["kind"] == "statistics" else "",
            "layout": layout,
            "samples": samples,
            "evaluations": evaluations,
            "own_metrics": _micro(own or {}),
        }
        reach("trainer.written")
        try:
            self._client.post(f"/v1/studies/{self.study}/answer", body)
            reach("trainer.answered")
        except TrainerError as error:
            if "attached to" not in str(error):
                raise
            self._attach()  # restarted node: the task comes again

    # private state, versioned by round

    def _local_folder(self) -> Path:
        folder = self.home / "local" / self.study
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _load_local(self, number: int) -> dict[str, Array]:
        from swarmhub.params import import_safetensors

        for older in sorted(self._local_versions(), reverse=True):
            if older < number:
                with contextlib.suppress(BlobError):  # torn by a power cut: the one before it
                    return import_safetensors(self._local_folder() / f"{older}.safetensors")
        return {}

    def _save_local(self, number: int, arrays: Mapping[str, Array]) -> None:
        if not arrays:
            return
        from safetensors.numpy import save_file

        path = self._local_folder() / f"{number}.safetensors"
        partial = path.with_suffix(".partial")
        save_file(dict(arrays), partial)
        partial.replace(path)
        for old in sorted(self._local_versions())[:-2]:
            (self._local_folder() / f"{old}.safetensors").unlink(missing_ok=True)

    def _local_versions(self) -> list[int]:
        return [
            int(p.stem) for p in self._local_folder().glob("*.safetensors") if p.stem.isdecimal()
        ]


def _micro(metrics: Mapping[str, float]) -> dict[str, int]:
    found = {}
    for name, value in metrics.items():
        if value is None or not math.isfinite(value):
            continue  # an AUC over one class, say: no measurement
        found[name] = round(float(value) * MICRO)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]
