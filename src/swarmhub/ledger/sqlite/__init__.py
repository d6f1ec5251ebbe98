"""The ledger of processes on one machine: blocks and state in SQLite, transactions in a folder."""
