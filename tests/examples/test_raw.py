"""Raw files are used only with the stated digest; else one sentence says what to do."""

import hashlib
from dataclasses import replace

import pytest

from swarmhub.errors import BadInput
from swarmhub.examples import NAMES, find_example
from swarmhub.examples.example import Origin, RawFile
from swarmhub.examples.raw import find_files, has_files

pytestmark = pytest.mark.unit

CONTENT = b"site,y\nA,1\n"
FILE = RawFile("set/table.csv", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
ORIGIN = Origin("https://example.org/7", "CC0", "download it from https://example.org/7")


def example(file=FILE):
    return replace(find_example("heart"), name="mine", files=(file,), origin=ORIGIN)


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", ["set/table.csv", "table.csv"])
def test_a_file_is_found_in_its_folder_or_beside(tmp_path, place):
    path = put(tmp_path / place)
    assert has_files(example(), tmp_path)
    assert find_files(example(), tmp_path) == {"set/table.csv": path}


def test_an_absent_file_is_asked_for_with_its_address(tmp_path):
    assert not has_files(example(), tmp_path)
    with pytest.raises(BadInput) as caught:
        find_files(example(), tmp_path)
    assert str(caught.value) == (
        f"Expected set/table.csv in {tmp_path} for the example 'mine', found none; "
        "download it from https://example.org/7."
    )


@pytest.mark.parametrize("content", [b"site,y\nA,0\n", CONTENT + b"B,1\n", b""])
def test_another_content_is_refused(tmp_path, content):
    path = put(tmp_path / "set" / "table.csv", content)
    same_size = len(content) == len(CONTENT)
    got = f"sha256 {hashlib.sha256(content).hexdigest()}" if same_size else f"{len(content)} bytes"
    with pytest.raises(
        BadInput, match=r"^Expected .*; download it from https://example.org/7\.$"
    ) as c:
        find_files(example(), tmp_path)
    assert f"{path} with {FILE.size} bytes and sha256 {FILE.sha256}, got {got}:" in str(c.value)


def test_a_package_that_is_not_installed_is_named(tmp_path):
    absent = replace(FILE, package="no_such_package_anywhere")
    with pytest.raises(BadInput, match="in the package no_such_package_anywhere for"):
        find_files(example(absent), tmp_path)


def test_a_package_is_not_imported_to_find_its_file(tmp_path, monkeypatch):
    put(tmp_path / "trap_package" / "table.csv")
    put(tmp_path / "trap_package" / "__init__.py", b"raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_files(example(replace(FILE, path="table.csv", package="trap_package")), tmp_path)
    assert found["table.csv"].read_bytes() == CONTENT


def test_an_unknown_example_is_refused():
    with pytest.raises(BadInput, match=r"Expected an example out of heart, .* got 'hart'\."):
        find_example("hart")


@pytest.mark.parametrize("name", NAMES)
def test_each_example_says_all_that_it_has_to(name):
    found = find_example(name)
    assert found.name == found.spec.name == name
    assert found.question.endswith("?")
    assert all((found.disease, found.hospitals, found.outcome, found.origin.licence))
    assert found.origin.url.startswith("https://")
    assert all(len(file.sha256) == 64 and file.size > 0 for file in found.files)
    assert found.spec.data.test_fraction == "0.3"
    assert found.spec.stages[-1].name == "evaluation"
