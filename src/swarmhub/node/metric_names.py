"""The metrics of a node: name, kind, label and meaning, for the endpoint and its reference."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.node.exposition import Kind


@dataclass(frozen=True)
class Metric:
    """A metric. `labels` tell its samples apart."""

    kind: Kind
    means: str
    labels: tuple[str, ...] = ()


METRICS = {
    "swarmhub_build_info": Metric("gauge", "1; the labels are the versions.",
                                  ("version", "python")),
    "swarmhub_ledger_height": Metric("gauge", "Height of the newest block here."),
    "swarmhub_ledger_block_age_seconds": Metric("gauge", "Seconds since the newest block."),
    "swarmhub_well": Metric("gauge", "1 while the node does a member's work, as /health says."),
    "swarmhub_waiting": Metric("gauge", "1 while the node waits for its admission."),
    "swarmhub_problems": Metric("gauge", "Sentences with ! in 'swarmhub status'."),
    "swarmhub_members": Metric("gauge", "Members of the consortium."),
    "swarmhub_validators": Metric("gauge", "Members that vote on blocks."),
    "swarmhub_is_validator": Metric("gauge", "1 if this hospital votes on blocks."),
    "swarmhub_studies_running": Metric("gauge", "Studies that run."),
    "swarmhub_trainers_attached": Metric("gauge", "Trainers that are attached to this node."),
    "swarmhub_round_number": Metric("gauge", "Number of a study's open round.", ("study",)),
    "swarmhub_round_kind": Metric("gauge", "1 for the kind of the open round.", ("study", "kind")),
    "swarmhub_round_phase": Metric("gauge", "1 for the phase of the open round.",
                                   ("study", "phase")),
    "swarmhub_round_roster": Metric("gauge", "Members that the open round is for.", ("study",)),
    "swarmhub_round_contributions": Metric("gauge", "Contributions that have come.", ("study",)),
    "swarmhub_round_contributions_needed": Metric(
        "gauge", "Contributions without which the open round does not close.", ("study",)),
    "swarmhub_round_term": Metric("gauge", "Leaders that the open round has lost.", ("study",)),
    "swarmhub_round_age_seconds": Metric("gauge", "Seconds since the round opened.", ("study",)),
    "swarmhub_sent_bytes_total": Metric(
        "counter", "Bytes that the node has sent to other hospitals since its start.", ("kind",)),
    "swarmhub_blobs": Metric("gauge", "Buffers of parameters, sums and documents on disk."),
    "swarmhub_blobs_bytes": Metric("gauge", "Their bytes."),
    "swarmhub_beside_running": Metric(
        "gauge", "1 while a process beside the node runs: hub, tracker.", ("process",)),
    "process_cpu_seconds_total": Metric("counter", "CPU time of the node's process."),
    "process_resident_memory_bytes": Metric("gauge", "Resident memory of the node's process."),
    "process_start_time_seconds": Metric("gauge", "Start of the node's process, since 1970."),
}  # fmt: skip
