"""The terms of an example as the first draft of a study."""

from __future__ import annotations

import tomllib

from swarmhub.examples import find_example
from swarmhub.operations.new_study import NewStudy, need_name
from swarmhub.operations.new_study_text import HEAD, quote
from swarmhub.operations.studies import parse_spec


def draft_example(example: str, name: str = "") -> NewStudy:
    """Return the terms of an example, with its comments. Raises BadInput if there is none of this
    name."""
    found = find_example(example)
    name = need_name(name or found.name)
    known = tomllib.loads(found.terms)
    head = {"name": name, "title": found.question}
    lines = [f"{key} = {quote(text)}" for key, text in head.items() if key not in known]
    origin = f"# As in the example '{found.name}': {found.disease}, {found.hospitals}."
    text = "\n".join([HEAD + origin, *lines]) + "\n" + found.terms.lstrip("\n")
    parse_spec(text, "the draft")
    guesses = (("outcome", found.outcome), ("data", f"{found.origin.url} ({found.origin.licence})"))
    return NewStudy(name, text, guesses)
