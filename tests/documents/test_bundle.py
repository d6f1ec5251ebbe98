"""A bundle: one sequence of bytes for the same files, and nothing hostile is taken for one."""

import json
import random

import pytest

from swarmhub.documents import MAX_FILE_BYTES, CodeFile, pack_bundle, read_bundle
from swarmhub.documents.bundle import HEAD, MAX_BUNDLE_BYTES, MAX_FILES
from swarmhub.errors import Malformed

FIT = CodeFile("fit.py", b"import numpy\n")
NEEDS = CodeFile("lib/requirements.txt", "numpy  # größer\n".encode())


def bundle_of(index, *contents):
    """Bytes with any list of files, as a peer may send them."""
    listed = json.dumps(index, separators=(",", ":"), ensure_ascii=False).encode()
    return HEAD + listed + b"\n" + b"".join(contents)


def test_the_same_files_give_the_same_bytes():
    data = pack_bundle([NEEDS, FIT])
    assert data == pack_bundle([FIT, NEEDS])
    assert data == (
        b'swarmhub code 1\n[["fit.py",13],["lib/requirements.txt",18]]\n'
        b"import numpy\nnumpy  # gr\xc3\xb6\xc3\x9fer\n"
    )
    assert read_bundle(data).files == (FIT, NEEDS)


def test_any_files_come_back_as_they_were():
    chance = random.Random(7)
    for _ in range(50):
        names = {f"d{chance.randrange(9)}/f{chance.randrange(99)}.py" for _ in range(9)}
        files = [CodeFile(n, chance.randbytes(50).hex().encode()) for n in names]
        data = pack_bundle(files)
        assert read_bundle(data).files == tuple(sorted(files, key=lambda f: f.name))
        assert pack_bundle(read_bundle(data).files) == data


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "absolute"), ("C:/x.py", "absolute"), ("../x.py", "'..'"),
        ("a/../x.py", "'..'"), ("a//x.py", "empty part"), ("./x.py", "'.'"), ("x/", "empty part"),
        ("a\\x.py", "backslash"), ("", "empty"), ("a\nb.py", "cannot be seen"),
        ("a\x00.py", "cannot be seen"), ("x\u202eyp.py", "cannot be seen"), ("x.py ", "space"),
        ("x.", "dot"), ("u\u0308.py", "NFC"), ("x" * 201, "too long"), ("ü" * 101, "too long"),
        ("/".join("a" * 17), "too many folders"),
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(name, why):
    with pytest.raises(Malformed, match=why) as refused:
        read_bundle(bundle_of([[name, 0]]))
    assert "\n" not in str(refused.value)
    with pytest.raises(Malformed):
        pack_bundle([CodeFile(name, b"")])


@pytest.mark.parametrize(
    "names",
    [("A.py", "a.py"), ("a.py", "a.py"), ("STRASSE", "straße"), ("Ⅳ.py", "iv.py"),
     ("a", "a/b.py"), ("A", "a/b/c.py")],
)  # fmt: skip
def test_two_names_for_one_file_are_refused(names):
    with pytest.raises(Malformed, match=r"apart from its case|also a folder"):
        read_bundle(bundle_of([[name, 0] for name in sorted(names)]))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK\x03\x04", HEAD, HEAD + b"[]\n", HEAD + b"{}\n", HEAD + b"7\n", HEAD + b"[" * 999,
        bundle_of([["a", 1]]), bundle_of([["a", 1]], b"xy"), bundle_of([["a", -1], ["b", 1]]),
        bundle_of([["a", True]], b"x"), bundle_of([["a", "1"]], b"x"), bundle_of([["a"]]),
        bundle_of([["a", 1, 2]], b"x"), bundle_of([["b", 0], ["a", 0]]), bundle_of([[1, 0]]),
        bundle_of([["a", 1]], b"\xff"), bundle_of([["a", 1]], b"\0"),
        HEAD + b'[["a", 0]]\n', HEAD + b'[["\\ud800",0]]\n', HEAD + b'[["a",1e3]]\n',
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_refused_in_one_line(data):
    with pytest.raises(Malformed) as refused:
        read_bundle(data)
    assert "\n" not in str(refused.value)


def test_a_character_cut_between_two_files_is_refused():
    with pytest.raises(Malformed, match="can read"):
        read_bundle(bundle_of([["a", 1], ["b", 1]], "ü".encode()))


def test_no_bundle_is_larger_than_its_limits():
    many = [CodeFile(f"f{n}.py", b"") for n in range(MAX_FILES + 1)]
    pack_bundle(many[1:])
    with pytest.raises(Malformed, match="1 to 200 files"):
        pack_bundle(many)
    whole = [CodeFile(f"f{n}.py", bytes([97]) * MAX_FILE_BYTES) for n in range(17)]
    assert len(pack_bundle(whole[1:])) < MAX_BUNDLE_BYTES
    with pytest.raises(Malformed, match="at most 4 MiB"):
        pack_bundle(whole)
    with pytest.raises(Malformed, match="256 KiB each"):
        pack_bundle([CodeFile("f.py", b"a" * (MAX_FILE_BYTES + 1))])
    with pytest.raises(Malformed, match="at most 4325393 bytes"):
        read_bundle(HEAD + bytes(MAX_BUNDLE_BYTES))


def test_the_longest_names_have_room_in_the_list():
    names = [f"{n:03}" + '"' * 190 for n in range(MAX_FILES)]
    data = pack_bundle([CodeFile(name, b"x") for name in names])
    assert [file.name for file in read_bundle(data).files] == names
