"""Limits on how often one client may do a thing: shared through Redis, or each worker's own."""

from roost.web.rate.limits import Allowance, Limiter, Limits, network_of

__all__ = ["Allowance", "Limiter", "Limits", "network_of"]
