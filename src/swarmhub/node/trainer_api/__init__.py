"""The local interface between a trainer and its node."""
