"""How a study's models travel, in words: in few bytes, and by several leaders."""

from __future__ import annotations

from swarmhub.contract.records import Change, Model, Spec, Study
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.contract.round.shards import compute_most, cut
from swarmhub.contract.round.wire import PLAIN
from swarmhub.contract.stages import get_stages
from swarmhub.words import say_bytes

FORMS = {
    "bf16": ("16 bits", "about a half"),
    "int8": ("8 bits, with a scale for each 252 numbers", "about a quarter"),
}


def say_wire(spec: Spec, current: Model | None) -> list[tuple[str, str]]:
    """Return the line of terms with changes in few bytes in training rounds; none of others."""
    if spec.wire == PLAIN:
        return []
    bits, part = FORMS[spec.wire]
    known = current.change if current else None
    return [
        (
            "sent as",
            f"changes of the model in {bits} (wire = {spec.wire}), and so is what is settled: "
            f"{say_part(part, known, current)} of float32; a member that lacks the model before "
            "fetches the whole one",
        )
    ]


def say_shards(spec: Spec, study: Study) -> list[tuple[str, str]]:
    """Return the line of terms with the leaders of a training round; none if its rules look at
    everything, so that there is one."""
    training = [s for s in get_stages(spec) if s.kind == TRAIN and s.rule.is_chunk_local]
    if not training:
        return []
    if spec.shards == 1:
        return [("leaders", "one in each round")]
    parts = f"up to {spec.shards}" if spec.shards else "as many as members take part"
    said = f"a training round of a model above 1 MiB has several, each for a part: {parts}"
    sent = study.current and (study.current.change or study.current)
    most = compute_most(study, spec, training[-1], len(study.enrolled))
    if sent is None or most == 1:
        return [("leaders", said)]
    return [("leaders", f"{said}; {len(cut(sent.layout, sent.nbytes, most))} now")]


def say_part(part: str, known: Change | None, current: Model | None) -> str:
    """Return the bytes of a change beside those of the model, as far as they are known."""
    if known is None or current is None:
        return f"{part} of the bytes"
    return f"{say_bytes(known.nbytes)} instead of the {say_bytes(current.nbytes)}"


def say_sent(spec: Spec, hidden: str, size: str, current: Model | None) -> str:
    """Return what a hospital sends in each round of training, how it is hidden, and its size;
    `size` is that of the model."""
    if spec.wire == PLAIN:
        return f"the model's parameters after training here{hidden} ({size})"
    known = current.change if current and current.change else None
    nbytes = say_bytes(known.nbytes) if known else f"{FORMS[spec.wire][1]} of {size}"
    bits = FORMS[spec.wire][0].partition(",")[0]
    return f"how training here changes the model's parameters, in {bits} a number ({nbytes})"
