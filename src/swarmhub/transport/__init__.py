"""Members' nodes talk to each other: HTTP/1.1 over mutual TLS 1.3, on one port."""

from swarmhub.transport.client import PeerClient
from swarmhub.transport.server import Gate, PeerServer
from swarmhub.transport.tls import Peers

__all__ = ["Gate", "PeerClient", "PeerServer", "Peers"]
