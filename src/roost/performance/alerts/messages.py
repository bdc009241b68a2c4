"""What is told: as JSON for programs, and in words for people."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from roost.performance.alerts.metrics import UNITS
from roost.performance.alerts.model import Told
from roost.web.structs import Outgoing

_VERBS: Final = {
    "alert.fired": "Firing", "alert.repeated": "Still firing", "alert.resolved": "Resolved",
    "alert.test": "Test",
}  # fmt: skip
_WORDS: Final = {"1": "", "share": "", "s": " s", "ms": " ms", "By": " bytes"}
_MOST_IN_WORDS: Final = 20


class _Data(Outgoing):
    alerts: list[Told]


class Message(Outgoing):
    """The body of a webhook: all that changed in the same way at the same time."""

    type: Literal["alert.fired", "alert.repeated", "alert.resolved", "alert.test"]
    timestamp: datetime
    data: _Data


_decode: Final = msgspec.json.Decoder(Message).decode


def body_of(kind: str, now: datetime, told: list[Told]) -> str:
    """Write the JSON of a message; it stays as it is through all attempts."""
    message = Message(type=f"alert.{kind}", timestamp=now, data=_Data(alerts=told))  # type: ignore[arg-type]  # the kinds are those of deliveries, and `test`
    return msgspec.json.encode(message).decode()


def subject_of(body: str) -> str:
    """Give the message in a few words, on one line."""
    message = _decode(body)
    verb, told = _VERBS[message.type], message.data.alerts
    if not told:
        return "Roost: a test message"
    names = ", ".join(each.rule_name for each in told[:3])
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""  # noqa: PLR2004 -- as above
    gravest = max(("info", "warning", "critical").index(each.severity) for each in told)
    grade = ("info", "warning", "critical")[gravest]
    line = f"Roost: {verb.lower()} ({grade}): {names}{more}"
    return "".join(char if char.isprintable() else " " for char in line)[:200]


def text_of(body: str) -> str:
    """Give the message in words, a line for each alert."""
    message = _decode(body)
    told = message.data.alerts
    if not told:
        return "A test message from Roost: alerts arrive here."
    lines = [_line(_VERBS[message.type], each) for each in told[:_MOST_IN_WORDS]]
    if len(told) > _MOST_IN_WORDS:
        lines.append(f"… and {len(told) - _MOST_IN_WORDS} more")
    return "\n".join(lines)


def _line(verb: str, told: Told) -> str:
    unit = _WORDS[UNITS[told.metric]]
    began = f"{told.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    words = (
        f"{verb} [{told.severity}] {told.rule_name}: {told.metric} is {told.value:.6g}{unit} "
        f"({told.comparison} {told.threshold:.6g}{unit} is told of), since {began}"
    )
    if told.state == "resolved":
        words += f", worst {told.worst:.6g}{unit}"
    return words


def webhook(body: str) -> bytes:
    """Give what a webhook is sent."""
    return body.encode()


def slack(body: str) -> bytes:
    """Give what Slack is sent: what a rule's name holds is no markup there."""
    text = text_of(body).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": text})


def discord(body: str) -> bytes:
    """Give what Discord is sent: it takes 2,000 characters, and nobody is called by name."""
    text = text_of(body)
    return msgspec.json.encode({"content": text[:1_900], "allowed_mentions": {"parse": []}})
