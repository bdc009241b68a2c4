"""Two conversations of one task made one."""

from collections import defaultdict, deque
from typing import Any, Final

from roost.migration.content import Content, canonical, equal

_SAID: Final = ("role", "type", "text", "payload")


def united(existing: list[Content], incoming: list[Content]) -> tuple[list[Content], list[Content]]:
    """The conversation with everything of both in it, and the incoming messages that lost.

    Existing messages stay, in their order; a new one comes after the one before it in `incoming`.
    An incoming message is an existing one when their ids are the same, or else what they say;
    where it then says something else, or at another time, it has lost. It is the very list
    `existing` when nothing new comes.
    """
    twins = _twins(existing, incoming)
    here = {each["id"]: each for each in existing}
    new: dict[str, Content] = {}
    following: dict[str | None, list[Content]] = defaultdict(list)
    lost: list[Content] = []
    before: str | None = None
    for message in incoming:
        identifier = message["id"]
        if identifier in twins:
            before = twins[identifier]
            twin = here[before]
        else:
            twin = new.setdefault(identifier, message)
            if twin is message:
                following[before].append(message)
        if twin is not message and _differs(twin, message):
            lost.append(message)
    if not following:
        return existing, lost
    ordered = following[None].copy()
    for message in existing:
        ordered += [message, *following[message["id"]]]
    return [_at(position, message) for position, message in enumerate(ordered)], lost


def timed(content: Content) -> Content:
    """A task as it reads back: a message of the task's time, which a merge may move, has none."""
    created = content["createdAt"]
    messages = [
        {**each, "createdAt": None} if each["createdAt"] == created else each
        for each in content["messages"]
    ]
    return {**content, "messages": messages}


def _twins(existing: list[Content], incoming: list[Content]) -> dict[str, str]:
    """By the id of an incoming message: the id of the existing one that it is."""
    here = {message["id"] for message in existing}
    taken = {message["id"] for message in incoming}
    free: dict[bytes, deque[str]] = defaultdict(deque)
    for message in existing:
        if message["id"] not in taken:
            free[_what(message)].append(message["id"])
    twins: dict[str, str] = {}
    for message in incoming:
        identifier = message["id"]
        if identifier in here:
            twins[identifier] = identifier
        elif identifier not in twins and (waiting := free.get(_what(message))):
            twins[identifier] = waiting.popleft()
    return twins


def _what(message: Content) -> bytes:
    return canonical([message["role"], message["type"], message["payload"]])


def _differs(existing: Content, incoming: Content) -> bool:
    said = any(not equal(existing.get(name), incoming.get(name)) for name in _SAID)
    # Without a time of its own it has its task's, and contradicts nothing.
    moment: Any = incoming.get("createdAt")
    return said or (moment is not None and moment != existing.get("createdAt"))


def _at(position: int, message: Content) -> Content:
    return message if message.get("position") == position else message | {"position": position}
