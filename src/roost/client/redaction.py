"""Secrets taken out of what is told of an error."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

_LINE: Final = 8
"""Characters from which on a line of a secret is one by itself, as those of a key in PEM."""


class Redaction:
    """Puts names in place of secrets, however they are quoted."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._names = {form: name for name, value in secrets.items() for form in _forms(value)}
        # The longest first: one may be a part of another.
        forms = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def of(self, text: str) -> str:
        """Give the text without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[{self._names[found[0]]}]", text)


def _forms(value: str) -> Iterator[str]:
    lines = [line for line in value.splitlines() if len(line.strip()) >= _LINE]
    for plain in {value, value.strip(), *(line.strip() for line in lines)} - {""}:
        yield from {plain, repr(plain)[1:-1], json.dumps(plain)[1:-1], quote(plain, safe="")}
