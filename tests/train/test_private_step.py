"""`private_step` with PyTorch: sums of clipped patients, what one patient changes, refusals."""

import numpy as np
import pytest

from swarmhub.errors import BadInput, SwarmhubError, TrainerError
from swarmhub.train.bounded import Bound
from swarmhub.train.training import SwarmRound

torch = pytest.importorskip("torch")
pytest.importorskip("opacus")
private_step = pytest.importorskip("swarmhub.train").private_step
nn = torch.nn

pytestmark = [pytest.mark.unit, pytest.mark.torch]

CLIP, SAMPLES, RATE = 0.7, 50, 0.5


def make_turn(unit="patient", samples=SAMPLES):
    return SwarmRound(1, 10, "", bound=Bound(CLIP, samples, unit))


def make_net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Dropout(0.0), nn.Linear(6, 1)
    )


def loss(outputs, targets):
    return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets, reduction="none")


def draw(seed=1, n=30, patients=9):
    rng = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(n, 4, generator=rng)
    return x, (x[:, 0] > 0).float(), torch.randint(0, patients, (n,), generator=rng).tolist()


def cut(x, y, size):
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


def flat(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()]).double()


def step_one_by_one(net, x, y, names):
    """The parameters after a step, each patient's gradient by autograd."""
    total = torch.zeros_like(flat(net))
    for name in sorted(set(names)):
        mine = torch.tensor([n == name for n in names])
        net.zero_grad()
        loss(net(x[mine]), y[mine]).sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in net.parameters()]).double()
        total += gradient * min(1.0, CLIP / RATE / float(gradient.norm()))
    return flat(net) - RATE * total / SAMPLES


@pytest.mark.parametrize("size", [1, 7, 30])
def test_a_step_is_the_sum_of_clipped_patients(size):
    net, (x, y, names) = make_net(), draw()
    expected = step_one_by_one(net, x, y, names)
    turn = make_turn()
    private_step(turn, net, loss, cut(x, y, size), names, RATE)
    np.testing.assert_allclose(flat(net), expected, atol=1e-5)
    assert (turn._samples, turn._own) == (SAMPLES, {})
    assert not any(hasattr(p, "grad_sample") for p in net.parameters())


@pytest.mark.parametrize("seed", range(5))
def test_a_patient_changes_a_network_by_the_clip_at_most(seed):
    x, y, names = draw(seed)
    x[[n == names[0] for n in names]] *= 50
    kept = torch.tensor([n != names[0] for n in names])
    sent = []
    for rows in (torch.ones_like(kept), kept):
        net = make_net(seed)
        left = [n for n, k in zip(names, rows, strict=True) if k]
        private_step(make_turn(), net, loss, cut(x[rows], y[rows], 8), left, RATE)
        sent.append(flat(net))
    # float32 parameters: the node reckons with their rounding
    assert 0.5 * CLIP < SAMPLES * float((sent[0] - sent[1]).norm()) <= CLIP * 1.001


def test_records_are_clipped_one_by_one():
    net, (x, y, _) = make_net(), draw()
    expected = step_one_by_one(net, x, y, list(range(30)))
    private_step(make_turn("record"), net, loss, cut(x, y, 7), rate=RATE)
    np.testing.assert_allclose(flat(net), expected, atol=1e-5)


def make_mixed():
    """A network whose outputs depend on the mean of their batch."""
    first = nn.Identity()
    first.register_forward_hook(lambda module, given, made: made - made.mean(dim=0))
    return nn.Sequential(first, nn.Linear(4, 1))


def make_counted():
    """A network with a buffer that adds up rows."""
    first = nn.Identity()
    first.register_buffer("seen", torch.zeros(4))

    def add(module, given, made):
        module.seen += made.sum(dim=0)

    first.register_forward_hook(add)
    return nn.Sequential(first, nn.Linear(4, 1))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))}, "cannot be trained priv"),
        ({"model": make_mixed()}, "A row's output depends on the other rows"),
        ({"model": make_counted()}, "A buffer of the module changes"),
        ({"loss": nn.BCEWithLogitsLoss()}, r"Expected a loss of each row, \(30,\), got"),
        ({"patients": None}, "the patient of each row, in a study whose privacy is of patients"),
        ({"patients": [1, 2]}, "the patient of each row, got 2 names for 30 rows"),
        ({"patients": range(40)}, "the patient of each row, got 40 names for 30 rows"),
        ({"turn": make_turn(samples=3)}, "Expected at most 3 patients, the samples of the enrol"),
        ({"turn": SwarmRound(1, 10, "")}, r"Expected a study with \[privacy.dp\] in its terms"),
        ({"rate": 0.0}, "a rate above 0"),
    ],
)
def test_a_step_without_a_bound_is_refused(change, expected):
    x, y, names = draw()
    given = {"turn": make_turn(), "model": make_net(), "loss": loss, "patients": names}
    given |= {"batches": [(x, y[:, None] if "loss" in change else y)]} | change
    before = flat(given["model"])
    with pytest.raises(SwarmhubError, match=expected):
        private_step(**given)
    assert torch.equal(flat(given["model"]), before)
    assert given["turn"]._samples is None


def test_a_value_that_is_no_number_is_refused():
    x, y, names = draw()
    x[3, 0] = float("inf")
    with pytest.raises(TrainerError, match="The loss of a row is not finite"):
        private_step(make_turn(), make_net(), loss, cut(x, y, 7), names, RATE)


def test_without_opacus_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opacus.grad_sample", None)
    x, y, names = draw()
    with pytest.raises(BadInput, match=r"pip install swarmhub\[dp\]"):
        private_step(make_turn(), make_net(), loss, [(x, y)], names)
