"""What of an environment's settings is secret: its variables, and whatever holds a credential."""

import re
from typing import Any, Final

import msgspec

from roost.environments.model import SECRET_NAME
from roost.migration.credentials import is_secret_member, named_members, pair_name
from roost.migration.drafts import SealedText, Warn
from roost.migration.text import holds_secret, redact

Secrets = dict[str, str | SealedText]
"""The values by the names that routes address them by."""
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST: Final = 128
_encode: Final = msgspec.json.Encoder().encode
# A list or a map of variables is secret as a whole: nobody can tell which of them are not.
_VARIABLES: Final = frozenset(
    {"environment", "env", "envs", "envvars", "environmentvariables", "variables", "vars"}
    | {"dotenv", "envfile", "secrets", "credentials", "tokens", "passwords", "apikeys"}
)


def take_secrets(config: dict[str, Any], secrets: Secrets, warnings: list[Warn]) -> dict[str, Any]:
    """The settings without what is secret in them, which goes to `secrets`."""
    return _Taking(secrets, warnings).members(config)


class _Taking:
    """One environment's settings on their way."""

    def __init__(self, secrets: Secrets, warnings: list[Warn]) -> None:
        self._secrets = secrets
        self._warnings = warnings

    def members(self, value: dict[str, Any]) -> dict[str, Any]:
        """An object without its secret members."""
        kept = {}
        for name, called, each in named_members(value):
            left = self._rest(called, each)
            if left is not None or each is None:
                kept[name] = left
        return kept

    def _rest(self, name: str, value: Any) -> Any:  # noqa: ANN401 -- JSON
        """What is left of a value; None when it was secret as a whole."""
        if _is_of_variables(name, value):
            self._take_variables(name, value)
            return None
        if type(value) is str:
            if is_secret_member(name, value) or holds_secret(value):
                self._take(name, value)
                return None
            return value
        if type(value) is list:
            rest = [(each, self._rest(f"{name}_{n}", each)) for n, each in enumerate(value)]
            return [left for each, left in rest if left is not None or each is None]
        return self.members(value) if type(value) is dict else value

    def _take_variables(self, name: str, value: Any) -> None:  # noqa: ANN401 -- JSON
        if type(value) is dict:
            for inner, each in value.items():
                self._take(inner, each)
        elif type(value) is list:
            for number, each in enumerate(value):
                self._take(*_variable(f"{name}_{number}", each))
        else:
            self._take(name, value)

    def _take(self, name: str, value: Any) -> None:  # noqa: ANN401 -- JSON
        text = value if type(value) is str else _encode(value).decode()
        self._secrets[self._free(name)] = text

    def _free(self, name: str) -> str:
        """A name as routes can address it, different from those taken."""
        wanted = _ODD.sub("_", name.strip()[:_LONGEST]) or "SECRET"
        if not SECRET_NAME.fullmatch(wanted):
            wanted = f"_{wanted}"[:_LONGEST]
        taken, count = wanted, len(self._secrets) + 1
        while taken in self._secrets:
            end = f"_{count}"
            taken, count = f"{wanted[: _LONGEST - len(end)]}{end}", count + 1
        if taken != name:
            self._warnings.append(Warn("SECRET_RENAMED", taken, redact(name)[:500]))
        return taken


def _is_of_variables(name: str, value: Any) -> bool:  # noqa: ANN401 -- JSON
    """Whether it is variables of a process: a map, a list, or the text of a file of them."""
    if re.sub(r"[\W_]", "", name.lower()) not in _VARIABLES:
        return False
    return isinstance(value, (dict, list)) or (type(value) is str and "=" in value)


def _variable(place: str, value: Any) -> tuple[str, Any]:  # noqa: ANN401 -- JSON
    """The name and the value of a variable in a list: `{"name", "value"}`, or `NAME=value`."""
    if type(value) is dict and (called := pair_name(value)) is not None:
        return called, value["value"]
    if type(value) is str and "=" in value:
        name, _, text = value.partition("=")
        return name, text
    return place, value
