"""The trainer's answer and the contribution that is made from it."""

from __future__ import annotations

from dataclasses import replace

from swarmhub import merkle
from swarmhub.contract.records import (
    ROUND,
    SPEC,
    STUDY,
    Evaluation,
    Provenance,
    Round,
    RoundRef,
    Study,
)
from swarmhub.contract.refusals import Refusal
from swarmhub.contract.round.checks import check_contribution
from swarmhub.contract.round.kinds import is_set_final
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Contribute
from swarmhub.errors import TrainerError
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.observations import PreparedContribution
from swarmhub.protocol.shards import choose_roots
from swarmhub.types import Digest, MemberId

NOT_SAID = Provenance()
UNKNOWN_ROOT = "0" * 64  # of a buffer that is not hashed yet


def make_contribution(study: Study, r: Round, prepared: PreparedContribution) -> Contribute:
    """Return the transaction that brings an answer to the ledger."""
    return Contribute(
        ref=RoundRef.of(r),
        spec=study.spec,
        base=prepared.base,
        root=prepared.root,
        nbytes=prepared.nbytes,
        layout=prepared.layout,
        weight=prepared.weight,
        evaluations=prepared.evaluations,
        provenance=prepared.provenance,
        parts=choose_roots(r, prepared.nbytes, prepared.roots),
    )


def prepare_answer(
    number: int,
    base: Digest,
    buffer: tuple[Digest, int, Digest] | None,
    weight: int,
    measured: tuple[tuple[Evaluation, ...], dict[str, int]],
    provenance: Provenance = NOT_SAID,
) -> PreparedContribution:
    """Return an answer in the form in which it is kept. `buffer` is root, length in bytes and
    layout of the parameters (None: metrics only); `measured` the evaluations, and metrics
    (micro-units) of the answer itself."""
    evaluations, own = measured
    root, nbytes, layout = buffer or ("", 0, "")
    digest = merkle.blob_digest(layout, nbytes, bytes.fromhex(root)) if buffer else ""
    if own:
        evaluations = (*evaluations, Evaluation(digest, weight, own))
    return PreparedContribution(
        number, base, digest, root, nbytes, layout, weight, evaluations, provenance
    )


def find_fault(state: Reader, local: LocalState) -> str:
    """Return why the trainer's answer to the open round can never be accepted, in the contract's
    words; "" if it can, is late, or is to another round."""
    r, prepared = ROUND.get(state, local.study), local.prepared
    if r is None or prepared is None or is_set_final(r):
        return ""
    if (prepared.number, prepared.base) != (r.number, r.base):
        return ""
    try:
        check_answer(state, local.study, local.me, prepared)
    except TrainerError as error:
        return str(error)
    return ""


def check_answer(state: Reader, study_name: str, me: MemberId, draft: PreparedContribution) -> None:
    """Raise TrainerError, with the contract's sentence, if the contract would refuse the answer."""
    study, spec = STUDY.need(state, study_name), SPEC.need(state, study_name)
    r = replace(ROUND.need(state, study_name), shards=1)  # its parts may not be hashed yet
    if r.masks is not None:  # masked, it is a contribution without measurements
        r, draft = replace(r, masks=None), replace(draft, evaluations=())
    try:
        check_contribution(study, spec, r, me, make_contribution(study, r, draft))
    except Refusal as refusal:
        raise TrainerError(f"The answer cannot be accepted: {refusal}") from None
