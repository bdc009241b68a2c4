"""What reports, progress and logs show of a dump: what looks like a credential is hidden."""

from typing import Any

import msgspec

from roost.migration.text import redact


def shown(value: Any) -> Any:  # noqa: ANN401 -- JSON
    """The same with credentials redacted, in names and in texts."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {redact(name): shown(each) for name, each in value.items()}
    return value


def shown_json(text: str) -> str:
    """The same of JSON in text, which most often needs no reading."""
    if redact(text) == text:
        return text
    return msgspec.json.encode(shown(msgspec.json.decode(text))).decode()
