"""The providers that are set up, in the order in which people see them."""

from collections.abc import Iterable, Iterator

from roost import errors
from roost.errors import ProblemError
from roost.identity.providers.client import ProviderClient
from roost.identity.providers.presets import provider_of
from roost.settings import ProviderSettings


class Providers:
    """One client for each provider, which remembers what its issuer said of itself."""

    def __init__(self, settings: Iterable[ProviderSettings] = ()) -> None:
        self._clients = {one.id: ProviderClient(provider_of(one)) for one in settings}

    def __iter__(self) -> Iterator[ProviderClient]:
        return iter(self._clients.values())

    def find(self, provider: str) -> ProviderClient:
        """Give a provider's client; PROVIDER_NOT_FOUND when none of that id is set up."""
        client = self._clients.get(provider)
        if client is None:
            raise ProblemError(errors.PROVIDER_NOT_FOUND)
        return client
