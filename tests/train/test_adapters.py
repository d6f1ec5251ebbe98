"""Frameworks' models as named arrays, and back, without a change of a bit."""

import os
from types import MappingProxyType

import numpy as np
import pytest

from swarmhub.errors import BadInput, TrainerError
from swarmhub.train.adapters import Parameters, adapt

long = pytest.mark.skipif(
    not os.environ.get("SWARMHUB_LONG"), reason="5 GB of memory, 2 GB of disk: SWARMHUB_LONG=1"
)


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


UNUSUAL = {
    "transposed": lambda: np.arange(6.0).reshape(2, 3).T,
    "strided": lambda: np.arange(10.0)[::2],
    "backwards": lambda: np.arange(4.0)[::-1],
    "Fortran order": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": lambda: np.arange(3.0).astype(">f8"),
    "of no dimension": lambda: np.array(3.0),
    "empty": lambda: np.zeros((0, 3)),
    "a matrix": lambda: np.arange(6.0).reshape(2, 3).view(np.matrix),
}


@pytest.mark.parametrize("make", UNUSUAL.values(), ids=UNUSUAL)
def test_arrays_of_any_strides_are_merged_in_place(make, tmp_path):
    source, plain = {"a": make()}, {"a": np.array(make(), "f8", order="C")}
    target = {"a": make()}
    held, target["a"][...] = target["a"], 0
    through_a_file(tmp_path, source, plain)
    through_a_file(tmp_path, plain, target)
    np.testing.assert_array_equal(held, make())
    assert target["a"] is held


READ_ONLY = {
    "frombuffer": lambda path: np.frombuffer(bytes(16)),
    "broadcast": lambda path: np.broadcast_to(np.ones(2), (3, 2)),
    "one memory": lambda path: np.lib.stride_tricks.as_strided(np.ones(1), (3,), (0,)),
    "memory map": lambda path: np.memmap(path, mode="r"),
}


@pytest.mark.parametrize("make", READ_ONLY.values(), ids=READ_ONLY)
def test_an_array_that_takes_no_values_is_refused(make, tmp_path):
    (tmp_path / "f").write_bytes(bytes(16))
    with pytest.raises(TrainerError, match="'w' cannot be written to"):
        adapt({"w": make(tmp_path / "f")})


def test_an_array_that_becomes_read_only_is_refused_then():
    model = {"w": np.ones(2)}
    parameters = Parameters(adapt(model), ())
    model["w"] = np.frombuffer(bytes(16))
    with pytest.raises(TrainerError, match="'w' cannot be written to"):
        parameters.shared()


@pytest.mark.parametrize("dtype", ["O", "U3", "c16", "M8[D]", "u8"])
def test_a_type_that_cannot_be_merged_is_refused_at_once(dtype):
    with pytest.raises(BadInput, match=r"'w': .*use one of"):
        Parameters(adapt({"w": np.zeros(2, dtype)}), ())


def test_a_type_that_cannot_stay_at_home_is_refused_at_once():
    with pytest.raises(BadInput, match=r"'head': .*cannot be stored"):
        Parameters(adapt({"w": np.zeros(2), "head": np.zeros(2, "O")}), ("head",))


def test_arrays_of_ones_own_may_be_read_only(tmp_path):
    class Frozen:
        bf16 = ()
        w = np.frombuffer(np.arange(2.0).tobytes())

        def arrays(self):
            return {"w": self.w}

        def load(self, arrays):
            self.w = arrays["w"]

    model = Frozen()
    through_a_file(tmp_path, {"w": np.array([5.0, 6.0])}, model)
    np.testing.assert_array_equal(model.w, [5, 6])


def test_labels_of_ones_own_are_part_of_the_form():
    class Labelled:
        bf16, meanings = (), MappingProxyType({"columns": ["age", 2]})

        def arrays(self):
            return {"w": np.ones(1)}

        def load(self, arrays):
            pass

    (found,) = Parameters(adapt(Labelled()), ()).layout().meanings
    assert (found.name, found.labels) == ("columns", ("age", "2"))


def test_what_stayed_at_home_must_fit_the_model():
    parameters = Parameters(adapt({"w": np.ones(1), "head": np.ones(3)}), ("head",))
    for wrong in (np.ones(1), np.ones(3, "f4"), np.ones((1, 3))):
        with pytest.raises(TrainerError, match="'head' that stayed at home"):
            parameters.load_local({"head": wrong})
    assert list(parameters.load_local({"head": np.ones(3), "mine": np.ones(1)})) == ["mine"]


@long
def test_a_tensor_above_two_gib_is_read_back(tmp_path):
    model = {"embedding": np.zeros(1 << 29, np.float32)}
    model["embedding"][-1] = 7
    parameters = Parameters(adapt(model), ())
    layout = parameters.write(tmp_path / "b")
    model["embedding"][-1] = 0
    parameters.read(tmp_path / "b", layout.digest)
    assert model["embedding"][-1] == 7


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


@pytest.mark.torch
def test_a_torch_tensor_of_any_strides_is_merged(tmp_path):
    torch = pytest.importorskip("torch")

    def make(fill):
        net = torch.nn.Module()
        net.register_buffer("t", torch.arange(6.0).reshape(2, 3).T + fill)
        net.register_buffer("s", torch.arange(10.0)[::2] + fill)
        net.register_buffer("n", torch.tensor(3.0) + fill)
        return net

    source, target = make(1), make(0)
    target.t = torch.zeros(2, 3).T
    through_a_file(tmp_path, source, target)
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name


@pytest.mark.torch
def test_a_torch_tensor_that_cannot_take_part_is_named(tmp_path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Module()
    net.register_buffer("sparse", torch.eye(2).to_sparse())
    with pytest.raises(TrainerError, match="'sparse'"):
        Parameters(adapt(net), ())
    net = torch.nn.Module()
    net.register_buffer("wide", torch.zeros(1).expand(3))
    with pytest.raises(TrainerError, match="'wide'"):
        adapt(net).load({"wide": np.arange(3, dtype="f4")})
