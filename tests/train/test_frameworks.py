"""Three hospitals train a framework's model over real nodes."""

import numpy as np
import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.contract.records import Metric
from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process


def run(tmp_path, script, rounds=4):
    path = PROGRAMS / script
    spec = make_spec(rounds=rounds, min_peers=3, metric=Metric("accuracy", "max"))
    from swarmhub.contract.records import Spec

    spec = Spec(**{**spec.__dict__, "metric": Metric("accuracy", "max")})
    network = Network(tmp_path, 3)
    with network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(spec)
        for i in (1, 2, 3):
            network.train(i, path)
        network.wait_until(lambda: network.study("s").status == "finished", 120)
        network.wait_until(
            lambda: not any(network.children.is_running(f"trainer {i}") for i in (1, 2, 3))
        )
        network.children.check()
        study = network.study("s")
        out = tmp_path / "m.safetensors"
        done = swarmhub("node", "export", "s", "--home", network.homes[0].root, "--out", out)
        assert done.returncode == 0, done.stderr
    return study, import_safetensors(out), [h.root for h in network.homes]


def test_scikit_learn(tmp_path):
    pytest.importorskip("sklearn")
    study, arrays, homes = run(tmp_path, "sklearn_trainer.py")
    assert study.best_score.metrics["accuracy"] > 900_000
    for home in homes:
        np.testing.assert_array_equal(np.load(home / "final.npz")["coef"], arrays["coef_"])


@pytest.mark.torch
def test_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    study, arrays, homes = run(tmp_path, "torch_trainer.py")
    assert study.best_score.metrics["accuracy"] > 850_000
    for home in homes:
        final = torch.load(home / "final.pt", weights_only=True)
        for name, tensor in final.items():
            np.testing.assert_array_equal(tensor.numpy(), arrays[name])
    assert arrays["1.num_batches_tracked"] == 4 * 10
