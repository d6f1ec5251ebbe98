"""The model card of an exported model, for a clinician: its outcome, its inputs, the hospitals that
trained it, its evaluation, its limits, its use."""

from __future__ import annotations

import re
from collections.abc import Iterable

from swarmhub.contract.records import Inputs
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.design import CATEGORY, NUMBER
from swarmhub.errors import plain
from swarmhub.models.exported import ExportedModel, Measure
from swarmhub.models.response import PARTS
from swarmhub.models.survival import say_time

LISTED = 40  # columns
_MARKUP = re.compile(r"([\\`*_\[\]<>|#])")
TRANSFORMS = {
    "log": "natural logarithm", "log2": "logarithm to base 2", "log10": "logarithm to base 10",
    "log1p": "natural logarithm of 1 + value", "log2p1": "logarithm to base 2 of 1 + value",
}  # fmt: skip

UNWEIGHED = (
    "Classes had the weight that they have among training patients, and noise for differential "
    "privacy is in the model: its probabilities put patients in an order, and have to be "
    "recalibrated before they are read as risks."
)


def write_card(exported: ExportedModel, folder: str) -> str:
    """Return the card as Markdown; `folder` is the name by which the commands call the model."""
    origin = exported.origin
    title = f": {_said(origin.title, 200)}" if origin.title else ""
    parts = [
        f"# The model of the study '{_said(origin.study)}'{title}",
        "**For research only. It is no medical device: do not use it for the care of patients.**",
        "## What it predicts", *_predicts(exported),
        "## From what", *_inputs(exported),
        "## Which hospitals trained it", *_training(exported),
        "## How it was evaluated", *_evaluation(exported),
        "## What it is not for", NOT_FOR,
        "## How to use it", _use(folder, exported.response.kind),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _said(text: str, most: int = 60) -> str:
    """Return a stranger's text on one line, without the signs that Markdown reads."""
    return _MARKUP.sub(r"\\\1", plain(text, most))


def _predicts(exported: ExportedModel) -> Iterable[str]:
    kinds = {"binary": _predicts_risk, "classes": _predicts_classes,
             "continuous": _predicts_value, "time_to_event": _predicts_event}  # fmt: skip
    return kinds[exported.response.kind](exported)


def _predicts_risk(exported: ExportedModel) -> Iterable[str]:
    column, threshold = exported.declaration.outcome.column, exported.declaration.threshold
    yield (
        f"The probability, from 0 to 1, that the column '{_said(column)}' of a patient is "
        f"'{_said(exported.positive)}' and not '{_said(exported.negative)}'. From {threshold} on a "
        f"patient counts as '{_said(exported.positive)}'."
    )
    if exported.has_declared_scales:
        yield UNWEIGHED
        return
    yield (
        "Both classes had the same weight in training. If one of them is rarer among your "
        "patients, the probability is too high for it as it stands: it puts patients in an order, "
        "and has to be recalibrated before it is read as a risk."
    )


def _predicts_classes(exported: ExportedModel) -> Iterable[str]:
    words = [f"'{_said(word)}'" for word in exported.response.classes]
    yield (
        f"The probability, from 0 to 1, of each of the {len(words)} classes of the column "
        f"'{_said(exported.declaration.outcome.column)}' of a patient: {_list(words)}. They add up "
        "to 1; a patient counts as the most probable class."
    )
    if exported.has_declared_scales:
        yield UNWEIGHED
        return
    yield (
        "All classes had the same weight in training. If one of them is rarer among your patients "
        "than the others, its probability is too high as it stands, and has to be recalibrated "
        "before it is read as a risk."
    )


def _predicts_value(exported: ExportedModel) -> Iterable[str]:
    response = exported.response
    unit = f" {_said(response.unit)}" if response.unit else ""
    whose = "The study declares" if exported.has_declared_scales else "The training patients had"
    yield (
        f"The value of the column '{_said(exported.declaration.outcome.column)}' of a patient"
        f"{f', in{unit}' if unit else ''}. {whose} a mean of {response.mean:.4g}"
        f"{unit} and a standard deviation of {response.sd:.4g}{unit}."
    )
    yield (
        "It is the value to be expected on average of patients with such inputs, and says nothing "
        "of how far a single patient may be from it. High values are predicted too low and low "
        "ones too high, the more so the less the inputs tell."
    )


def _predicts_event(exported: ExportedModel) -> Iterable[str]:
    outcome, response = exported.declaration.outcome, exported.response
    assert response.baseline is not None
    times, horizon = response.baseline.times, _said(response.horizon)
    declared = f" The study declares {_said(outcome.horizon)}: this is the last time before it "
    is_other = bool(outcome.horizon) and float(outcome.horizon) != response.baseline.horizon
    yield (
        f"The risk, from 0 to 1, that the column '{_said(outcome.column)}' of a patient is "
        f"'{_said(exported.positive)}' by {horizon}, counted as in the column "
        f"'{_said(outcome.time)}'.{f'{declared}that the model knows.' if is_other else ''} And the "
        "log hazard ratio: above 0 the event comes sooner than to a patient with the mean of every "
        f"input. From Python also survival at {len(times)} times up to "
        f"{_said(say_time(times[-1], response.unit))}."
    )
    yield (
        "The log hazard ratio puts patients in an order. The risk supposes that events are as "
        "frequent as they were at the training hospitals on average, and has to be recalibrated if "
        "they are not. That an input matters as much late as early is supposed, too."
    )


def _list(words: list[str]) -> str:
    """Return words in a list that is cut."""
    more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + more


def _inputs(exported: ExportedModel) -> Iterable[str]:
    sources = exported.design.sources
    columns = {s.column: s.kind for s in sources if s.kind in (NUMBER, CATEGORY)}
    words = {c: [s.category for s in sources if s.column == c and s.kind == CATEGORY]
             for c in list(columns)[:LISTED] if columns[c] == CATEGORY}  # fmt: skip
    yield f"{len(sources)} features of {len(columns)} columns:"
    lines = [f"- {_said(c)}" + (f" ({', '.join(map(_said, words[c]))})" if c in words else "")
             for c in list(columns)[:LISTED]]  # fmt: skip
    if len(columns) > LISTED:
        lines.append(f"- and {len(columns) - LISTED} more, named in model.json")
    yield "\n".join(lines)
    described = [_block(inputs) for inputs in exported.schema.inputs]
    if any(described):
        yield "\n".join(f"- {sentence}" for sentence in described if sentence)
    of = f" of {_said(exported.design.owner)}" if exported.design.owner else ""
    whose = "declared mean" if exported.has_declared_scales else "mean of the training patients"
    yield (
        f"A value that is missing counts as the {whose}{of}, and one that is "
        "more than 10 standard deviations from it as 10. 'swarmhub predict' says in which columns."
    )
    yield from (_MARKUP.sub(r"\\\1", note) for note in exported.notes)


def _block(inputs: Inputs) -> str:
    """Return a sentence on a block's unit, names and transform; "" if nothing is declared."""
    said = [f"in {_said(inputs.unit)}"] if inputs.unit else []
    said += [f"named as in {_said(inputs.namespace)}"] if inputs.namespace else []
    if inputs.transform != "none":
        said.append(f"taken as the {TRANSFORMS[inputs.transform]} (swarmhub does that)")
    return f"The block '{inputs.name}' is {', '.join(said)}." if said else ""


def _training(exported: ExportedModel) -> Iterable[str]:
    origin, rows, words = exported.origin, exported.design.class_rows, exported.response.classes
    each = [f"{n} with '{_said(word)}'" for n, word in zip(rows, words, strict=False)]
    kind = exported.response.kind
    if kind == "time_to_event":
        each = [f"{rows[0]} without the event for as long as they were followed",
                f"{rows[1]} with the event"]  # fmt: skip
    listed = _list(each if kind == "classes" else each[::-1])
    if exported.has_declared_scales:
        yield (
            "Rows of patients that never left these hospitals, with differential privacy: the "
            "model has noise, and means and standard deviations are those that the study's terms "
            "declare. Samples by the hospitals' enrolments:"
        )
    else:
        yield (
            f"{sum(rows)} rows of patients{f': {listed}' if each else ''} (a patient with several "
            "visits has several rows). They never left these hospitals:"
        )
    names = [f"- {_said(c.name)}: {c.weight} rows" for c in origin.contributors]
    yield "\n".join(names or ["- the contributors are not recorded"])
    yield (
        f"Recipe `{exported.recipe}` ({exported.method}), after training round {origin.round}. On "
        f"the ledger of the consortium `{_said(origin.chain)}`: parameters `{origin.digest}`, "
        f"terms of the study `{origin.spec}`."
    )
    if origin.intercept:
        yield f"The intercept is that of {_said(origin.intercept)}; elsewhere it is to be set anew."


def _interval(measure: Measure) -> str:
    known = measure.low and measure.high
    return f" ({_said(measure.low)} to {_said(measure.high)})" if known else ""


def _evaluation(exported: ExportedModel) -> Iterable[str]:
    if not exported.measures:
        yield (
            "No figures came with this model. Evaluate it on patients of your own before you trust "
            "any of its scores."
        )
        return
    yield "\n".join(
        f"- {_said(m.name)} {_said(m.value)}{_interval(m)} on {m.samples} rows: "
        f"{_said(m.protocol, 400)}"
        for m in exported.measures
    )
    yield (
        "These figures are of the hospitals that trained it. At another hospital it may do worse: "
        "evaluate it there first."
    )
    if exported.origin.standardise == "own":
        yield "For them each hospital's numbers were standardised with its own mean."


NOT_FOR = """- Decisions on the care of a patient.
- Patients unlike those above: another age, disease, referral or device.
- Values measured in another unit, or by another assay.
- A patient that it was trained on: its score is too good."""


def _use(folder: str, kind: OutcomeKind) -> str:
    name = folder if re.fullmatch(r"[\w./-]+", folder) else "MODEL"
    return (
        "It needs no node and no network, and what you score stays on your machine.\n\n"
        "```\n"
        "pip install swarmhub\n"
        f"swarmhub predict {name} --data NEW.csv --out scores.csv\n"
        f"swarmhub evaluate {name} --data WITH_OUTCOME.csv\n"
        "```\n\n"
        f"In Python: `swarmhub.load_model(\"{name}\").predict(frame).{PARTS[kind]}`."
    )  # fmt: skip
