"""The first draft of a study's terms: from a hospital's files, or an annotated one without guesses.

The draft goes to other hospitals when it is proposed, so it has names of columns and the words of
the outcome, but no counts and no other content of the files. The guesses say more, for the person
at the keyboard. A draft from files is looked at like any other terms (`data_check`): a column with
which the files could not take part, or that alone tells the outcome, is excluded, and the draft
says why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swarmhub.contract.names import is_study_name
from swarmhub.contract.records import Declaration, Inputs, Outcome, Privacy, Spec
from swarmhub.data.frames import Frame
from swarmhub.data.guess.declaration import Guess, guess_blocks, guess_declaration
from swarmhub.data.reading import Files, propose_decimal, read_frames
from swarmhub.data.schema import TABLE, Schema
from swarmhub.errors import BadInput, plain
from swarmhub.operations.data_check import DataChecked, check_data
from swarmhub.operations.new_study_text import SCALES, Excluded, write_annotated, write_declared
from swarmhub.operations.privacy_terms import set_privacy
from swarmhub.operations.studies import parse_spec
from swarmhub.recipes.plan import complete
from swarmhub.recipes.preparing import Sources

MIN_PEERS = 3
TRIES = 8
EXCLUDES = {  # topic of an error -> why its column is excluded
    "cells": "has cells that are neither numbers nor categories",
    "transform": "has values without a logarithm",
    "defines the outcome": "alone tells the outcome: it may define it, or come after it",
}


@dataclass(frozen=True)
class NewStudy:
    """A draft of terms as TOML. `guesses` are subject and sentence; `problems` what `data check`
    still finds wrong with the files."""

    name: str
    text: str
    guesses: tuple[Guess, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether the files can take part in the study as it is."""
        return not self.problems


def new_study(files: Files | None = None, outcome: str = "", name: str = "") -> NewStudy:
    """Return a draft of terms: from a hospital's files, in which `outcome` names the outcome's
    column ("" guesses it), or an annotated one without them. Raises BadInput for files that cannot
    be read or have no outcome, and for a name that is none of a study."""
    if files is None:
        made = NewStudy(need_name(name or "my-study"), write_annotated(name or "my-study"))
        parse_spec(made.text, "the draft")
        return made
    name = need_name(name or slug(files.paths[0].name if files.paths else ""))
    files, commas = propose_decimal(files)
    frames = read_frames(files, Schema.of(Declaration(Outcome("\0", positive=("1",)))))
    guessed = guess_declaration(frames, outcome)
    title = title_of(guessed.declaration.outcome)
    draft = Spec(name, title=title, min_peers=MIN_PEERS, data=guessed.declaration)
    draft, excluded, checked = exclude_unusable(draft, files)
    draft, checked = name_columns(draft, frames, files, checked)
    text = write_declared(draft, excluded)
    if parse_spec(text, "the draft") != complete(draft):
        raise BadInput("The draft does not say what was guessed; a name of a column is to blame.")
    guesses = [*([("decimal", commas)] if commas else []), *guessed.guesses]
    guesses += [*_say_excluded(excluded), *_say_blocks(draft)]
    guesses += [("to check", f.sentence) for f in checked.findings if f.level == "warning"]
    problems = tuple(f.sentence for f in checked.findings if f.level == "error")
    return NewStudy(name, text, tuple(guesses), problems)


def with_privacy(made: NewStudy, privacy: Privacy) -> NewStudy:
    """Return a draft with this privacy. With differential privacy the terms describe columns, which
    only people know: what is still missing is a problem of the draft. Raises BadInput if its model
    cannot have it."""
    text = set_privacy(made.text, privacy)
    if privacy.dp is None:
        parse_spec(text, "the draft")
        return replace(made, text=text)
    try:
        parse_spec(text, "the draft")
    except BadInput as error:
        return replace(made, text=text + SCALES, problems=(*made.problems, str(error)))
    return replace(made, text=text)


