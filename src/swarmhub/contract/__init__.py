"""The law: a pure state machine. No clock, no randomness, no float, no set order, no I/O.

execution    found, begin_block, apply, end_block: the transition
consortium   membership                 study    the life of a study
rounds       collect, merge, settle     election leaders
motions      votes                      deadlines time
quotas       parts of the state            replay    replay protection
thresholds   quorums                    records  the records of the state
transactions every act on the wire      refusals every no
state        the map and its Merkle root   names     what may be a name or an address
misbehaviour double signing              cards    keys, names, addresses of members
"""

from swarmhub.contract.context import Env, Misbehaviour
from swarmhub.contract.execution import (
    Result,
    apply,
    begin_block,
    compute_chain_id,
    end_block,
    found,
)
from swarmhub.contract.state import Overlay, Reader, State

__all__ = [
    "Env",
    "Misbehaviour",
    "Overlay",
    "Reader",
    "Result",
    "State",
    "apply",
    "begin_block",
    "compute_chain_id",
    "end_block",
    "found",
]
