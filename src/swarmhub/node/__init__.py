"""One hospital's node: its home on disk, the driver of its rounds, the door for its trainers."""
