"""Models that are gone, and time in which a demo was stopped, do it no harm."""

import pytest

from swarmhub.contract.records import Contribution, Round
from swarmhub.demo.models import read_held
from swarmhub.demo.patience import Patience, say_what_is_missing
from swarmhub.errors import BlobError

NAMES = {1: "North", 2: "South", 3: "West"}


def stores(tmp_path, *contents):
    """Stores of nodes, each with the bytes of the blob `d` or without it."""
    found = []
    for i, content in enumerate(contents):
        found.append(tmp_path / str(i))
        found[-1].mkdir()
        if content is not None:
            (found[-1] / "d.bin").write_bytes(content)
    return found


def test_a_model_is_read_from_the_first_node_that_has_it(tmp_path):
    found = stores(tmp_path, None, b"model", b"other")
    assert read_held(found, "d", lambda file: file.read()) == b"model"
    assert read_held(found[:1], "d", lambda file: file.read()) is None


def test_a_file_that_is_swept_while_it_is_read_is_not_used(tmp_path):
    found = stores(tmp_path, b"model", b"whole")

    def read(file):
        (found[0] / "d.bin").rename(tmp_path / "spare")
        (tmp_path / "spare").write_bytes(b"wrong")
        return file.read()

    assert read_held(found[:1], "d", read) is None
    (tmp_path / "spare").rename(found[0] / "d.bin")
    assert read_held(found[1:], "d", lambda file: file.read()) == b"whole"


def test_a_torn_file_is_passed_over(tmp_path):
    def read(file):
        data = file.read()
        if data != b"whole":
            raise BlobError("torn")
        return data

    assert read_held(stores(tmp_path, b"who", b"whole"), "d", read) == b"whole"


def test_time_in_which_the_demo_was_stopped_does_not_count():
    patience = Patience(3.0, 100.0)
    assert not patience.look(100.5)
    assert not patience.look(9000.5)  # stopped, or the machine slept
    assert patience.quiet_s == 1.5
    patience.hear(9001.0)
    assert [patience.look(9001.0 + k) for k in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("phase", "have", "words"),
    [
        ("COLLECTING", (1,), "train round: waiting for South, West"),
        ("COLLECTING", (1, 2, 3), "train round: all have contributed"),
        ("MERGING", (2,), "train round: waiting for the leader (South)"),
        ("MERGING", (), "train round: waiting for the leader (none is left)"),
    ],
)
def test_what_a_round_waits_for_is_said_by_name(phase, have, words):
    given = tuple(Contribution(m, "d", 1, "l", 1) for m in have)
    r = Round("s", 3, "train", phase, (1, 2, 3), contributions=given)
    assert say_what_is_missing(r, NAMES) == words
