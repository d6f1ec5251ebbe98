"""A study's evidence: a folder that shows, without a network or a node, what happened in it.

extract     the ledger's blocks as excerpts: in full, in part, or as headers
lines       excerpts as lines of canonical JSON
accounts    the account keys of the members, folded from blocks
proof       what proves blocks on one machine: their writers' signatures
many_machines   on many: the headers that validators have signed
chain       checks of excerpts, with either proof
state       records of the state with their proofs
derived     the study in documents, computed from blocks
manifest    the list of the files, and its signature
crate       the same list as an RO-Crate
export      writing the folder
verify      checking it
"""
