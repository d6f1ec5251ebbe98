"""The parts of reports that differ by the kind of the outcome."""
