"""The vault: on disk before it is used, each secret for one answer and one set, erased."""

import pytest

from swarmhub.errors import MaskError, SpentError
from swarmhub.node.vault import Vault
from swarmhub.protocol import OwnMasked

A, B = "a" * 64, "b" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.masks"


def opened(path, report=pytest.fail):
    return Vault(path, report)


def masked(number):
    return OwnMasked(number, 0, A, B, B, 64, A, 10)


def test_a_root_is_on_disk_before_it_is_given(path):
    root = opened(path).root(2, 0)
    assert len(root) == 32
    assert opened(path).root(2, 0) == root


def test_each_keying_has_a_root_of_its_own(path):
    vault = opened(path)
    roots = {vault.root(number, keying) for number in (2, 3) for keying in (0, 1, 2)}
    assert len(roots) == 6
    assert {vault.root(n, k) for n in (2, 3) for k in (0, 1, 2)} == roots


def test_only_the_nodes_user_reads_the_file(path):
    opened(path).root(2, 0)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("use", ["answer", "set"])
def test_a_root_serves_one_answer_and_one_set(path, use):
    vault = opened(path)
    vault.root(2, 0)
    vault.bind(2, 0, use, A)
    for again in (vault, opened(path)):
        again.bind(2, 0, use, A)
        with pytest.raises(SpentError, match=f"Expected the {use} a{{16}}… .* got b{{16}}…"):
            again.bind(2, 0, use, B)


def test_an_answer_does_not_use_up_the_set(path):
    vault = opened(path)
    vault.root(2, 0)
    vault.bind(2, 0, "answer", A)
    vault.bind(2, 0, "set", B)
    with pytest.raises(SpentError):
        opened(path).bind(2, 0, "set", A)


def test_new_keys_may_mask_another_answer(path):
    vault = opened(path)
    for keying, answer in ((0, A), (3, B)):
        vault.root(2, keying)
        vault.bind(2, keying, "answer", answer)
    assert opened(path).root(2, 0) != opened(path).root(2, 3)


def test_a_use_needs_a_root(path):
    with pytest.raises(MaskError, match="no secret of round 2"):
        opened(path).bind(2, 0, "answer", A)
    assert not path.exists()


def test_a_use_that_cannot_be_written_is_none(path, monkeypatch):
    vault = opened(path)
    vault.root(2, 0)
    monkeypatch.setattr("swarmhub.node.vault.write_durably", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vault.bind(2, 0, "answer", A)
    monkeypatch.undo()
    vault.bind(2, 0, "answer", B)


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_damaged_vault_is_said_and_left_aside(path, at):
    before = opened(path).root(2, 0)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    said = []
    after = opened(path, said.append).root(2, 0)
    assert (len(said), "was damaged and is left aside" in said[0]) == (1, True)
    assert after != before


def test_a_torn_vault_is_said_and_left_aside(path):
    opened(path).root(2, 0)
    path.write_bytes(path.read_bytes()[:20])
    said = []
    assert opened(path, said.append).masked is None
    assert len(said) == 1


def test_the_newest_masked_answer_is_remembered(path):
    vault = opened(path)
    vault.save_masked(masked(2))
    vault.save_masked(masked(3))
    assert opened(path).masked == vault.masked == masked(3)


def test_settled_rounds_are_erased_from_the_file(path):
    vault = opened(path)
    old, new = vault.root(2, 0), vault.root(3, 0)
    vault.save_masked(masked(2))
    vault.erase_before(3)
    assert old.hex().encode() not in path.read_bytes()
    assert (opened(path).root(3, 0), opened(path).masked) == (new, None)
    assert opened(path).root(2, 0) != old


def test_a_vault_that_is_erased_is_gone(path):
    vault = opened(path)
    before = vault.root(2, 0)
    vault.erase()
    vault.erase()
    assert not path.exists()
    assert vault.root(2, 0) != before
