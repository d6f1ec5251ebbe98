"""Models: write a settled one to a file, or to a folder that can be used without a node."""

from __future__ import annotations

import asyncio
import io
import json
import platform
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Spec
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.schema import Schema, declare_label
from swarmhub.errors import BadInput, BlobError
from swarmhub.home.home import Home
from swarmhub.models.architecture import Array, check_arrays, without_training_only
from swarmhub.models.exported import Contributor, ExportedModel, Measure, Origin
from swarmhub.models.folder import write_model
from swarmhub.models.onnx import export_onnx, need_onnx
from swarmhub.models.pooled import list_measures
from swarmhub.models.predict import Model
from swarmhub.models.response import Response
from swarmhub.operations.chosen_model import ChosenModel, choose_model
from swarmhub.operations.features import read_features
from swarmhub.operations.ledger_client import open_client
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Layout, arrays_from, export_safetensors
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.plan import get_model, has_own_intercept, standardises_own
from swarmhub.recipes.site import INTERCEPT_FILE
from swarmhub.recipes.standardise import find_kept_design
from swarmhub.types import Digest
from swarmhub.words import say_metric

LABEL = "label"  # column of the outcome, if neither the study nor a person names it


@dataclass(frozen=True)
class Exported:
    """A model in a safetensors file, with its origin."""

    file: str
    study: str
    digest: Digest
    round: int  # training round
    chain: str
    spec: Digest


@dataclass(frozen=True)
class Target:
    """The folder for a model, and which model: the newest, the `best`, or one by `model`, the
    beginning of its digest. `label` names the outcome of a study that declares no data; `onnx` is a
    file for other programs; `overwrite` allows the folder of another study's model."""

    folder: Path
    best: bool = False
    label: str = ""
    onnx: Path | None = None
    overwrite: bool = False
    model: str = ""


@dataclass(frozen=True)
class ModelExported:
    """A model in a folder, with its origin. `positive` is the word of a binary outcome or of an
    event, `kind` that of the outcome, `method` the statistical name of the recipe, and `gives` says
    what is predicted. `notes` are sentences for a person."""

    folder: str
    study: str
    digest: Digest
    architecture: Digest
    round: int  # training round
    recipe: str
    features: int
    positive: str
    kind: OutcomeKind
    method: str
    gives: str
    notes: tuple[str, ...] = ()


async def export(home: Home, study: str, out: Path, best: bool = False) -> Exported:
    """Write the newest (or best) settled model that this node holds as a safetensors file."""
    async with open_client(home) as client:
        record = choose_model(client, study, best)
    store, layout = _need_held(home, record)
    model = record.model
    origin = {
        "study": study, "digest": model.digest, "round": str(record.round), "chain": record.chain,
        "spec": model.spec,
    }  # fmt: skip
    export_safetensors(store.path(model.digest), layout, out, origin, model.digest)
    return Exported(str(out), study, model.digest, record.round, record.chain, model.spec)


async def export_model(home: Home, study: str, target: Target) -> ModelExported:
    """Write the newest (or best) settled model of a recipe as a folder that scores patients without
    a node."""
    if target.onnx is not None:
        need_onnx()
    async with open_client(home) as client:
        record = choose_model(client, study, target.best, target.model)
    made = make_exported(home, record, target.label)
    write_model(target.folder, made, target.overwrite)
    notes = (export_onnx(Model(made), target.onnx),) if target.onnx is not None else ()
    return ModelExported(
        str(target.folder), study, made.origin.digest, made.architecture, record.round,
        made.recipe, len(made.design.sources), made.positive, made.response.kind, made.method,
        made.gives, notes,
    )  # fmt: skip


def remake_exported(home: Home, study: str, digest: Digest, label: str) -> ExportedModel:
    """Return a study's newest, best or released model of this digest, as it would be exported now.
    `label` is for a study that declares no data."""

    async def look_up() -> ChosenModel:
        async with open_client(home) as client:
            return choose_model(client, study, model=digest)

    record = asyncio.run(look_up())
    return make_exported(home, record, "" if record.spec.data else label)


def _need_held(home: Home, record: ChosenModel) -> tuple[BlobStore, Layout]:
    """Return the store with the model, and its layout. Raises BadInput if it is not held here."""
    study, model = record.study, record.model
    if study.is_over and home.is_forgotten(study.name):
        raise BadInput(f"This hospital has forgotten '{study.name}'; ask another member for it.")
    store = BlobStore(home.blobs_path)
    layout = store.layout(model.layout)
    if layout is None or not store.find(model.digest):
        raise BadInput(
            f"The model {model.digest[:16]}… is not held here; run the node with a trainer "
            "until it has caught up."
        )
    return store, layout


