"""Training rounds in few bytes: members send changes of the model, and a change is settled.

Beside the change a settlement names the model that follows from it (package `merge`, `wire`): its
receipts are of members that have computed this model themselves. The contract, which knows no
arrays, sees that all changes of a round have one form.
"""

from __future__ import annotations

from swarmhub import codec
from swarmhub.contract.records import Change, Round, Spec, Stage, Study
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.round.kinds import CONFIRMING, TRAIN
from swarmhub.contract.round.shards import count_shards
from swarmhub.contract.transactions import Settle

PLAIN = "float32"
MOST_TIMES = 4  # a change of one number takes 256 bytes, its model 64


def get_wire(spec: Spec, stage: Stage) -> str:
    """Return the format of changes in rounds of a stage; "" if they send models."""
    return "" if spec.wire == PLAIN or stage.kind != TRAIN else spec.wire


def check_wire(spec: Spec) -> None:
    """Refuse few bytes where each number has a form of its own already, or noise."""
    if spec.wire == PLAIN:
        return
    if spec.privacy.masked:
        expected = f"{PLAIN} in a masked study: masked numbers need all their bits"
        raise BadValue("wire", expected, spec.wire)
    if spec.privacy.dp is not None:
        expected = f"{PLAIN} in a dp study: the noise is computed for models as they are"
        raise BadValue("wire", expected, spec.wire)


def check_form(study: Study, r: Round, nbytes: int, layout: str) -> None:
    """Refuse a change of another form than the study's changes had so far, or one that is too long
    for any form."""
    current = study.current
    if not r.wire or current is None or r.phase == CONFIRMING:
        return
    before = current.change
    if before is not None and before.wire == r.wire and (before.layout, before.nbytes) != (
        layout, nbytes,
    ):  # fmt: skip
        expected = f"that of the changes before, {before.layout[:16]}… of {before.nbytes} bytes"
        raise BadValue("layout", expected, f"{layout[:16]}… of {nbytes} bytes")
    most = MOST_TIMES * current.nbytes
    if nbytes > most:
        raise BadValue("nbytes", f"at most {most} for changes of this model", nbytes)


def check_model(r: Round, tx: Settle) -> None:
    """Check that a settled change, and nothing else, comes with its model: that of a change in
    shards is confirmed later."""
    is_change = r.wire != "" and r.phase != CONFIRMING and count_shards(r) == 1
    if not is_change and tx.model:
        raise BadValue("model", "none: what is settled is no whole change", tx.model)
    if is_change and not codec.is_digest(tx.model):
        expected = "the sha256 digest of the model that follows from the change"
        raise BadValue("model", expected, tx.model)


def make_change(r: Round, tx: Settle) -> Change | None:
    """Return the record of a settled change; None if a model was settled."""
    return r.change or (Change(r.wire, tx.digest, tx.nbytes, tx.layout) if r.wire else None)
