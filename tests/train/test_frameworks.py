"""Three hospitals train a framework's model over real nodes."""

import numpy as np
import pytest
from swarm import Network, make_spec, swarmhub

from swarmhub.contract.records import Metric
from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process

TORCH = """
import argparse, torch, swarmhub
p = argparse.ArgumentParser(); p.add_argument("--home"); p.add_argument("--seed", type=int)
home = p.parse_args().home
seed = int(home[-1])
torch.manual_seed(seed)                      # every hospital has its own data and its own start
x = torch.randn(200, 5); y = (x[:, 0] + x[:, 1] > 0).float()
net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))
def accuracy():
    net.eval()
    with torch.no_grad():
        found = ((net(x)[:, 0] > 0).float() == y).float().mean().item()
    net.train()
    return {"accuracy": found}
with swarmhub.join("s", home) as swarm:
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for turn in swarm.rounds(net, evaluate=accuracy):
        for _ in range(10):
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y)
            loss.backward(); optimizer.step()
        turn.report(samples=len(x), loss=loss.item())
torch.save(net.state_dict(), home + "/final.pt")
"""

SKLEARN = """
import argparse, numpy as np, swarmhub
from sklearn.linear_model import SGDClassifier
p = argparse.ArgumentParser(); p.add_argument("--home"); home = p.parse_args().home
rng = np.random.default_rng(int(home[-1]))
x = rng.normal(size=(200, 4)); y = (x[:, 0] - x[:, 2] > 0).astype(int)
model = SGDClassifier(loss="log_loss", random_state=0).fit(x, y)
with swarmhub.join("s", home) as swarm:
    for turn in swarm.rounds(model, evaluate=lambda: {"accuracy": model.score(x, y)}):
        model.partial_fit(x, y)
        turn.report(samples=len(x))
np.savez(home + "/final.npz", coef=model.coef_)
"""


def run(tmp_path, script, rounds=4):
    path = tmp_path / "train.py"
    path.write_text(script)
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
    study, arrays, homes = run(tmp_path, SKLEARN)
    assert study.best_score.metrics["accuracy"] > 900_000
    for home in homes:
        np.testing.assert_array_equal(np.load(home / "final.npz")["coef"], arrays["coef_"])


@pytest.mark.torch
def test_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    study, arrays, homes = run(tmp_path, TORCH)
    assert study.best_score.metrics["accuracy"] > 850_000
    for home in homes:
        final = torch.load(home / "final.pt", weights_only=True)
        for name, tensor in final.items():
            np.testing.assert_array_equal(tensor.numpy(), arrays[name])
    assert arrays["1.num_batches_tracked"] == 4 * 10
