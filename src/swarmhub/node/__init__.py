"""One hospital's node: the drivers of its studies, and the local API for its trainers."""
