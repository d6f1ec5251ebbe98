"""Readers of files: one format, one module, one line in the table of `registry`."""
