"""The privacy of a study's terms: its form in TOML.

    [privacy]
    masked = true
    colluders = 1
    clip = 10.0
    [privacy.dp]
    epsilon = 3.0
    delta = 1e-5
    clip = 4.0
    steps = 10
    unit = "patient"
    noise = 5.123456

Decimals are kept as whole numbers of 10^-6, of delta of 10^-12. What [privacy.dp] leaves out is as
usual; `steps` are as many as there are rounds of training, and `noise` is computed of the rest
(`privacy_budget`).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from typing import Any

from swarmhub import codec
from swarmhub.contract.records import Privacy
from swarmhub.contract.records.privacy import DifferentialPrivacy
from swarmhub.contract.study.privacy import MOST_OF_BUDGET
from swarmhub.errors import BadInput, plain
from swarmhub.operations.privacy_budget import COMPUTED, USUAL, compute_least_noise
from swarmhub.operations.privacy_numbers import (
    CLIP,
    DELTA,
    EPSILON,
    NOISE,
    OF_BUDGET,
    PATIENT_CLIP,
    Quantity,
    read_quantity,
    tidy_quantity,
    write_quantity,
)

MODES = {  # word -> privacy, with the defaults of the rest
    "plain": Privacy(),
    "masked": Privacy(masked=True),
    "dp": Privacy(dp=USUAL),
    "masked,dp": Privacy(masked=True, dp=USUAL),
}
HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
TABLE = re.compile(r"^[ \t]*\[[ \t]*privacy[ \t]*(\.[ \t]*dp[ \t]*)?\].*(?:\n|\Z)", re.MULTILINE)
LINE = re.compile(r"^[ \t]*privacy[ \t]*[.=].*(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True)
class Numbers:
    """Numbers of a privacy as a person has typed them; "" leaves one as it is."""

    clip: str = ""  # of masks
    epsilon: str = ""
    delta: str = ""
    patient_clip: str = ""  # of differential privacy


def read_mode(text: str) -> Privacy:
    """Return the privacy of a mode, with the defaults of the rest; steps and noise of a budget are
    left out. Raises BadInput for another word."""
    if text not in MODES:
        raise BadInput(f"Expected privacy {' or '.join(MODES)}, got '{plain(text, 30)}'.")
    return MODES[text]


def name_mode(privacy: Privacy) -> str:
    """Return the mode's name."""
    words = [*(["masked"] if privacy.masked else []), *(["dp"] if privacy.dp is not None else [])]
    return ",".join(words) or "plain"


def tidy_privacy(tree: Any, text: str) -> Any:
    """Return `privacy` of a TOML tree in the form of the record: a mode's word as its table,
    decimals as whole numbers, `dp` in full. `text` is the whole TOML, from which decimals are read
    again with all their digits. Raises BadInput for a number that cannot be; anything else is left
    for the record's own check."""
    if isinstance(tree, str):
        return codec.to_sparse_json(read_mode(tree))
    if not isinstance(tree, dict):
        return tree
    exact = tomllib.loads(text, parse_float=str).get("privacy", {})
    tree = tidy_quantity(CLIP, tree, exact)
    if not isinstance(tree.get("dp"), dict):
        return tree
    dp = tree["dp"]
    steps, most = dp.get("steps", 1), MOST_OF_BUDGET["steps"]
    if type(steps) is int and not 1 <= steps <= most:  # 0 stands for none
        raise BadInput(f"Expected privacy.dp.steps from 1 to {most}, got {str(steps)[:30]}.")
    for of in OF_BUDGET:
        dp = tidy_quantity(of, dp, exact["dp"])
    return {**tree, "dp": {**_to_dict(USUAL), **dp}}


def _to_dict(dp: DifferentialPrivacy) -> dict[str, Any]:
    found = codec.to_json(dp)
    assert isinstance(found, dict)
    return found


