"""Benchmarks: what the database can do here, measured, and held against an earlier time."""
