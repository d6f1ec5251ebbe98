"""A study with trees by real nodes and trainers, from tables to the report."""

import asyncio

import numpy as np
import pytest
from swarm import Network

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.merge.documents import merge_statistics
from swarmhub.models.predict import load_model
from swarmhub.models.trees import add_trees
from swarmhub.operations.models import Target, export_model
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.gather import gather
from swarmhub.operations.report.page import render
from swarmhub.params.buffer import arrays_from
from swarmhub.recipes import boosting
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.linear.losses import LOGISTIC
from swarmhub.recipes.plan import complete
from swarmhub.recipes.preparing import Sources, prepare

pytestmark = pytest.mark.process

SPEC = Spec(
    name="s", min_peers=3, quorum_grace_ms=20_000, leader_timeout_ms=5_000,
    data=Declaration(Outcome("ill", positive=("1",)), min_count=1),
    options={"model": "trees", "trees": "4", "depth": "2", "rate": "0.5"},
)  # fmt: skip
ROWS = (140, 110, 90)


def write_tables(folder):
    """Hospitals of unequal sizes whose outcome is the product of two inputs."""
    rng = np.random.default_rng(5)
    for i, n in enumerate(ROWS, 1):
        x = rng.normal(size=(n, 3)) + 0.1 * i
        ill = (x[:, 0] * x[:, 1] > 0).astype(int)
        rows = [f"{y},{','.join(map(str, row))}" for y, row in zip(ill, x.tolist(), strict=True)]
        (folder / f"{i}.csv").write_text("\n".join(["ill,a,b,c", *rows]) + "\n")


def pool(folder):
    """Training rows of all hospitals in the study's features, and their outcomes."""
    spec = complete(SPEC)
    sources = [Sources(Files((folder / f"{i}.csv",))) for i in (1, 2, 3)]
    prepared = [prepare(spec, s, Findings()) for s in sources]
    merged = merge_statistics({i: p.statistics for i, p in enumerate(prepared, 1)})
    design = make_design(merged, spec.data, Schema.of(spec.data))
    parts = [p.training for p in prepared]
    return np.concatenate([design.matrix(p) for p in parts]), np.concatenate([p.y for p in parts])


def test_trees_of_nodes_are_those_of_all_rows_in_one_place(tmp_path):
    write_tables(tmp_path)
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(complete(SPEC))
        for i in (1, 2, 3):
            command = [
                "-m",
                "swarmhub",
                "train",
                "table",
                "s",
                "--data",
                str(tmp_path / f"{i}.csv"),
            ]
            network.train(i, command)
        network.wait_until(lambda: network.study("s").status == "finished", 60)
        model, store = network.study("s").current, BlobStore(network.homes[0].blobs_path)
        with store.path(model.digest).open("rb") as file:
            arrays = arrays_from(file, store.layout(model.layout))
    x, y = pool(tmp_path)
    pooled = boosting.fit_alone(SPEC, x, y, None, LOGISTIC)
    assert np.array_equal(add_trees(arrays, x), pooled(x))
    check_export(network.homes[0], tmp_path, arrays)
    check_report(network.homes[0])


def check_export(home, folder, arrays):
    asyncio.run(export_model(home, "s", Target(folder / "model")))
    model, table = load_model(folder / "model"), folder / "2.csv"
    margins = add_trees(arrays, model.design.matrix(model.read(table).dataset))[0]
    scores = model.predict(table).probability
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-margins)), rtol=1e-14)
    assert "Recipe `trees` (gradient-boosted trees)" in (folder / "model/README.md").read_text()


def check_report(home):
    report = compose(asyncio.run(gather(home, "s")))
    assert report.swarm.figure("auc").value > 0.75
    assert report.left_out.figure("auc").value > 0.7
    assert all(h.local.value is not None for h in report.hospitals)
    page = render(report)
    assert "gradient-boosted trees with a penalty on the values of leaves, both classes" in page
    assert "Number, depth and rate of the trees are in the terms" in page
    assert "choice of the penalty is not known" not in page
