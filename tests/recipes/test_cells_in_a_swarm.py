"""Studies of cells by real nodes and trainers: of their types, and of patients."""

import asyncio

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from swarm import PROGRAMS, Network

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Declaration, Inputs, Outcome, Pseudobulk, Spec
from swarmhub.data.design import Design, Options
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.merge.documents import merge_statistics
from swarmhub.operations.studies import show_study
from swarmhub.params.buffer import arrays_from
from swarmhub.recipes.linear import Axes, fit_at
from swarmhub.recipes.linear.losses import LOGISTIC, Softmax
from swarmhub.recipes.plan import complete
from swarmhub.recipes.preparing import Sources, prepare

OLD_OPTION = "ignore:The 'future.infer_string' option"  # of pandas, which anndata 0.12 looks at
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings(OLD_OPTION)]
HOSPITALS, PATIENTS, EACH, GENES = 3, 80, 8, 12
TYPES = ("B", "T", "NK")
GENES_BLOCK = Inputs("genes", transform="log1p", total=10_000)
STUDIES = {
    "types": Declaration(Outcome("type", "classes", classes=TYPES), (GENES_BLOCK,),
                         patient="patient"),
    "patients": Declaration(Outcome("ill", positive=("yes",), negative=("no",)), (GENES_BLOCK,),
                            patient="patient",
                            pseudobulk=Pseudobulk(by="type", types=("B", "T"), min_cells=2)),
}  # fmt: skip


def write_cells(path, seed):
    """A hospital's raw counts: types differ in genes, ill patients in those of B cells."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(PATIENTS), EACH)
    kind, ill = rng.integers(0, 3, len(patient)), patient % 2 == 0
    rate = np.full((len(patient), GENES), 1.0)
    rate[np.arange(len(patient)), kind] = 4.0
    rate[:, 5] += 1.5 * (ill & (kind == 0))
    counts = sp.csr_matrix(rng.poisson(rate).astype(np.float32))
    obs = pd.DataFrame({
        "patient": [f"P{seed}-{k}" for k in patient], "type": np.array(TYPES)[kind],
        "ill": np.where(ill, "yes", "no"),
    }, index=[f"c{k}" for k in range(len(patient))])  # fmt: skip
    genes = pd.DataFrame(index=[f"gene{k}" for k in range(GENES)])
    with ad.settings.override(allow_write_nullable_strings=True):
        ad.AnnData(counts, obs, genes).write_h5ad(path)


def run_study(network, folder, name, program, options):
    """Run a study to its end."""
    spec = Spec(name="s", min_peers=3, quorum_grace_ms=20_000, leader_timeout_ms=5_000, rounds=12,
                data=STUDIES[name], options=options)  # fmt: skip
    for i in range(1, HOSPITALS + 1):
        write_cells(folder / f"{i}.h5ad", i)
        network.up(i)
    network.open_study(complete(spec))
    for i in range(1, HOSPITALS + 1):
        command = [*program, "train", "table", "s", "--data", str(folder / f"{i}.h5ad")]
        network.train(i, command)
    network.wait_until(lambda: network.study("s").status == "finished", 90)


def pool_rows(folder, name):
    """Training rows of all hospitals in the study's features, x and y."""
    spec = complete(Spec(name="s", data=STUDIES[name]))
    paths = [folder / f"{i}.h5ad" for i in range(1, HOSPITALS + 1)]
    prepared = [prepare(spec, Sources(Files((path,))), Findings()) for path in paths]
    merged = merge_statistics({i: p.statistics for i, p in enumerate(prepared, 1)})
    outcome = Schema.of(STUDIES[name]).outcome
    options = Options(kind=outcome.kind, classes=len(outcome.classes) or 2)
    design = Design.from_statistics(merged, options)
    x = np.concatenate([design.matrix(p.training) for p in prepared])
    return design, x, np.concatenate([p.training.y for p in prepared]).astype(int)


def read_model(network):
    """Arrays of the last model."""
    model, store = network.study("s").current, BlobStore(network.homes[0].blobs_path)
    with store.path(model.digest).open("rb") as file:
        return arrays_from(file, store.layout(model.layout))


def check_model(network, loss, x, y, strength):
    """Compare the swarm's model with one of all rows in one place."""
    model = read_model(network)
    expected = fit_at(Axes.of(x), y, strength, loss).reshape(loss.outputs, -1)
    apart = np.linalg.norm(np.atleast_2d(model["weight"]) - expected[:, :-1])
    assert apart < 0.03 * np.linalg.norm(expected[:, :-1])  # rounds end once a model hardly moves


def test_types_are_learnt_from_sparse_rows(tmp_path):
    with Network(tmp_path, HOSPITALS) as network:
        run_study(network, tmp_path, "types", [PROGRAMS / "sparse_trainer.py"], {})
        design, x, y = pool_rows(tmp_path, "types")
        said = (network.homes[0].root / "logs" / "trainer.log").read_text()
        assert "the penalty is learnt on" in said
        strength = float(said.split("C = ")[1].split()[0])
        check_model(network, Softmax(3), x, y, strength)
    assert len(design.names) == GENES
    shown = asyncio.run(show_study(network.homes[0], "s", 0))
    measured = [s.merged.metrics for r in shown.rounds for s in r.sites if s.merged is not None]
    figures = [found for found in measured if "local accuracy" in found]
    assert len(figures) == HOSPITALS
    assert all(found["accuracy"] > 600_000 for found in figures)  # millionths


def test_patients_are_learnt_from_sums_of_their_cells(tmp_path):
    with Network(tmp_path, HOSPITALS) as network:
        run_study(network, tmp_path, "patients", ["-m", "swarmhub"], {"penalty": "0.1"})
        design, x, y = pool_rows(tmp_path, "patients")
        check_model(network, LOGISTIC, x, y, 0.1)
    assert len(x) == HOSPITALS * 56
    assert "B/gene5" in design.names
