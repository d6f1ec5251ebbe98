"""What people see of documents: differences as `diff -u` has them, and no hidden characters."""

import difflib
import random

import pytest

from swarmhub.documents import Bundle, CodeFile, diff_bundles, escape_text, read_ethics
from swarmhub.documents.diff import MAX_PRODUCT
from swarmhub.documents.ethics import MAX_ETHICS_BYTES
from swarmhub.errors import Malformed


def bundle(**texts):
    return Bundle(tuple(CodeFile(f"{n}.py", t.encode()) for n, t in sorted(texts.items())))


def text_of(chance):
    lines = [chance.choice("abcdef") for _ in range(chance.randrange(40))]
    return "".join(f"{line}\n" for line in lines)


def patched(old, lines):
    """The text that a unified diff makes of another."""
    made, at = [], 0
    for line in lines:
        if line.startswith("@@"):
            start, _, size = line.split()[1][1:].partition(",")
            place = int(start) - (size != "0")
            made += old[at:place]
            at = place
        elif line[0] in " -":
            assert old[at] == line[1:]
            at += 1
        if line[0] in " +":
            made.append(line[1:])
    return made + old[at:]


@pytest.mark.parametrize("budget", [MAX_PRODUCT, 0])
def test_a_difference_makes_the_new_text_of_the_old(budget, monkeypatch):
    monkeypatch.setattr("swarmhub.documents.diff.MAX_PRODUCT", budget)
    chance = random.Random(3)
    for _ in range(200):
        a, b = text_of(chance), text_of(chance)
        found = diff_bundles(bundle(x=a), bundle(x=b))
        lines = found[0].lines if found else ()
        assert patched(a.splitlines(), lines) == b.splitlines()


def test_a_difference_is_that_of_difflib():
    a = "".join(f"{n}\n" for n in range(50))
    b = a.replace("\n20\n", "\ntwenty\n").replace("\n40\n", "\n")
    (found,) = diff_bundles(bundle(x=a), bundle(x=b))
    oracle = list(difflib.unified_diff(a.splitlines(), b.splitlines(), lineterm=""))[2:]
    assert list(found.lines) == oracle


def test_new_and_gone_files_are_named():
    found = diff_bundles(bundle(a="1\n", b="2\n"), bundle(b="2\n", c="3"))
    assert [(f.name, f.change) for f in found] == [("a.py", "gone"), ("c.py", "new")]
    assert found[0].lines == ("@@ -1 +0,0 @@", "-1")
    assert found[1].lines == ("@@ -0,0 +1 @@", "+3", "\\ No newline at end of file")


def test_many_changed_lines_are_replaced_as_a_whole():
    a, b = ("".join(f"{w}{n}\n" for n in range(2001)) for w in ("same = ", "other = "))
    (found,) = diff_bundles(bundle(x=a), bundle(x=b))
    assert [line[0] for line in found.lines] == ["@", *"-" * 2001, *"+" * 2001]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\tb\r\nc", "a\tb\nc"), ("if x:\u202e y", "if x:\\u{202e} y"), ("\x1b[2J", "\\x1b[2J"),
        ("größer", "größer"), ("a\u200bb", "a\\u{200b}b"), ("a\rb", "a\\x0db"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_shown_as_an_escape(text, seen):
    assert escape_text(text) == seen


def test_a_document_is_pdf_or_text():
    assert read_ethics(b"%PDF-1.7\n\xff").kind == "pdf"
    assert read_ethics("\ufeffVotum".encode()).text == "Votum"
    for wrong in (b"", b"\xff\xd8", b"PK\x03\x04\0", b"a" * (MAX_ETHICS_BYTES + 1)):
        with pytest.raises(Malformed, match="Expected a document"):
            read_ethics(wrong)
