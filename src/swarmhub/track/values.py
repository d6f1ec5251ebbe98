"""The values of a settled round, under the names that a tracker shows.

own/Hospital 1/auc       of the hospital's own parameters, before the merge
merged/Hospital 1/auc    of the merged model, on the hospital's data: known one round later
merged/mean/auc          its weighted mean over the hospitals, as the ledger has it
own/round, merged/round  the number of the round: it is written with the others, or not at all
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.round.kinds import INITIAL, TRAIN
from swarmhub.operations.rounds import SettledRound
from swarmhub.types import MemberId

Part = Literal["own", "merged"]
PARTS: tuple[Part, ...] = ("own", "merged")
MICRO = 1e-6  # metrics are in millionths on the ledger
MEAN = "mean"


@dataclass(frozen=True)
class Step:
    """One part of a round's values. `number` is the round's."""

    study: str
    part: Part
    number: int
    time_ms: int  # of the block that settled the round
    terms: str  # their digest
    values: dict[str, float]


def marker_of(part: Part) -> str:
    """Return the name of the value that marks a part as written."""
    return f"{part}/round"


def steps_of(
    study: str, rounds: tuple[SettledRound, ...], names: Mapping[MemberId, str]
) -> Iterator[Step]:
    """Yield the steps of a study's rounds, each part in the order of rounds. A round that has not
    been evaluated yet has no merged part."""
    labels = {m: label_of(m, name) for m, name in names.items()}
    for settled in rounds:
        model = settled.model
        if model.kind not in (INITIAL, TRAIN):
            continue
        for part in PARTS:
            if part == "merged" and settled.mean is None:
                continue
            values: dict[str, float] = {}
            for site in settled.sites:
                measured = site.own if part == "own" else site.merged
                label = labels.get(site.member, f"member-{site.member}")
                for name, micro in (measured.metrics if measured else {}).items():
                    values[f"{part}/{label}/{name}"] = micro * MICRO
            if part == "merged" and settled.mean is not None:
                for name, micro in settled.mean.metrics.items():
                    values[f"{part}/{MEAN}/{name}"] = micro * MICRO
            if values:
                values[marker_of(part)] = model.number
                yield Step(study, part, model.number, settled.time_ms, model.spec, values)


def label_of(member: MemberId, name: str) -> str:
    """Return a hospital's name in the letters that MLflow takes, different for each. A name that
    has others, is that of the mean, or ends with a number, has the member's number after it."""
    label = re.sub(r"[^\w .-]", "_", name).strip(" .")
    is_plain = label == name != MEAN and not re.search(r"-\d+$", name)
    return label if is_plain else f"{label}-{member}"
