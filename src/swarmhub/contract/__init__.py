"""The law: a pure state machine. No clock, no randomness, no float, no set order, no I/O.

execution    found, begin_block, apply, end_block: the transition
consortium   who is a member            study    what may run, and where
rounds       collect, merge, settle     election who leads
motions      votes                      deadlines time
quotas       what a member may have        replay    what was accepted already
thresholds   how many must agree        records  what the state holds
transactions every act on the wire      refusals every no
state        the map and its Merkle root   names     what may be a name or an address
misbehaviour who signs twice
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
