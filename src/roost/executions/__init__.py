"""Agents' runs: claimed, recorded in steps, and walked through in time."""
