"""Runs in MLflow: on a server, or in a folder of its file store."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from swarmhub.errors import plain
from swarmhub.home.tracking import TrackTarget
from swarmhub.track.values import Step, marker_of
from swarmhub.track.writer import RunTags, TrackError

SETTINGS = {  # of the package, read when it is imported
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would tell its makers of every use
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
os.environ.update(SETTINGS)
for _name, _value in PATIENCE.items():
    os.environ.setdefault(_name, _value)

from mlflow.entities import Metric  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

EXPERIMENT = "swarmhub"
AT_ONCE = 1000  # metrics in one request, at most
PREFIX = "swarmhub."
T = TypeVar("T")

logging.getLogger("urllib3").setLevel(logging.ERROR)  # each retry of an unreachable server


class MlflowWriter:
    """Writes to MLflow. User and password of a server are those of MLflow's own variables in the
    environment (MLFLOW_TRACKING_USERNAME and the like)."""

    def __init__(self, target: TrackTarget) -> None:
        place = Path(target.place).as_uri() if target.is_folder else target.place
        self._client = _try(lambda: MlflowClient(place, registry_uri=place))
        self._experiment = ""

    def open_run(self, tags: RunTags) -> str:
        """Return the id of the run with these tags; it is created if there is none."""
        said = {
            "study": tags.study, "chain": tags.chain, "hospital": tags.hospital,
            "terms": tags.terms,
        }  # fmt: skip
        experiment, client = self._need_experiment(), self._client
        wanted = f"tags.`{PREFIX}study` = '{tags.study}' AND tags.`{PREFIX}chain` = '{tags.chain}'"
        for run in _try(lambda: client.search_runs([experiment], wanted)):
            if run.data.tags.get(f"{PREFIX}hospital") == tags.hospital:
                return str(run.info.run_id)
        made = _try(
            lambda: client.create_run(
                experiment, run_name=tags.study, tags={PREFIX + k: v for k, v in said.items()}
            )
        )
        return str(made.info.run_id)

    def _need_experiment(self) -> str:
        if not self._experiment:
            client = self._client
            found = _try(lambda: client.get_experiment_by_name(EXPERIMENT))
            self._experiment = str(
                found.experiment_id if found else _try(lambda: client.create_experiment(EXPERIMENT))
            )
        return self._experiment

    def find_last(self, run: str, name: str) -> int:
        """Return the newest step that has a value of this name; -1 if none has."""
        found = _try(lambda: self._client.get_metric_history(run, name))
        return max((int(m.step) for m in found), default=-1)

    def write(self, run: str, step: Step) -> None:
        """Write the values of a step; the marker is the last of them."""
        marker = marker_of(step.part)
        ordered = sorted(step.values.items(), key=lambda pair: (pair[0] == marker, pair[0]))
        metrics = [Metric(name, value, step.time_ms, step.number) for name, value in ordered]
        for at in range(0, len(metrics), AT_ONCE):
            some = metrics[at : at + AT_ONCE]
            _try(lambda some=some: self._client.log_batch(run, some))  # type: ignore[misc]

    def close_run(self, run: str) -> None:
        """Mark a run as finished."""
        _try(lambda: self._client.set_terminated(run))


def _try(act: Callable[[], T]) -> T:
    try:
        return act()
    except Exception as error:  # a server may answer anything, and the package raise anything
        raise TrackError(plain(error)) from None
