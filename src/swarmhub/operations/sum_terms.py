"""The rounds of a study that settle no model, in words: statistics, sums and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from swarmhub.contract.records import Stage
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, KINDS, SUM
from swarmhub.contract.stages import get_stages
from swarmhub.operations.rounds import SettledRound
from swarmhub.operations.stage_terms import find_words
from swarmhub.operations.studies import StudyShown
from swarmhub.words import say_bytes

SUM_COLUMNS = ["stage", "rounds", "sites", "added up", "result", "test"]
SUMMED: dict[str, str] = {
    DESCRIBE: "statistics of tables",
    SUM: "arrays of numbers, as the trainers make them",
    EVALUATE: "counts, as the trainers make them",
}


def list_sums(shown: StudyShown) -> dict[str, list[SettledRound]]:
    """Return the shown rounds that settled no model, oldest first, by the names of their stages."""
    found: dict[str, list[SettledRound]] = {}
    for settled in shown.rounds:
        if not KINDS[settled.model.kind].makes_model:
            found.setdefault(settled.model.stage, []).append(settled)
    return found


def say_sums(shown: StudyShown) -> list[list[str]]:
    """Return one row for each stage of `list_sums`: its shown rounds, the sites that contributed,
    what was added up, the newest result, and whether the stage's test holds."""
    words, stages = find_words(shown.spec), {s.name: s for s in get_stages(shown.spec)}
    rows = []
    for name, rounds in list_sums(shown).items():
        stage = stages.get(name)  # amended terms may lack it
        sends = words[name].sends if name in words else ""
        rows.append([
            name, say_turns(rounds), say_sites(shown, rounds),
            sends or SUMMED[rounds[0].model.kind], say_result(shown, rounds[-1]),
            say_test(stage, rounds[-1]),
        ])  # fmt: skip
    return rows


def say_turns(rounds: Sequence[SettledRound]) -> str:
    """Return the rounds of a stage, of which the first may not be shown."""
    first, last = rounds[0].model.turn, rounds[-1].model.turn
    return str(first) if first == last else f"{first} to {last}"


def say_sites(shown: StudyShown, rounds: Sequence[SettledRound]) -> str:
    """Return the members that contributed, with the number of rounds if they missed one."""
    seen = Counter(share.member for settled in rounds for share in settled.model.shares)
    return ", ".join(
        shown.name(m) if n == len(rounds) else f"{shown.name(m)} ({n} of {len(rounds)} rounds)"
        for m, n in sorted(seen.items())
    )


def say_result(shown: StudyShown, settled: SettledRound) -> str:
    """Return the form and size of a settled result; the number of its arrays if it is known
    here."""
    model = settled.model
    if model.kind == DESCRIBE:
        return f"a document, {say_bytes(model.nbytes)}"
    count = shown.arrays.get(model.layout)
    arrays = "sums" if count is None else f"{count} array{'s' if count != 1 else ''}"
    return f"{arrays}, {say_bytes(model.nbytes)}"


def say_test(stage: Stage | None, settled: SettledRound) -> str:
    """Return whether a stage's test holds in its newest shown round."""
    if stage is None or stage.until is None:
        return "none"
    if settled.model.met:
        return "holds"
    return "does not hold yet" if settled.model.turn < stage.max_rounds else "does not hold"
