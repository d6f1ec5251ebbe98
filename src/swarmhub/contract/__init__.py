"""The contract: a pure state machine. No clock, no randomness, no float, no set order, no I/O.

execution     found, begin_block, apply, end_block: the transition
versions      the versions of the contract, and the rules of each
since         parts of a record that came with a later version
consortium    membership, cards, motions, thresholds, misbehaviour, upgrades
study         the life of a study
round         collect, merge, settle; leaders, disputes, scores
transactions  every act on the wire
events        everything that can happen
refusals      every reason to refuse one
records       the records of the state
state, trie   the map, and its Merkle root
quotas        each member's part of the state
deadlines     time
replay        replay protection
names         valid names and addresses
inheritance   a chain that goes on from another's state
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
