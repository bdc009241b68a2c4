"""The bases of what comes in and goes out: camelCase on the wire."""

import msgspec


def camel(name: str) -> str:
    """Write a name of Python's or a table's as the API writes names."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


class Outgoing(msgspec.Struct, rename="camel", kw_only=True):
    """What an answer holds."""


class Incoming(Outgoing, forbid_unknown_fields=True):
    """What a body holds; a field that it does not know is refused by name."""
