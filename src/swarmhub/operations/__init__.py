"""Operations on a hospital's node as typed functions: a command parses, calls one of them,
prints."""
