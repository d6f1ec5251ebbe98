"""The privacy of a study's terms: its form in TOML, and in words.

    [privacy]
    masked = true
    colluders = 1
    clip = 10.0

`clip` is a decimal of at most six places, kept as a whole number of millionths.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from typing import Any

from swarmhub import codec
from swarmhub.contract.records import Privacy
from swarmhub.contract.round.masks import compute_least_set
from swarmhub.contract.study.privacy import MAX_CLIP
from swarmhub.errors import BadInput, plain

MODES = ("plain", "masked")
MILLION = 1_000_000
LARGEST = MAX_CLIP // MILLION
WORDS: dict[str, dict[str, Any]] = {"plain": {}, "masked": {"masked": True}}
HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
TABLE = re.compile(r"^[ \t]*\[[ \t]*privacy[ \t]*\].*(?:\n|\Z)", re.MULTILINE)
LINE = re.compile(r"^[ \t]*privacy[ \t]*[.=].*(?:\n|\Z)", re.MULTILINE)

PLAIN = "plain: parameters leave without masks and without noise; enrolled members read them"


def read_mode(text: str) -> Privacy:
    """Return the privacy of a mode: 'plain' or 'masked', with the defaults of the rest. Raises
    BadInput for another word."""
    if text not in MODES:
        raise BadInput(f"Expected privacy {' or '.join(MODES)}, got '{plain(text, 30)}'.")
    return Privacy(**WORDS[text])


def name_mode(privacy: Privacy) -> str:
    """Return the mode's name."""
    return "masked" if privacy.masked else "plain"


def read_clip(text: str) -> int:
    """Return a clip in millionths, exactly. Raises BadInput for what cannot be one."""
    wanted = f"Expected privacy.clip as a number above 0 and up to {LARGEST}"
    if not re.fullmatch(r"[+-]?[0-9]{1,30}(\.[0-9]{0,60})?([eE][+-]?[0-9]{1,2})?", text):
        raise BadInput(f"{wanted}, such as 10.0; got '{plain(text, 30)}'.")
    value = Decimal(text)
    if not 0 < value <= LARGEST:
        raise BadInput(f"{wanted}: no parameter moves further in a round; got {plain(text, 30)}.")
    numerator, denominator = value.as_integer_ratio()
    if numerator * MILLION % denominator:
        raise BadInput(
            f"{wanted} in steps of 0.000001, got {plain(text, 30)}; leave out the digits after the "
            "sixth."
        )
    return numerator * MILLION // denominator


def write_clip(millionths: int) -> str:
    """Return a clip as a decimal with a point, exactly."""
    whole, rest = divmod(millionths, MILLION)
    return f"{whole}.{f'{rest:06}'.rstrip('0') or '0'}"


def tidy_privacy(tree: Any, text: str) -> Any:
    """Return `privacy` of a TOML tree in the form of the record: a mode's word as its table, `clip`
    in millionths. `text` is the whole TOML, from which the clip is read again with all its digits.
    Raises BadInput for a clip that cannot be; anything else is left for the record's own check."""
    if isinstance(tree, str):
        return WORDS[name_mode(read_mode(tree))]
    if not isinstance(tree, dict) or "clip" not in tree:
        return tree
    if "clip_millionths" in tree:
        raise BadInput("Expected privacy.clip or privacy.clip_millionths, got both; leave one out.")
    exact = tomllib.loads(text, parse_float=str)["privacy"]["clip"]
    known = isinstance(exact, int | str) and not isinstance(exact, bool)
    clip = read_clip(str(exact) if known else repr(exact))
    return {**{k: v for k, v in tree.items() if k != "clip"}, "clip_millionths": clip}


def write_privacy(privacy: Privacy) -> str:
    """Return the terms' table, with comments; "" in plain."""
    if not privacy.masked:
        return ""
    return (
        "[privacy]\n"
        "masked = true  # the others learn sums over all hospitals alone\n"
        f"colluders = {privacy.colluders}  # members that may show one another all they have\n"
        f"clip = {write_clip(privacy.clip_millionths)}  "
        "# no parameter of a hospital moves further in a round\n"
    )


def choose_privacy(text: str, mode: str, clip: str = "") -> str:
    """Return terms as TOML with another mode, and another clip if one is given; how many colluders
    they reckon with stays. Raises BadInput as `read_mode`, `read_clip` and `set_privacy` do."""
    chosen = read_mode(mode)
    if chosen.masked:
        given = tidy_privacy(_read(text).get("privacy", {}), text)
        old = codec.from_json(Privacy, given)
        millionths = read_clip(clip.strip()) if clip.strip() else old.clip_millionths
        chosen = Privacy(True, old.colluders, millionths)
    return set_privacy(text, chosen)


def set_privacy(text: str, privacy: Privacy) -> str:
    """Return terms as TOML with this privacy in the place of theirs. Raises BadInput if the text is
    no TOML, or if it is written so that only a person can change it."""
    before = _read(text)
    first = HEADER.search(text)
    at = first.start() if first else len(text)
    kept = LINE.sub("", text[:at]) + text[at:]
    if (table := TABLE.search(kept)) is not None:
        after = HEADER.search(kept, table.end())
        kept = kept[: table.start()] + (kept[after.start() :] if after else "")
    written = write_privacy(privacy)
    new = f"{kept.rstrip()}\n\n{written}" if written else kept
    wanted = {k: v for k, v in before.items() if k != "privacy"}
    try:
        found = _read(new)
    except BadInput:
        found = {}
    is_set = ("privacy" in found) == privacy.masked
    if {k: v for k, v in found.items() if k != "privacy"} != wanted or not is_set:
        raise BadInput(
            "The privacy of these terms cannot be changed here; write the table [privacy] by hand."
        )
    return new


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"Expected TOML in the terms: {error}.") from None


SUBJECTS = ("privacy", "not hidden", "excluded")


def say_privacy(privacy: Privacy) -> list[tuple[str, str]]:
    """Return what the others learn of a hospital's parameters: subject and sentence of what is
    hidden, of what is not, and of what is excluded in exchange."""
    if not privacy.masked:
        return [(SUBJECTS[0], PLAIN)]
    least, many = compute_least_set(privacy.colluders), privacy.colluders
    together = "two or more of them" if many == 1 else f"more than {many} of them"
    clip = write_clip(privacy.clip_millionths)
    return [
        (
            SUBJECTS[0],
            "masked: what a hospital trains, adds up and counts leaves under masks that cancel in "
            f"the sum; the others learn the sum of at least {least} hospitals, and no hospital's "
            f"own part, unless {together} show one another all they have; no parameter of a "
            f"hospital moves by more than {clip} in a round of training",
        ),
        (SUBJECTS[1], NOT_HIDDEN),
        (SUBJECTS[2], EXCLUDED),
    ]


NOT_HIDDEN = (
    "each hospital's statistics document, its number of training rows, the start, every merged "
    "model and every sum over all hospitals; masks are no noise: a model or a sum tells what it "
    "tells, and two rounds of which one hospital missed one tell something of that hospital, in "
    "a stage of sums nearly its part"
)
EXCLUDED = (
    "merge rules that compare hospitals, stages at some members only, models without a hospital "
    "and contributions of each, tests on parameters, and a hospital's own metrics, so there is no "
    "learning curve, and the evaluation is of all hospitals together"
)
