"""Parts of a node for tests: its services on a home, with a ledger that the test plays."""

from types import SimpleNamespace

from swarmhub.home.home import Home
from swarmhub.node.journal import Journal
from swarmhub.node.layouts import LayoutFinder
from swarmhub.node.news import News
from swarmhub.node.outgoing import Outgoing
from swarmhub.node.sent import SentBook
from swarmhub.node.service import Node
from swarmhub.node.services import Services


def services_on(home, **ledger):
    """The services of a node on this home (a folder: it is made); `ledger` has what is asked."""
    if not isinstance(home, Home):
        home = Home.create(home, "Hospital", "127.0.0.1:7000")
    node, played = Node(home), SimpleNamespace(**{"state": {}, "estimate_ms": lambda: 0, **ledger})
    return Services(
        home=home, account=node.account, ledger=played, blobs=node.blobs, client=node.client,
        layouts=LayoutFinder(node.account.public, played, node.blobs, node.client),
        journal=Journal(home, node.blobs, node.problems),
        outgoing=Outgoing(SentBook(home.sent_path), None, node.problems.report_shortage),
        problems=node.problems, news=News(), stopping=node.stopping,
    )  # fmt: skip


def no_sweep():
    """In place of the deletion of blobs that no study needs."""
