"""Alerts: rules over what the doctor knows, and telling people when one is broken."""
