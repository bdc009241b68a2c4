"""Where Roost is, and who asks: from arguments or the environment."""

import os
from dataclasses import dataclass
from typing import Final

import httpx

from roost import __version__
from roost.client.model import Id

DEFAULT_URL: Final = "http://127.0.0.1:8787"
TIMEOUT: Final = 30.0
RETRIES: Final = 4
LIMITS: Final = httpx.Limits(keepalive_expiry=2.0)
"""An idle connection is left before a server leaves it: what is sent into a closed one is lost."""


@dataclass(frozen=True, slots=True)
class Address:
    """The base of all requests, and the headers that go with each."""

    base_url: str
    headers: dict[str, str]

    @classmethod
    def read(cls, url: str | None, token: str | None, workspace: Id | None) -> "Address":
        """Take what is given, or else `ROOST_URL` and `ROOST_TOKEN`; ValueError without a token."""
        url = url or os.environ.get("ROOST_URL") or DEFAULT_URL
        token = (token or os.environ.get("ROOST_TOKEN", "")).strip()
        if not token:
            message = "no token: give one, or set ROOST_TOKEN (`roost token create` makes one)"
            raise ValueError(message)
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": f"roost-client/{__version__}",
        }
        if workspace is not None:
            headers["roost-workspace"] = str(workspace)
        return cls(f"{url.rstrip('/')}/api/v1", headers)
