"""Frameworks' models as named arrays, and back, without a change of a bit."""

import numpy as np
import pytest

from swarmhub.errors import TrainerError
from swarmhub.train.adapters import Parameters, adapt


def through_a_file(tmp_path, source, target, keep_local=()):
    """Write one model's shared arrays, read them into another."""
    layout = Parameters(adapt(source), keep_local).write(tmp_path / "buffer")
    Parameters(adapt(target), keep_local).read(tmp_path / "buffer", layout.digest)


def test_a_dict_is_filled_in_place(tmp_path):
    source = {"a": np.arange(6.0).reshape(2, 3), "n": np.array(3, np.int64)}
    target = {"a": np.zeros((2, 3)), "n": np.array(0, np.int64)}
    held = target["a"]
    through_a_file(tmp_path, source, target)
    np.testing.assert_array_equal(held, source["a"])
    assert target["n"] == 3


def test_a_transposed_array_is_made_contiguous(tmp_path):
    source = {"a": np.arange(6.0).reshape(2, 3).T}
    target = {"a": np.zeros((3, 2))}
    through_a_file(tmp_path, source, target)
    np.testing.assert_array_equal(target["a"], [[0, 3], [1, 4], [2, 5]])


def test_what_is_kept_local_does_not_travel(tmp_path):
    source = {"body.w": np.ones(2), "head.w": np.ones(2)}
    target = {"body.w": np.zeros(2), "head.w": np.zeros(2)}
    through_a_file(tmp_path, source, target, keep_local=("head.*",))
    np.testing.assert_array_equal(target["body.w"], [1, 1])
    np.testing.assert_array_equal(target["head.w"], [0, 0])
    assert b"head" not in (tmp_path / "buffer").read_bytes()


def test_nothing_left_to_share_is_said(tmp_path):
    with pytest.raises(TrainerError, match="No array is left to share"):
        Parameters(adapt({"w": np.ones(1)}), ("*",)).write(tmp_path / "b")


def test_another_models_buffer_is_refused(tmp_path):
    layout = Parameters(adapt({"w": np.ones(2)}), ()).write(tmp_path / "b")
    for other in ({"w": np.ones(3)}, {"v": np.ones(2)}, {"w": np.ones(2, np.float32)}):
        with pytest.raises(TrainerError, match="names, types or shapes"):
            Parameters(adapt(other), ()).read(tmp_path / "b", layout.digest)


@pytest.mark.parametrize("wrong", [3, "model", {"w": [1, 2]}, {1: np.ones(1)}, object()])
def test_what_is_no_model_is_refused(wrong):
    with pytest.raises(TrainerError, match="Expected"):
        adapt(wrong)


def test_an_object_with_arrays_and_load_is_its_own_adapter():
    class Model:
        bf16 = ()

        def arrays(self):
            return {"w": np.ones(1)}

        def load(self, arrays):
            self.loaded = arrays

    model = Model()
    assert adapt(model) is model


def test_a_linear_model_of_scikit_learn(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    source = linear.SGDClassifier(random_state=0).fit(x, y)
    target = linear.SGDClassifier(random_state=1).fit(x, 1 - y)
    through_a_file(tmp_path, source, target)
    np.testing.assert_array_equal(target.coef_, source.coef_)
    np.testing.assert_array_equal(target.predict(x), source.predict(x))
    with pytest.raises(TrainerError, match="fit it once"):
        adapt(linear.SGDClassifier())


@pytest.mark.torch
def test_a_torch_module_with_every_kind_of_tensor(tmp_path):
    torch = pytest.importorskip("torch")

    def make(fill):
        torch.manual_seed(fill)
        net = torch.nn.Sequential(
            torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2).half(),
            torch.nn.Linear(2, 2).to(torch.bfloat16),
        )  # fmt: skip
        net[1].num_batches_tracked += fill
        return net

    source, target = make(1), make(2)
    through_a_file(tmp_path, source, target)
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name


@pytest.mark.torch
def test_a_torch_module_shares_its_memory_with_the_adapter():
    torch = pytest.importorskip("torch")
    net = torch.nn.Linear(2, 2)
    arrays = adapt(net).arrays()
    arrays["weight"][:] = 7
    assert float(net.weight.detach()[0, 0]) == 7.0
