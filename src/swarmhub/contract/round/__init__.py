"""Rounds: contributions, leaders, settlement, disputes."""
