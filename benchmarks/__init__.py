"""Roost's benchmarks: each runs Roost and its peers side by side and prints a table."""
