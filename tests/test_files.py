"""Reads and writes go on until all is done, however little a system call moves."""

import errno
import io
import os

import pytest

from swarmhub.files import fill, fill_at, read_at, write_all


class Short(io.RawIOBase):
    """An unbuffered file that moves at most three bytes at a time."""

    def __init__(self, data=b""):
        self.data, self.at = bytearray(data), 0

    def write(self, view):
        self.data += view[:3]
        return min(3, len(view))

    def readinto(self, view):
        part = self.data[self.at : self.at + min(3, len(view))]
        view[: len(part)] = part
        self.at += len(part)
        return len(part)


def test_a_short_write_is_followed_by_the_rest():
    file = Short()
    write_all(file, bytes(range(100)))
    assert file.data == bytes(range(100))


def test_a_short_read_is_followed_by_the_rest():
    into = memoryview(bytearray(100))
    assert fill(Short(bytes(range(100))), into) == 100
    assert into == bytes(range(100))


def test_a_file_that_ends_fills_a_part():
    assert fill(Short(b"abcd"), memoryview(bytearray(100))) == 4


def test_a_file_that_takes_nothing_is_an_error():
    class Full(io.RawIOBase):
        def write(self, view):
            return 0

    with pytest.raises(OSError) as error:
        write_all(Full(), b"x")
    assert error.value.errno == errno.EIO


@pytest.fixture
def short_system(monkeypatch):
    """The system moves at most three bytes a call."""
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(size, 3), at))

    def preadv(fd, views, at):
        data = pread(fd, min(3, len(views[0])), at)
        views[0][: len(data)] = data
        return len(data)

    monkeypatch.setattr(os, "preadv", preadv)


@pytest.mark.usefixtures("short_system")
def test_a_place_of_a_file_is_read_to_the_end(tmp_path):
    (tmp_path / "f").write_bytes(bytes(range(50)))
    with (tmp_path / "f").open("rb") as file:
        assert read_at(file.fileno(), 20, 10) == bytes(range(10, 30))
        assert read_at(file.fileno(), 20, 45) == bytes(range(45, 50))
        into = memoryview(bytearray(20))
        assert fill_at(file.fileno(), into, 10) == 20
        assert into == bytes(range(10, 30))
        assert fill_at(file.fileno(), into, 45) == 5
