"""Collection of code: all of it, the same everywhere, and nothing that may be data."""

import pytest

from swarmhub.documents import collect_code, collect_running, read_bundle
from swarmhub.errors import BadInput


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "trainer"
    (folder / "lib" / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "fit.py").write_text("import lib.net\n")
    (folder / "lib" / "net.py").write_text("x = 1\n")
    (folder / "requirements.txt").write_text("torch==2.4\n")
    (folder / "lib" / "__pycache__" / "net.pyc").write_bytes(b"\0")
    (folder / ".git" / "config").write_text("secret")
    return folder


def names_in(data):
    return [file.name for file in read_bundle(data).files]


def test_a_folder_gives_its_code_sorted(code):
    assert names_in(collect_code(code)) == ["fit.py", "lib/net.py", "requirements.txt"]
    assert collect_running(code) == collect_code(code)


def test_a_single_file_is_code(code):
    assert names_in(collect_code(code / "fit.py")) == ["fit.py"]


@pytest.mark.parametrize("name", ["patients.csv", "lib/notes.txt", "fit.ipynb", "a.json", "m.pt"])
def test_what_may_be_data_does_not_leave(code, name):
    (code / name).write_text("age")
    with pytest.raises(BadInput, match=f"found '{name}'; keep data and results elsewhere"):
        collect_code(code)
    assert name not in names_in(collect_running(code))


def test_what_python_imports_must_be_readable(code):
    (code / "fast.so").write_bytes(b"\x7fELF")
    with pytest.raises(BadInput, match=r"found 'fast\.so', which Python could import"):
        collect_running(code)


def test_a_link_is_not_followed(code, tmp_path):
    (tmp_path / "elsewhere.py").write_text("secret")
    (code / "link.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(BadInput, match="no links among the code"):
        collect_code(code)
    (code / "link.py").unlink()
    (code / "more").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="no links among the code"):
        collect_code(code)


def test_a_folder_without_code_is_refused(tmp_path):
    with pytest.raises(BadInput, match="1 to 200 files of code"):
        collect_code(tmp_path)
    with pytest.raises(BadInput, match="found none"):
        collect_code(tmp_path / "absent")


def test_code_that_cannot_be_read_is_refused(code):
    (code / "fit.py").write_bytes(b"x = '\xe4'")
    with pytest.raises(BadInput, match=r"UTF-8 that people can read, 'fit\.py' is none"):
        collect_code(code)
