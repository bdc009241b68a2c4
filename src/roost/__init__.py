"""Roost, the self-hosted home for the work of coding agents."""

__version__ = "0.1.0"
