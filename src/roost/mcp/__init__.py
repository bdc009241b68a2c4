"""Roost for agents that speak the Model Context Protocol: tools over its own routes."""
