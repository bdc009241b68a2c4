"""The bases of what comes in and goes out: camelCase on the wire."""

import msgspec


class Outgoing(msgspec.Struct, rename="camel", kw_only=True):
    """What an answer holds."""


class Incoming(Outgoing, forbid_unknown_fields=True):
    """What a body holds; a field that it does not know is refused by name."""
