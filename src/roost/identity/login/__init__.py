"""Logging in, by a link or by a provider, and out again; the identities of a user."""
