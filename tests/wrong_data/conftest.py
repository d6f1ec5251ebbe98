"""The tests of the faults themselves, hundreds of them, are run after a fault is changed."""

import os

collect_ignore_glob = [] if os.environ.get("SWARMHUB_LONG") else ["test_faults_are_*.py"]
