"""Browsers' profiles on disk as sources: found, copied, read, and listed by origin."""
