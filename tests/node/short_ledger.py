"""`swarmhub` with a ledger that takes snapshots and forgets blocks after few, not hundreds."""

from swarmhub.cli import main
from swarmhub.home import bootstrap
from swarmhub.ledger.cometbft import application

application.SNAPSHOT_EVERY = 10
bootstrap.SHORTCUT_BLOCKS = 20

if __name__ == "__main__":
    main()
