"""The texts of the pages, by key and language: all English ones are in `texts/en.toml`.

A language is a file beside it with the same keys. Sentences that operations make (terms in words,
refusals, events) are English in every language.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

ENGLISH = "en"
LANGUAGE = "swarmhub-language"  # a cookie


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the languages that there are, English first."""
    found = [f.name.removesuffix(".toml") for f in _folder().iterdir() if f.name.endswith(".toml")]
    return tuple(sorted(found, key=lambda name: (name != ENGLISH, name)))


@functools.cache
def texts_of(language: str) -> Mapping[str, str]:
    """Return a language's texts by key ("today.title")."""
    tree = tomllib.loads((_folder() / f"{language}.toml").read_text("utf-8"))
    return dict(_flatten("", tree))


def choose_language(wanted: str, accepted: str) -> str:
    """Return the language to be used: the one that a person wants, else the first of the header
    Accept-Language that there is, else English."""
    for name in (wanted, *(part.split(";")[0].strip() for part in accepted[:200].split(","))):
        short = name[:2].lower()
        if short in languages():
            return short
    return ENGLISH


def _folder() -> Any:
    return files("swarmhub.hub.web") / "texts"


def _flatten(before: str, tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{before}{key}"
        found += _flatten(f"{name}.", value) if isinstance(value, Mapping) else [(name, str(value))]
    return found
