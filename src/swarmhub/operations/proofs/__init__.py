"""Proofs of one transaction: made at a member, checked anywhere."""
