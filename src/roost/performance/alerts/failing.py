"""How sending fails."""


class SendError(Exception):
    """A message was not taken; `why` has nothing secret.

    `wait_seconds` is how long the receiver asks to wait, at least, before it is tried again.
    """

    def __init__(self, *, why: str, wait_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds
