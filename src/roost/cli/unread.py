"""Variables that are named like Roost's and read by nothing: mostly they are misspelt."""

from collections.abc import Mapping
from difflib import get_close_matches

from roost.cli.worker import HANDOVER
from roost.settings import PRESET_PROVIDERS, PROVIDER_SETTINGS, SETTINGS, Settings

_TELEMETRY = (
    "ROOST_LOG_LEVEL",
    "ROOST_LOG_FORMAT",
    "ROOST_ACCESS_LOG",
    "ROOST_SLOW_REQUEST_SECONDS",
    "ROOST_METRICS_DIR",
)
_OTHERS = ("ROOST_SYNC_SECRET", "ROOST_URL", "ROOST_TOKEN")
"""What other commands and the Python client read."""


def unread_variables(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Give the names of such variables, each with what to do about it."""
    known = _known(settings)
    given = (name for name, value in environment.items() if value.strip())
    return {
        name: _advice(name, known)
        for name in sorted(given)
        if name.startswith("ROOST_") and name not in known
    }


def _known(settings: Settings) -> set[str]:
    providers = {*PRESET_PROVIDERS, *(provider.id for provider in settings.providers)}
    return {
        HANDOVER,
        *_TELEMETRY,
        *_OTHERS,
        *(setting.name for setting in SETTINGS),
        *(
            f"ROOST_{provider.upper().replace('-', '_')}_{end}"
            for provider in providers
            for end, _ in PROVIDER_SETTINGS
        ),
    }


def _advice(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    return f"Did you mean {near[0]}?" if near else "Take it away, or see the list of settings."
