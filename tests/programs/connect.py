"""Open a TCP connection to a host and port."""

import socket
import sys

socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
