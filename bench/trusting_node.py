"""`swarmhub up` of a hospital that signs for every merge without auditing it, and pulls nothing for
an audit.

python bench/trusting_node.py up --home DIR          only to measure what audits cost
"""

from __future__ import annotations

from swarmhub.cli import main
from swarmhub.protocol import audit, follow

if __name__ == "__main__":
    follow.audit = audit.sign
    follow.prepare_audit = lambda view, leader: iter(())
    main()
