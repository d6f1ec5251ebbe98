"""A study's evidence: a folder that shows, without a network or a node, what happened in it.

extract     the ledger's blocks as lines: in full, in part, or as headers
accounts    the account keys of the members, folded from blocks
chain       checks of such lines
state       records of the state with their proofs
derived     the study in documents, computed from blocks
manifest    the list of the files, and its signature
crate       the same list as an RO-Crate
export      writing the folder
verify      checking it
"""
