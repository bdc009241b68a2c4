"""Environments: a repository plus the settings and secrets an agent needs to work in it."""
