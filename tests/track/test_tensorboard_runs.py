"""A study's metrics for TensorBoard, read back by TensorBoard, and by the records' form."""

from __future__ import annotations

import json
import warnings

import pytest
from tracked import count, expected, read_records, run_tracked

pytest.importorskip("tensorboardX")
pytestmark = pytest.mark.process


def read_by_tensorboard(folder):
    """Return {name: [(step, value)]}."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accumulator = pytest.importorskip(
            "tensorboard.backend.event_processing.event_accumulator"
        ).EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
        accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(s.step, s.value) for s in accumulator.Scalars(tag)] for tag in tags}


@pytest.fixture(scope="module", params=[False, True], ids=["kept", "lost"])
def study(request, tmp_path_factory):
    """The folder of a run, its chain and terms."""
    root = tmp_path_factory.mktemp("tracked")
    folder = root / "runs" / "s"
    last = len(expected()["merged/round"])
    chain, terms = run_tracked(
        root, f"tensorboard:{folder.parent}", lambda: count(folder, "merged/round") >= 2,
        lambda: count(folder, "merged/round") >= last, request.param,
    )  # fmt: skip
    return folder, chain, terms


@pytest.mark.parametrize("read", [read_records, read_by_tensorboard])
def test_each_step_is_written_once_although_the_node_was_killed(study, read):
    found = read(study[0])
    wanted = expected()
    assert set(found) == set(wanted)
    for name, steps in wanted.items():
        assert [s for s, _ in sorted(found[name])] == sorted(steps)
        values = [v for _, v in sorted(found[name])]
        assert values == pytest.approx([steps[s] for s in sorted(steps)], abs=1e-6)
    assert len(list(study[0].glob("*tfevents*"))) == 2  # one for each start


def test_the_folder_says_which_study_it_is_of(study):
    folder, chain, terms = study
    assert json.loads((folder / "swarmhub.json").read_bytes()) == {
        "study": "s", "chain": chain, "hospital": "Hospital 1", "terms": terms,
    }  # fmt: skip
