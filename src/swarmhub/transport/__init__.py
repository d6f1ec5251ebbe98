"""Members' nodes talk to each other: HTTP/1.1 over mutual TLS 1.3, on one port."""
