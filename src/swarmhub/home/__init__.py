"""The home of a node on disk: folder, configuration, keys, and the way into its ledger."""
