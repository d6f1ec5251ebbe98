"""Membership: cards, motions, votes, misbehaviour."""
