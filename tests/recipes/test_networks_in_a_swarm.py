"""Studies of deep networks by real nodes and trainers: images at three hospitals, and tables."""

import asyncio
import os
import re

import numpy as np
import pytest
from swarm import Network

from swarmhub.contract.records import Declaration, Inputs, Outcome, Spec
from swarmhub.models.evaluate import evaluate_files
from swarmhub.models.predict import load_model
from swarmhub.operations.models import Target, export_model
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.gather import gather
from swarmhub.operations.report.page import render
from swarmhub.recipes.plan import complete

pytestmark = [pytest.mark.process, pytest.mark.torch]

SIDE, COUNTS = 16, (120, 80, 60)


def draw(rng, is_disc, low):
    """A bright disc or square somewhere, of a size and on a ground that vary."""
    middle, reach = rng.uniform(5, SIDE - 6, 2), rng.uniform(2.5, 4.5)
    away = np.abs(np.indices((SIDE, SIDE)) - middle[:, None, None])
    inside = np.hypot(*away) < 1.13 * reach if is_disc else away.max(axis=0) < reach
    return np.clip(low + 0.5 * inside + rng.normal(0, 0.08, inside.shape), 0, 1)


def write_images(folder, rng, count, share, low):
    """A hospital's images, with the share of discs and the brightness of its device, and its table
    of patients."""
    folder.mkdir()
    discs = rng.random(count) < share
    images = np.array([draw(rng, disc, low) for disc in discs])
    names = [f"p{k}" for k in range(count)]
    np.savez(folder / "scans.npz", images=(255 * images).astype(np.uint8), samples=names)
    words, ages = np.where(discs, "disc", "square"), rng.integers(20, 90, count)
    lines = [f"{n},{w},{a}" for n, w, a in zip(names, words, ages, strict=True)]
    (folder / "patients.csv").write_text("sample,shape,age\n" + "\n".join(lines) + "\n")
    return [folder / "scans.npz", folder / "patients.csv"]


def run_study(network, declared, files, options, rounds):
    """Run a study to its end; `files` are those of each hospital."""
    spec = Spec(name="s", min_peers=3, quorum_grace_ms=60_000, leader_timeout_ms=10_000,
                rounds=rounds, data=declared, options=options, seed=3)  # fmt: skip
    hospitals = range(1, len(files) + 1)
    for i in hospitals:
        network.up(i)
    network.open_study(complete(spec))
    for i, own in zip(hospitals, files, strict=True):
        given = [word for file in own for word in ("--data", file)]
        network.train(i, ["-m", "swarmhub", "train", "table", "s", *given])

    def is_over():
        network.children.check()
        return network.study("s").status == "finished"

    network.wait_until(is_over, 240)


def test_hospitals_tell_discs_from_squares(tmp_path):
    pytest.importorskip("torch")
    rng, files = np.random.default_rng(4), []
    for i, (count, share) in enumerate(zip(COUNTS, (0.5, 0.7, 0.3), strict=True), 1):
        files.append(write_images(tmp_path / f"{i}", rng, count, share, 0.1 * i))
    new = write_images(tmp_path / "new", rng, 300, 0.5, 0.2)
    network = Network(tmp_path, 3)
    with network:
        outcome = Outcome("shape", positive=("disc",), negative=("square",))
        inputs = (Inputs("scan", columns=("px_*",)), Inputs("clinic"))
        declared = Declaration(outcome, sample="sample", inputs=inputs)
        options = {"model": "cnn", "epochs": "4"}
        run_study(network, declared, files, options, 10)
        home = network.homes[0]
        made = asyncio.run(export_model(home, "s", Target(tmp_path / "model")))
        page = render(compose(asyncio.run(gather(home, "s"))))
    assert made.method == "convolutional neural network"
    model = load_model(tmp_path / "model")
    found = evaluate_files(model, new).evaluation.figures
    assert found["auc"].value > 0.95
    assert "convolutional neural network" in page
    assert re.search(r"The weight decay is fixed in the terms", page)
    assert "no weights that stand for single features" in page


def test_hospitals_without_images_get_one_sentence(tmp_path):
    pytest.importorskip("torch")
    rng, files = np.random.default_rng(4), []
    for i in (1, 2, 3):
        files.append([tmp_path / f"{i}.csv"])
        lines = [f"{k % 2},{x:.3f}" for k, x in enumerate(rng.normal(size=60))]
        files[-1][0].write_text("y,age\n" + "\n".join(lines) + "\n")
    network = Network(tmp_path, 3)
    with network, pytest.raises(Exception, match="Expected images for the model 'cnn'"):
        run_study(network, Declaration(Outcome("y", positive=("1",))), files, {"model": "cnn"}, 2)


RINGS = ("inner", "middle", "outer")
OUTCOMES = {
    "classes": Outcome("y", "classes", classes=RINGS),
    "continuous": Outcome("y", "continuous", unit="mm"),
}


def write_bowl(path, rng, count, shift, kind):
    """A hospital's table of four inputs: the distance from the origin in two of them, or its
    ring, which no linear model has."""
    x = rng.normal(shift, 1.0, (count, 4))
    away = np.hypot(x[:, 0], x[:, 1])
    rings = np.array(RINGS)[np.digitize(away, (0.9, 1.5))]
    cells = rings if kind == "classes" else 3 * away + rng.normal(0, 0.2, count)
    lines = [",".join([str(c), *map(str, row)]) for c, row in zip(cells, x, strict=True)]
    path.write_text("y,a,b,c,d\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", OUTCOMES if os.environ.get("SWARMHUB_LONG") else ["classes"])
def test_dense_layers_learn_what_no_linear_model_has(tmp_path, kind):
    pytest.importorskip("torch")
    rng, files = np.random.default_rng(1), [tmp_path / f"{i}.csv" for i in range(4)]
    for i, (file, count) in enumerate(zip(files, (200, 120, 80, 300), strict=True)):
        write_bowl(file, rng, count, 0.1 * i, kind)
    network = Network(tmp_path, 3)
    with network:
        options = {"model": "deep", "epochs": "10"}
        own = [[file] for file in files[:3]]
        run_study(network, Declaration(OUTCOMES[kind]), own, options, 12)
        asyncio.run(export_model(network.homes[0], "s", Target(tmp_path / "model")))
    found = evaluate_files(load_model(tmp_path / "model"), files[3]).evaluation.figures
    if kind == "classes":
        assert found["accuracy"].value > 0.75
    else:
        assert found["r2"].value > 0.75
