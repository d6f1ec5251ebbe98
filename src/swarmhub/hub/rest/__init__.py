"""REST at /api/v1: the reads and the acts, and the document that describes them (OpenAPI 3.1)."""
