"""A task's conversation: every message in its order, with its raw payload.

Three forms occur, mixed: a bare string; `{role, type, data}` as the agents' events were stored;
`{role, content}`. Text is derived for search and lists only; the payload is the source's item.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from roost.migration import dates, ids
from roost.migration.drafts import MessageDraft, Role, Warn

#: More text than this is no use to a search, and a text search vector has an end.
MAX_TEXT: Final = 100_000
_MAX_TYPE: Final = 100

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
_TEXTS: Final = ("text", "content", "output", "message", "code", "stdout")
_TIMES: Final = ("timestamp", "createdAt", "created_at")
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder().decode


def drafts(
    task_id: str, value: object, now: datetime
) -> tuple[list[MessageDraft], tuple[Warn, ...]]:
    """The messages of the task with the id `task_id`, from its field `messages`."""
    warnings: tuple[Warn, ...] = ()
    if type(value) is dict:
        warnings = (Warn("OBJECT_MAP", "messages"),)
        value = list(value.values())
    elif type(value) is not list:
        if value is None or value == "":
            return [], ()
        warnings = (Warn("NOT_A_LIST", "messages"),)
        value = [value]
    seed = ids.seed(f"{task_id}\x1fmessage\x1f".encode())
    made: list[MessageDraft] = []
    seen: dict[bytes, int] = {}
    odd = 0
    for position, message in enumerate(value):
        if type(message) is not dict:
            odd += type(message) is not str
            message = {"text" if type(message) is str else "value": message}  # noqa: PLW2901
        payload = _encode(message)
        # Equal messages do occur; each needs an id that a second run finds again.
        again = seen.get(payload, 0)
        seen[payload] = again + 1
        message_id = ids.uuid5_of(
            seed + payload if not again else b"%s%d%s" % (seed, again, payload)
        )
        made.append(_draft(message_id, position, message, payload, now))
    if odd:
        warnings += (Warn("NOT_A_MESSAGE", "messages", f"{odd} kept as they are"),)
    return made, warnings


def _draft(
    message_id: str, position: int, message: dict[str, Any], payload: bytes, now: datetime
) -> MessageDraft:
    data = message.get("data")
    inner = data if type(data) is dict else message
    role = message.get("role")
    kind = message.get("type")
    text = inner.get("text")
    if type(text) is not str or not text:
        text = text_of(inner)
    return MessageDraft(
        message_id,
        position,
        (_ROLES.get(role) if type(role) is str else None) or role_of(role, message),
        kind[:_MAX_TYPE] if type(kind) is str and kind else "message",
        text if len(text) <= MAX_TEXT else text[:MAX_TEXT],
        payload,
        _time(inner, message, now),
    )


def role_of(role: object, message: dict[str, Any]) -> Role:
    """The role; a bare string was the user's, a value without a known role nobody's."""
    if type(role) is str:
        known = _ROLES.get(role) or _ROLES.get(role.lower())
        return known or "system"
    return "user" if type(message.get("text")) is str else "system"


def text_of(data: dict[str, Any]) -> str:
    """The readable text of a message's data, as far as its shape is known; else empty."""
    for name in _TEXTS:
        if name in data and (text := _flatten(data[name], name)):
            break
    else:
        text = _of_a_call(data)
    errors = data.get("stderr")
    if type(errors) is str and errors and "stdout" in data:
        text = f"{text}\n{errors}" if text else errors
    return text


def _flatten(value: object, name: str) -> str:
    if type(value) is str:
        return _of_an_output(value) if name == "output" else value
    if type(value) is list:
        parts = (part if type(part) is str else _part(part) for part in value)
        return "\n".join(part for part in parts if part)
    if type(value) is dict and name in ("message", "content"):
        return _part(value)
    return ""


def _part(part: object) -> str:
    if type(part) is not dict:
        return ""
    text = part.get("text")
    if type(text) is str:
        return text
    content = part.get("content")
    if type(content) is str:
        return content
    if type(content) is list:
        texts = (each.get("text") for each in content if type(each) is dict)
        return "\n".join(text for text in texts if type(text) is str)
    return _of_a_call(part)


def _of_an_output(output: str) -> str:
    """A call's output: JSON text with the output in it, or plain text."""
    if output.startswith("{"):
        try:
            value = _decode(output)
        except (msgspec.DecodeError, RecursionError):
            return output
        inner = value.get("output")
        # A text read once may still hide, behind a second escape, what PostgreSQL refuses.
        if type(inner) is str and "\x00" not in inner:
            return inner
    return output


def _of_a_call(data: dict[str, Any]) -> str:
    action = data.get("action")
    command = action.get("command") if type(action) is dict else data.get("command")
    if type(command) is list:
        return " ".join(word for word in command if type(word) is str)
    if type(command) is str:
        return command
    name, given = data.get("name"), data.get("input")
    if type(name) is not str:
        return ""
    path = given.get("path") or given.get("file_path") if type(given) is dict else None
    return f"{name} {path}" if type(path) is str else name


def _time(inner: dict[str, Any], message: dict[str, Any], now: datetime) -> datetime | None:
    for name in _TIMES:
        if name in inner or name in message:
            moment, _ = dates.parse(inner.get(name, message.get(name)), now)
            if moment is not None:
                return moment
    return None
