"""A study's metrics in MLflow, read back by MLflow itself."""

from __future__ import annotations

import os
import warnings

import pytest
from tracked import expected, run_tracked

pytestmark = pytest.mark.process

os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient


class Store:
    """What MLflow reads in a folder."""

    def __init__(self, root):
        self._client = MlflowClient(root.as_uri())

    def run(self):
        experiment = self._client.get_experiment_by_name("swarmhub")
        runs = self._client.search_runs([experiment.experiment_id]) if experiment else []
        assert len(runs) < 2
        return runs[0] if runs else None

    def values(self, name):
        """Return [(step, value)] as often as they were written."""
        run = self.run()
        found = self._client.get_metric_history(run.info.run_id, name) if run else []
        return sorted((m.step, m.value) for m in found)


@pytest.mark.parametrize("loses_state", [False, True], ids=["kept", "lost"])
def test_each_step_is_written_once_although_the_node_was_killed(tmp_path, loses_state):
    folder = tmp_path / "runs of mlflow"
    store = Store(folder)

    def is_done():
        run = store.run()
        return run is not None and run.info.status == "FINISHED"

    chain, terms = run_tracked(
        tmp_path, f"mlflow:{folder}", lambda: len(store.values("merged/round")) >= 2, is_done,
        loses_state,
    )  # fmt: skip
    run = store.run()
    wanted = expected()
    assert set(run.data.metrics) == set(wanted)
    for name, steps in wanted.items():
        found = store.values(name)
        assert [s for s, _ in found] == sorted(steps)
        assert [v for _, v in found] == pytest.approx([steps[s] for s in sorted(steps)], abs=1e-6)
    assert run.info.run_name == "s"
    assert {k: v for k, v in run.data.tags.items() if k.startswith("swarmhub.")} == {
        "swarmhub.study": "s", "swarmhub.chain": chain, "swarmhub.terms": terms,
        "swarmhub.hospital": "Hospital 1",
    }  # fmt: skip
