"""Types that all packages share: ids, digests, signing domains, units.

Units stand in names: `_ms` and `_s` are time, `_bytes` sizes, `_micro` millionths.
"""

from __future__ import annotations

from typing import TypeAlias

MemberId: TypeAlias = int  # given by the contract at admission, never changed, never reused
Digest: TypeAlias = str  # 64 hex digits of sha256
PublicKey: TypeAlias = str  # 64 hex digits of ed25519
ReleaseKey: TypeAlias = str  # 66 hex digits of a point of P-256, compressed
Signature: TypeAlias = str  # 128 hex digits of ed25519

# Purposes of signatures. Bytes signed in one domain are worthless in another.
TX_DOMAIN = "swarmhub/tx/1"
BLOCK_DOMAIN = "swarmhub/block/1"
RECEIPT_DOMAIN = "swarmhub/receipt/1"
OFFER_DOMAIN = "swarmhub/offer/1"
CARD_DOMAIN = "swarmhub/card/1"
INVITE_DOMAIN = "swarmhub/invite/1"
ROTATE_DOMAIN = "swarmhub/rotate/1"
RESTART_DOMAIN = "swarmhub/restart/1"
EVIDENCE_DOMAIN = "swarmhub/evidence/1"

# Versions of what two processes speak. Raised if an older process could not follow.
WIRE_VERSION = "1"  # between members' nodes; of a message without the header, "1"
WIRE_HEADER = "Swarmhub-Wire"
LOCAL_API_VERSION = 1  # between a node and its trainers and commands, in run/api.json

MICRO = 1_000_000  # metrics on the ledger are integers in millionths
