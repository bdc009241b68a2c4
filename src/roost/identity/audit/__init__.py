"""The audit trail: written with each deed, read by administrators."""