def write_privacy(privacy: Privacy) -> str:
    """Return the terms' tables, with comments; "" in plain."""
    masked = (
        "[privacy]\n"
        "masked = true  # the others learn sums over all hospitals alone\n"
        f"colluders = {privacy.colluders}  # members that may show one another all they have\n"
        f"clip = {write_quantity(CLIP, privacy.clip_millionths)}  "
        "# no parameter of a hospital moves further in a round\n"
    )
    parts = [masked] if privacy.masked else []
    return "\n".join([*parts, *([] if privacy.dp is None else [_write_dp(privacy.dp)])])


def _write_dp(dp: DifferentialPrivacy) -> str:
    """Return the table of a budget; noise that would be computed, and steps that are as many as
    the rounds, as comments."""
    steps = f"steps = {dp.steps}  # noisy contributions of a member, in all\n"
    if dp.steps == COMPUTED:
        steps = "# steps = 10  # left out: as many as there are rounds of training\n"
    noise = f"noise = {write_quantity(NOISE, dp.noise_millionths)}  # its deviation, in clips\n"
    if dp.noise_millionths == COMPUTED:
        noise = "# noise left out: the least that suffices is computed\n"
    elif dp.steps != COMPUTED and dp.noise_millionths == _find_least(dp):
        noise = f"# {noise.split('  ')[0]}  # left out: the least that suffices is computed\n"
    return (
        "[privacy.dp]  # each contribution that others read has noise\n"
        f"epsilon = {write_quantity(EPSILON, dp.epsilon_millionths)}  # smaller protects more\n"
        f"delta = {write_quantity(DELTA, dp.delta_trillionths)}  # far below 1 / patients\n"
        f"clip = {write_quantity(PATIENT_CLIP, dp.clip_millionths)}  "
        "# the most that one patient moves weight x change, in the L2 norm\n"
        f'{steps}unit = "{dp.unit}"\n{noise}'
    )


def _find_least(dp: DifferentialPrivacy) -> int:
    try:
        return compute_least_noise(dp)
    except BadInput:
        return COMPUTED


def choose_privacy(text: str, mode: str, given: Numbers) -> str:
    """Return terms as TOML with another mode, and the numbers that are given; the others stay, but
    for noise, which is computed of a new epsilon or delta. Raises BadInput as `read_mode`,
    `read_quantity` and `set_privacy` do."""
    chosen = read_mode(mode)
    old = codec.from_json(Privacy, tidy_privacy(_read(text).get("privacy", {}), text))
    if chosen.masked:
        clip = _choose(CLIP, given.clip, old.clip_millionths)
        chosen = replace(chosen, colluders=old.colluders, clip_millionths=clip)
    if chosen.dp is not None:
        chosen = replace(chosen, dp=_choose_budget(old.dp or USUAL, given))
    return set_privacy(text, chosen)


def _choose_budget(old: DifferentialPrivacy, given: Numbers) -> DifferentialPrivacy:
    new = replace(
        old,
        epsilon_millionths=_choose(EPSILON, given.epsilon, old.epsilon_millionths),
        delta_trillionths=_choose(DELTA, given.delta, old.delta_trillionths),
        clip_millionths=_choose(PATIENT_CLIP, given.patient_clip, old.clip_millionths),
    )
    same = replace(new, clip_millionths=old.clip_millionths) == old
    return new if same else replace(new, noise_millionths=COMPUTED)


def _choose(of: Quantity, text: str, old: int) -> int:
    return read_quantity(of, text.strip()) if text.strip() else old


def set_privacy(text: str, privacy: Privacy) -> str:
    """Return terms as TOML with this privacy in the place of theirs. Raises BadInput if the text is
    no TOML, or if it is written so that only a person can change it."""
    before = _read(text)
    first = HEADER.search(text)
    at = first.start() if first else len(text)
    kept = LINE.sub("", text[:at]) + text[at:]
    while (table := TABLE.search(kept)) is not None:
        after = HEADER.search(kept, table.end())
        kept = kept[: table.start()] + (kept[after.start() :] if after else "")
    written = write_privacy(privacy)
    new = f"{kept.rstrip()}\n\n{written}" if written else kept
    wanted = {k: v for k, v in before.items() if k != "privacy"}
    try:
        found = _read(new)
    except BadInput:
        found = {}
    is_set = ("privacy" in found) == (name_mode(privacy) != "plain")
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
