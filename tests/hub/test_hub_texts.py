"""The texts of the pages: each is used, each that is used is there, in every language."""

import re
from importlib.resources import files

import pytest

from swarmhub.hub.web.texts import choose_language, languages, texts_of
from swarmhub.operations.acts import ACTS, ROLES

WEB = files("swarmhub.hub.web")
TEMPLATES = {f.name: f.read_text() for f in (WEB / "templates").iterdir()}
LITERAL = re.compile(r"""\bt\(["']([a-z_.]+)["'](?=[,)])""")
PREFIX = re.compile(r"""\bt\(["']([a-z_]+\.[a-z_]*)["']\s*~""")
OTHERS = {"login.wrong", "login.too_many", "login.used"}  # named by a page's code


def used():
    every = "\n".join(TEMPLATES.values())
    return set(LITERAL.findall(every)), set(PREFIX.findall(every))


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
        "study.propose",
        "study.amend",
    }  # they have pages of their own
    assert {f"done.{name}" for name in ACTS.keys() - elsewhere} <= english.keys()
    assert {f"role.{role}" for role in ROLES} <= english.keys()


@pytest.mark.parametrize("language", languages())
def test_languages_have_the_same_keys_and_parts(language):
    english, other = texts_of("en"), texts_of(language)
    assert other.keys() == english.keys()
    for key, text in english.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", other[key])), key


def test_a_language_is_chosen_by_the_person_then_the_browser():
    assert choose_language("", "") == "en"
    assert choose_language("en", "de-DE,de;q=0.9") == "en"
    assert choose_language("xx", "yy, en;q=0.5") == "en"


def test_no_template_has_a_script_or_a_style_of_its_own():
    for name, text in TEMPLATES.items():
        assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|<style|javascript:", text), name
        assert not re.search(r"""(?:src|href|action)=["']https?:""", text), name
        assert "|safe" not in text.replace(" ", ""), name
