"""The texts of the pages: each is used, each that is used is there, in every language."""

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest

from swarmhub.contract.transactions import BODIES as TRANSACTIONS
from swarmhub.home.rotation import ROTATABLE
from swarmhub.hub.web.texts import choose_language, languages, texts_of
from swarmhub.node.sent import KINDS
from swarmhub.operations.acts import ACTS
from swarmhub.operations.roles import ROLES

WEB = files("swarmhub.hub.web")
TEMPLATES = {f.name: f.read_text() for f in (WEB / "templates").iterdir()}
LITERAL = re.compile(r"""\bt\(["']([a-z_.]+)["'](?=[,)])""")
PREFIX = re.compile(r"""\bt\(["']([a-z_]+\.[a-z_]*)["']\s*~""")
WORD = re.compile(r"""\bword\(["']([a-z]+)["']""")  # a name of a group, itself if it has no text
OTHERS = {"login.wrong", "login.too_many", "login.used"}  # named by a page's code
CODE = "\n".join(
    path.read_text() for path in sorted(Path(str(files("swarmhub.hub"))).rglob("*.py"))
)
IN_CODE = re.compile(r"""["']((?:fault|curve|done)\.[a-z_]+)["']""")


def used():
    every = "\n".join(TEMPLATES.values())
    prefixes = set(PREFIX.findall(every)) | {f"{group}." for group in WORD.findall(every)}
    return set(LITERAL.findall(every)) | set(IN_CODE.findall(CODE)), prefixes


def test_every_text_is_there_and_used():
    literal, prefixes = used()
    english = set(texts_of("en"))
    assert literal - english == set()
    made = {key for key in english if any(key.startswith(p) for p in prefixes)}
    done = {key for key in english if key.startswith("done.")}
    assert english - literal - made - done - OTHERS == set()


def test_every_act_and_role_has_its_words():
    english = texts_of("en")
    elsewhere = {
        "member.invite",
        "node.examine",
        "model.evaluate",
        "privacy.audit",
        "model.export",
        "evidence.export",
        "study.propose",
        "study.amend",
    }  # they have pages of their own
    assert {f"done.{name}" for name in ACTS.keys() - elsewhere} <= english.keys()
    assert {f"role.{role}" for role in ROLES} <= english.keys()


def test_every_name_that_is_shown_has_its_words():
    english = texts_of("en")
    assert {k for k in english if k.startswith("sent.")} == {f"sent.{kind}" for kind in KINDS}
    assert {k for k in english if k.startswith("key.")} == {f"key.{name}" for name in ROTATABLE}
    people = [k for k in TRANSACTIONS if k.startswith(("study.", "consortium."))]
    own = {"consortium.validate", "consortium.announce"}  # a node's own
    shown = {*people, "model.evaluate", "privacy.audit", "model.export", "evidence.export"} - own
    assert {k for k in english if k.startswith("act.")} == {f"act.{k}" for k in shown}


VALUES = ("", "check", "propose", "draft", "example", "data", "7")  # of buttons


def test_a_template_has_no_words_of_its_own():
    for name, text in TEMPLATES.items():
        bare = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<!doctype html>", " ", text, flags=re.DOTALL)
        said = re.sub(r"<[^>]*>", " ", bare)
        assert set(re.findall(r"[^\W\d_]{2,}", said)) <= {"swarmhub", "Python"}, name
        labels = re.findall(r"""(?:title|alt|placeholder|aria-label|value)="([^"]*)\"""", bare)
        assert not [label for label in labels if label.strip() not in VALUES]


def find_spoken(call):
    """The literal texts with spaces in a call: of `say` and `draw`, and as a keyword of any."""
    name = getattr(call.func, "id", "")
    given = [*(call.args if name in ("say", "draw") else ()), *(k.value for k in call.keywords)]
    parts = [v for a in given for v in (a.values if isinstance(a, ast.JoinedStr) else [a])]
    texts = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return [text for text in texts if re.search(r"[a-z] [a-z]", text)]


def test_a_page_says_nothing_but_texts():
    """Sentences of refusals ("Expected ..., got ...") are English, as those of operations."""
    assert find_spoken(ast.parse("say(request, 'done', f'{x} is done')", mode="eval").body)
    for path in sorted((Path(str(WEB)) / "pages").glob("*.py")):
        calls = [c for c in ast.walk(ast.parse(path.read_text())) if isinstance(c, ast.Call)]
        assert [spoken for call in calls for spoken in find_spoken(call)] == [], path.name


@pytest.mark.parametrize("language", languages())
def test_languages_have_the_same_keys_and_parts(language):
    english, other = texts_of("en"), texts_of(language)
    assert other.keys() == english.keys()
    for key, text in english.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", other[key])), key


@pytest.mark.parametrize("language", languages())
def test_sentences_end_alike_in_all_languages(language):
    ends = {key: text[-1] if text[-1] in ".:?!" else "" for key, text in texts_of("en").items()}
    other = {
        key: text[-1] if text[-1] in ".:?!" else "" for key, text in texts_of(language).items()
    }
    assert {key for key in ends if ends[key] != other[key]} == set()


@pytest.mark.parametrize("language", languages())
def test_a_number_is_followed_by_no_noun(language):
    """One noun cannot be right for 1 and for 2: "Rounds: {n}", not "{n} rounds"."""
    counted = re.compile(r"\{(?:n|total|pages)\} [^\W\d_]")
    assert [key for key, text in texts_of(language).items() if counted.search(text)] == []


def test_a_language_is_chosen_by_the_person_then_the_browser():
    assert choose_language("", "") == "en"
    assert choose_language("en", "de-DE,de;q=0.9") == "en"
    assert choose_language("", "de-AT,de;q=0.9,en;q=0.5") == "de"
    assert choose_language("", "fr-FR, de;q=0.7") == "de"
    assert choose_language("de", "en-GB") == "de"
    assert choose_language("deutsch", "") == "de"
    assert choose_language("xx", "yy, en;q=0.5") == "en"


def test_no_template_has_a_script_or_a_style_of_its_own():
    for name, text in TEMPLATES.items():
        assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|<style|javascript:", text), name
        assert not re.search(r"""(?:src|href|action)=["']https?:""", text), name
        assert "|safe" not in text.replace(" ", ""), name