def make_exported(home: Home, record: ChosenModel, label: str) -> ExportedModel:
    """Return the model with its design and origin. Raises BadInput if it is none of a recipe over
    the study's statistics."""
    schema = _find_schema(record.spec, label)
    store, layout = _need_held(home, record)
    recipe = get_model(record.spec)
    arrays = without_training_only(_read_arrays(store, record.model.digest, layout))
    try:
        document = read_features(record.spec, schema, store, record.statistics)
        design = make_design(document, schema.declaration, schema)
        response = Response.of(schema.outcome, schema.threshold, design.outcome)
        check_arrays(recipe, design, arrays, response.outputs)
    except BadInput as error:
        raise BadInput(
            f"The model of '{record.study.name}' cannot score tables by itself: {error} 'swarmhub "
            "node export' writes its arrays alone."
        ) from None
    origin, own = _origin(record), _read_intercept(home, record, arrays)
    if own is not None:
        arrays["bias"], origin = own, replace(origin, intercept=home.config.name)
    if standardises_own(record.spec):
        folder = home.local_path(record.study.name)
        design = find_kept_design(record.spec, design, folder, home.config.name) or design
        origin = replace(origin, standardise="own", scale=design.owner)
    made = ExportedModel(recipe, schema.declaration, design, arrays, origin, (), _versions())
    made.check()
    return replace(made, measures=_pool_measures(store, record, made) or _measures(record))


def _read_intercept(home: Home, record: ChosenModel, arrays: dict[str, Array]) -> Array | None:
    """Return this hospital's own intercepts, if the study has such and this hospital trained."""
    path = home.root / "local" / record.study.name / INTERCEPT_FILE
    if not has_own_intercept(record.spec) or not path.exists():
        return None
    own = np.array(json.loads(path.read_text()), dtype=np.float64)
    if own.shape != arrays["bias"].shape or not np.isfinite(own).all():
        raise BadInput(f"Expected {len(arrays['bias'])} finite numbers in {path}; remove the file.")
    return own


def _find_schema(spec: Spec, label: str) -> Schema:
    """Return the study's declaration, or what it means if it has none."""
    if spec.data is None:
        return Schema.of(declare_label(label or LABEL))
    if label and label != spec.data.outcome.column:
        raise BadInput(
            f"The study '{spec.name}' declares '{spec.data.outcome.column}' for --label, got "
            f"'{label[:60]}'; leave the option away."
        )
    return Schema.of(spec.data)


def _read_arrays(store: BlobStore, digest: Digest, layout: Layout) -> dict[str, Array]:
    """Return a held model's arrays. Raises BlobError if a node has overwritten it meanwhile."""
    data = store.path(digest).read_bytes()
    hasher = ChunkHasher(layout.digest)
    for start in range(0, len(data), CHUNK_BYTES):
        hasher.feed(data[start : start + CHUNK_BYTES])
    if hasher.finish().digest != digest:
        raise BlobError(
            f"The model {digest[:16]}… gave way to a newer one while it was read; try again."
        )
    return dict(arrays_from(io.BytesIO(data), layout))


def _origin(record: ChosenModel) -> Origin:
    model = record.model
    return Origin(
        record.study.name, record.spec.title, record.chain, record.round, model.spec, model.digest,
        tuple(
            Contributor(s.member, record.names.get(s.member, f"member {s.member}"), s.weight)
            for s in model.shares
        ),
    )  # fmt: skip


def _pool_measures(
    store: BlobStore, record: ChosenModel, made: ExportedModel
) -> tuple[Measure, ...]:
    """Return the figures of the settled counts of all hospitals' test patients, if they are of this
    model and held here."""
    result, current = record.evaluation, record.study.current
    if result is None or current is None or current.digest != record.model.digest:
        return ()
    layout = store.layout(result.layout)
    if layout is None or not store.find(result.digest):
        return ()
    arrays = _read_arrays(store, result.digest, layout)
    prefix = "swarm/"
    sums = {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
    return list_measures(made, sums)


def _measures(record: ChosenModel) -> tuple[Measure, ...]:
    """Return the members' own figures of the model, if the ledger has them."""
    score = record.study.best_score
    if score is None or score.digest != record.model.digest:
        return ()
    protocol = (
        "patients that each hospital had set aside and did not train on; the mean over the "
        "hospitals, weighted by rows"
    )
    return tuple(
        Measure(name, say_metric(value), score.samples, protocol)
        for name, value in sorted(score.metrics.items())
    )


def _versions() -> dict[str, str]:
    from swarmhub import __version__

    return {"swarmhub": __version__, "numpy": np.__version__, "python": platform.python_version()}