def write_new(made: NewStudy, out: Path) -> None:
    """Write a draft to a new file. Raises BadInput if there is one of this name."""
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.write(made.text)
    except FileExistsError:
        raise BadInput(f"{out} is there already; give --out another name, or remove it.") from None
    except OSError as error:
        raise BadInput(f"Cannot write {out} ({error.strerror}).") from None


def need_name(name: str) -> str:
    """Return the name if a study can have it. Raises BadInput if not."""
    if not is_study_name(name):
        raise BadInput(
            f"Expected a study's name of 1 to 40 of a-z, 0-9 and '-', got '{plain(name, 60)}'."
        )
    return name


def slug(file_name: str) -> str:
    """Return a study's name that is like that of a file."""
    words = re.sub(r"[^a-z0-9]+", "-", file_name.split(".")[0].lower()).strip("-")
    return words[:40].strip("-") or "my-study"


def title_of(o: Outcome) -> str:
    """Return a question that the study may answer, for a person to write better."""
    column = plain(o.column, 60)
    if o.kind == "binary":
        return f"Which patients have '{plain(o.positive[0], 30)}' in '{column}'?"
    if o.kind == "time_to_event":
        return f"When do patients have '{plain(o.positive[0], 30)}' in '{column}'?"
    return f"What is the '{column}' of a patient?"


# the look at the files


def exclude_unusable(draft: Spec, files: Files) -> tuple[Spec, tuple[Excluded, ...], DataChecked]:
    """Return the draft without columns that stop the hospital, each with the reason, and what is
    found with it."""
    excluded: dict[str, str] = {}
    assert draft.data is not None
    kept = {draft.data.outcome.column, draft.data.outcome.time, draft.data.sample}
    for _ in range(TRIES):
        checked = check_data(complete(draft), Sources(files))
        found = {
            f.column: EXCLUDES[f.topic]
            for f in checked.findings
            if f.level == "error" and f.topic in EXCLUDES and f.column
        }
        own = {_own_name(column): why for column, why in found.items()}
        new = {c: why for c, why in own.items() if c not in excluded and c not in kept}
        if not new:
            break
        excluded |= new
        draft = replace(draft, data=replace(draft.data, exclude=tuple(excluded)))
        assert draft.data is not None
    return draft, tuple(excluded.items()), checked


def _own_name(column: str) -> str:
    return column.removeprefix(f"{TABLE}/")


def name_columns(
    draft: Spec, frames: Sequence[Frame], files: Files, checked: DataChecked
) -> tuple[Spec, DataChecked]:
    """Return the draft with its blocks of columns, and what is found with them; without blocks if
    the files cannot take part with them."""
    assert draft.data is not None
    schema = Schema.of(draft.data)
    aside = {f.column for f in checked.findings if f.topic == "identifier" and f.level == "info"}
    column = draft.data.outcome.column
    main_first = sorted(frames, key=lambda f: column not in f.sheet and column not in f.names)
    own = [
        [
            n
            for n in (*frame.names, *frame.sheet)
            if n not in aside and n not in frame.aside and not schema.leaves_out(n) and "*" not in n
        ]
        for frame in main_first
    ]
    like = draft.data.inputs[0] if draft.data.inputs else Inputs(TABLE)
    named = replace(draft, data=replace(draft.data, inputs=guess_blocks(own, like)))
    again = check_data(complete(named), Sources(files))
    return (named, again) if again.is_usable or not checked.is_usable else (draft, checked)


def _say_excluded(excluded: Sequence[Excluded]) -> list[Guess]:
    return [("excluded", f"'{plain(column, 60)}' {why}") for column, why in excluded]


def _say_blocks(draft: Spec) -> list[Guess]:
    assert draft.data is not None
    said = []
    for block in draft.data.inputs:
        columns = ", ".join(f"'{plain(c, 40)}'" for c in block.columns[:6])
        more = len(block.columns) - 6
        rest = f" and {more} more" if more > 0 else ""
        said.append(("inputs", f"block '{block.name}': {columns or 'all other columns'}{rest}"))
    return said
