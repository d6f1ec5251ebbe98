"""Studies: from a proposal to the end."""
