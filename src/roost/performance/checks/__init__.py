"""Checks of the database's health: what each asks, and how it judges the answer."""
