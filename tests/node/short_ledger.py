"""`swarmhub` with a ledger that takes snapshots and forgets blocks after few, not hundreds."""

from swarmhub.cli import main
from swarmhub.ledger.cometbft import application
from swarmhub.node import entrance

application.SNAPSHOT_EVERY = 10
entrance.SHORTCUT_BLOCKS = 20

if __name__ == "__main__":
    main()
