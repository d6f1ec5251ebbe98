"""`swarmhub up` of a hospital that signs for every merge without auditing it.

python bench/trusting_node.py up --home DIR          only to measure what audits cost
"""

from __future__ import annotations

import sys

from swarmhub.cli import main
from swarmhub.round import audit, brain

if __name__ == "__main__":
    brain.audit = audit.sign
    sys.exit(main())
