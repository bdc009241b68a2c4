"""Reading the journal backwards: as it was, what changed between, and back to it."""
