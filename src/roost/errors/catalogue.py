"""What an entry of the catalogue is, and all of them by their codes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of problem: `status` is the HTTP status, `about` the text of its page."""

    code: str
    status: int
    title: str
    about: str
    hint: str | None = None


CATALOGUE: dict[str, Entry] = {}


def entry(code: str, status: int, title: str, about: str, hint: str | None = None) -> Entry:
    """Catalogue a kind of problem; its code is new."""
    if code in CATALOGUE:
        message = f"error code {code} is catalogued twice"
        raise ValueError(message)
    made = CATALOGUE[code] = Entry(code, status, title, about, hint)
    return made
