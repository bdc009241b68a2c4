"""Log-in by providers: OAuth 2 with a profile to read, or OpenID Connect by discovery."""

from roost.identity.providers.client import ProviderClient
from roost.identity.providers.model import Grant, Profile, Provider
from roost.identity.providers.registry import Providers

__all__ = ["Grant", "Profile", "Provider", "ProviderClient", "Providers"]
