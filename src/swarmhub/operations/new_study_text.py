"""The text of a draft of terms: TOML with a comment where a person decides."""

from __future__ import annotations

import json
from collections.abc import Sequence

from swarmhub.contract.records import Declaration, Inputs, Outcome, Spec
from swarmhub.data.schema import TABLE
from swarmhub.recipes.registry import find_default, list_for

WIDTH = 96
Excluded = tuple[str, str]  # column, why

HEAD = """\
# The terms of a study. Read them, correct them, then propose them: swarmhub study propose FILE
# Every member approves exactly these, so whoever reads them reads the names of columns below.
# All keys are in docs/reference/spec.md and data.md. Look: swarmhub data check FILES --study FILE
"""
SCALES = """
# A study with noise merges no statistics: say what is known of each column without a look at
# patients, of the literature or a reference cohort. All features are named here.
# [[data.scales]]
# columns = ["age"]
# mean = "54"
# sd = "9"
# [[data.levels]]
# column = "sex"
# words = ["female", "male"]
"""


def write_declared(draft: Spec, excluded: Sequence[Excluded]) -> str:
    """Return the terms of a draft over declared data."""
    data = draft.data
    assert data is not None
    parts = [HEAD, _head(draft.name, draft.title, draft.min_peers, data.outcome)]
    parts += [_data(data, excluded), _outcome(data.outcome)]
    parts += [_inputs(block) for block in data.inputs if block != Inputs(TABLE)]
    return "\n".join(parts)


def write_annotated(name: str) -> str:
    """Return terms without guesses, in which a person fills in the outcome."""
    outcome = Outcome("outcome", positive=("yes",), negative=("no",))
    declaration = Declaration(outcome)
    title = "Which patients will have the outcome?"
    block = """\
# A block of columns that are measured together; without any, all columns are inputs.
# [[data.inputs]]
# name = "clinic"
# columns = ["age", "sex", "crp"]       # or patterns: "IL*"
# below_limit = "half"                  # "<5" counts as 2.5
# transform = "log2"                    # log, log2, log10, log1p, log2p1
"""
    return "\n".join([HEAD, _head(name, title, 3, outcome), _data(declaration, ()),
                      _outcome(outcome), block])  # fmt: skip


def _head(name: str, title: str, min_peers: int, outcome: Outcome) -> str:
    models = ", ".join(list_for(outcome.kind))
    default = find_default(outcome.kind)
    return f"""\
name = {quote(name)}
title = {quote(title)}  # the question, for people
min_peers = {min_peers}  # no round settles with fewer hospitals
# rounds = 20  # of training, at most
# options = {{ model = {quote(default)} }}  # for this outcome: {models}
# required = [1]  # ids of members without which no round settles
# expires_ms = 1_830_297_600_000  # block time (ms since 1970) after which nothing of it runs
# privacy.masked = true  # the others learn the sum of what the hospitals train, and no part of it
# approvals_expire_ms = 15_552_000_000  # an approval holds for 180 days, then it has to be renewed
"""


def _data(data: Declaration, excluded: Sequence[Excluded]) -> str:
    lines = ["[data]"]
    lines.append(
        f"patient = {quote(data.patient)}  # all rows of a patient are on one side of the split"
        if data.patient
        else '# patient = "patient"  # if patients have several rows'
    )
    if data.sample:
        lines.append(f"sample = {quote(data.sample)}  # joins a hospital's files")
    if data.batch:
        lines.append(f"batch = {quote(data.batch)}  # no input; looked at for confounding")
    if excluded:
        lines.append("exclude = [")
        lines += [f"    {quote(column)},  # {why}" for column, why in excluded]
        lines.append("]")
    else:
        lines.append('# exclude = ["blasts"]  # what defines the outcome, or came after it')
    if data.missing_words:
        lines.append(f"missing_words = {_list(data.missing_words)}")
    else:
        lines.append('# missing_words = ["not done"]  # beside NA, ?, and an empty cell')
    lines.append('# subgroups = ["sex"]  # the evaluation is shown for each of its words, too')
    lines.append(f"test_fraction = {data.test_fraction}  # of the patients, set aside everywhere")
    lines.append(f"min_count = {data.min_count}  # counts of fewer patients are not published")
    return "\n".join(lines) + "\n"


def _outcome(outcome: Outcome) -> str:
    lines = ["[data.outcome]", f"column = {quote(outcome.column)}"]
    if outcome.kind != "binary":
        lines.append(f"kind = {quote(outcome.kind)}")
    if outcome.positive:
        lines.append(f"positive = {_list(outcome.positive)}  # words as they stand in the files")
    if outcome.negative:
        lines.append(f"negative = {_list(outcome.negative)}")
    if outcome.classes:
        lines.append(f"classes = {_list(outcome.classes)}")
    if outcome.time:
        lines.append(f"time = {quote(outcome.time)}")
        lines.append('# horizon = "365"  # the risk up to this time is predicted')
    if outcome.time or outcome.kind == "continuous":
        lines.append('# unit = "days"' if outcome.time else '# unit = "mg/l"')
    return "\n".join(lines) + "\n"


def _inputs(block: Inputs) -> str:
    lines = ["[[data.inputs]]", f"name = {quote(block.name)}"]
    if block.columns:
        lines.append(f"columns = {_list(block.columns)}")
    if block.below_limit != "refuse":
        lines.append(f"below_limit = {quote(block.below_limit)}  # cells such as '<5'")
    lines.append('# transform = "log2"  # log, log2, log10, log1p, log2p1')
    return "\n".join(lines) + "\n"


def _list(words: Sequence[str]) -> str:
    """Return a list, over several lines if it is long."""
    quoted = [quote(w) for w in words]
    line = f"[{', '.join(quoted)}]"
    if len(line) <= WIDTH - 12:
        return line
    lines, row = ["["], "   "
    for word in quoted:
        if len(row) + len(word) + 2 > WIDTH and row.strip():
            lines.append(row)
            row = "   "
        row += f" {word},"
    return "\n".join([*lines, row, "]"])


def quote(text: str) -> str:
    """Return a text as a string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
