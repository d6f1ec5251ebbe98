"""Models: write a settled one to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarmhub.blobs import BlobStore
from swarmhub.contract.results import get_document
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.operations.ledger_client import open_client
from swarmhub.params import export_safetensors
from swarmhub.recipes.scoring import describe_if_table
from swarmhub.types import Digest


@dataclass(frozen=True)
class Exported:
    """A model in a safetensors file, with its origin. `predicts`: its features are in the file, so
    that 'swarmhub predict' can score patients with it."""

    file: str
    study: str
    digest: Digest
    round: int  # training round
    chain: str
    spec: Digest
    predicts: bool


async def export(home: Home, study: str, out: Path, best: bool = False) -> Exported:
    """Write the newest (or best) settled model that this node holds as a safetensors file."""
    async with open_client(home) as client:
        record, spec = client.need_study(study), client.need_spec(study)
        chain = client.ledger.tip.chain_id
        merged = get_document(client.ledger.state, study)
    model = record.best if best else record.current
    if model is None:
        raise BadInput(f"'{study}' has no {'best' if best else 'settled'} model yet.")
    if record.is_over and home.is_forgotten(study):
        raise BadInput(f"This hospital has forgotten '{study}'; ask another member for it.")
    store = BlobStore(home.blobs_path)
    layout = store.layout(model.layout)
    if layout is None or not store.find(model.digest):
        raise BadInput(
            f"The model {model.digest[:16]}… is not held here; run the node with a trainer "
            "until it has caught up."
        )
    training = model.turn if model.kind == TRAIN else 0
    features: dict[str, str] = {}
    if merged is not None and store.find(merged.digest):
        document = store.path(merged.digest).read_bytes()
        kind = spec.options.get("model", "logistic")
        features = describe_if_table(kind, document, model.layout)
    origin = {
        "study": study, "digest": model.digest, "round": str(training), "chain": chain,
        "spec": model.spec,
    }  # fmt: skip
    export_safetensors(store.path(model.digest), layout, out, {**origin, **features}, model.digest)
    return Exported(str(out), study, model.digest, training, chain, model.spec, bool(features))
