"""Reports of studies: what they say, and how it looks."""
