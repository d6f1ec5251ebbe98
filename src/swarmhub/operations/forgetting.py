"""Deletion of a study's models, statistics and private state at this hospital."""

from __future__ import annotations

from swarmhub.contract.records import Study, get_member_of_key
from swarmhub.errors import BadInput, TrainerError
from swarmhub.files import lock
from swarmhub.home.home import Home
from swarmhub.operations.ledger_client import LedgerClient, open_client

ANSWER_S = 10.0

STAYS = (
    "the ledger's record of it at every member (terms, samples, metrics, digests); models that "
    "other members hold; logs, backups and exported files of this hospital"
)


def need_over(client: LedgerClient, name: str) -> Study:
    """Return a study that is over, or in which this hospital takes no part. Raises BadInput if it
    is neither."""
    study = client.need_study(name)
    me = get_member_of_key(client.ledger.state, client.account.public)
    if not study.is_over and me is not None and study.samples_of(me.id) is not None:
        raise BadInput(
            f"Expected a study that is over, '{name}' is {study.status}; 'swarmhub study withdraw "
            f"{name}' first, or wait for its end."
        )
    return study


async def forget_study(home: Home, name: str) -> tuple[int, int]:
    """Delete this node's data of the study; returns (bytes of models and statistics, files of
    journal and trainers). A running node does it itself. Raises BadInput if the study is not
    over."""
    from swarmhub.blobs import BlobStore
    from swarmhub.node.forgetting import forget_here

    async with open_client(home) as client:
        study = need_over(client, name)
        lease = lock(home.run_path(f"{name}.lease"))
        if lease is None:
            raise BadInput(f"A trainer of '{name}' is running on {home.root}; stop it first.")
        lease.close()
        if study.is_over:  # it never runs again; otherwise this hospital may enrol again
            home.mark_forgotten(name)
        held = lock(home.run_path("node.lock"))
        if held is None:
            return ask_node(home, name)
        try:
            removed = forget_here(home, client.ledger.state, BlobStore(home.blobs_path), name)
            return removed.nbytes, removed.files
        finally:
            held.close()


def ask_node(home: Home, name: str) -> tuple[int, int]:
    """Ask the running node to forget it. Raises BadInput if it does not answer."""
    from swarmhub.train.client import NodeClient

    try:
        found = NodeClient(home.root, ANSWER_S).post(f"/v1/studies/{name}/forget", {})
    except TrainerError as error:
        raise BadInput(
            f"The running node has not forgotten '{name}' yet ({error}); type this again."
        ) from None
    return int(found["nbytes"]), int(found["files"])
