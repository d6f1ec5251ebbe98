"""Communication between members' nodes: HTTP/1.1 over mutual TLS 1.3, on one port."""
