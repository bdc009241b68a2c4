"""What goes wrong with the embedded server."""


class EmbeddedError(Exception):
    """The embedded server cannot run; the message says what to do about it."""
