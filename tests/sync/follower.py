"""A client of shapes that checks every message it is sent."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx

Row = dict[str, str | None]
UP_TO_DATE = "up-to-date"


class ProtocolError(AssertionError):
    """The server has sent what no server may send."""


@dataclass
class Follower:
    """Follows one shape; `rows` is what it has, by key."""

    client: httpx.AsyncClient
    parameters: dict[str, str]
    rows: dict[str, Row] = field(default_factory=dict)
    offset: str = "-1"
    handle: str = ""
    cursor: str = ""
    lsn: int = -1
    last_lsn: int = -1
    refetches: int = 0
    xids: set[int] = field(default_factory=set)
    changes: int = 0
    answers: int = 0

    async def ask(self, *, live: bool = False) -> list[dict[str, Any]]:
        """Ask once, apply what came, and give it."""
        given = dict(self.parameters, offset=self.offset)
        if self.handle:
            given["handle"] = self.handle
        if live:
            given |= {"live": "true", "cursor": self.cursor}
        answer = await self.client.get("/v1/shape", params=given)
        return self.take(answer)

    def take(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """Apply an answer."""
        self.answers += 1
        if answer.status_code == 409:
            self.refetches += 1
            self.forget()
            return []
        if answer.status_code != 200:
            raise ProtocolError(answer.status_code, answer.text)
        self.handle = answer.headers["electric-handle"]
        self.cursor = answer.headers.get("electric-cursor", "")
        messages: list[dict[str, Any]] = json.loads(answer.content)
        for message in messages:
            self.apply(message)
        moved = self.offset != answer.headers["electric-offset"]
        if not moved and messages and "value" in messages[0]:
            raise ProtocolError(messages, "without a step forward")
        self.offset = answer.headers["electric-offset"]
        return messages

    def forget(self) -> None:
        """Begin again."""
        self.rows, self.offset, self.handle, self.cursor = {}, "-1", "", ""
        self.last_lsn = -1

    def apply(self, message: dict[str, Any]) -> None:
        """Apply one message; ProtocolError when it makes no sense."""
        headers = message["headers"]
        if headers.get("control") == UP_TO_DATE:
            self.lsn = int(headers["global_last_seen_lsn"])
        if "operation" not in headers:
            return
        key, operation = message["key"], headers["operation"]
        if "lsn" in headers:
            place = (int(headers["lsn"]) << 40) + headers["op_position"]
            if place <= self.last_lsn:
                raise ProtocolError(place, "comes after", self.last_lsn, message)
            self.last_lsn = place
            self.changes += 1
            self.xids.update(headers["txids"])
        if (key in self.rows) == (operation == "insert"):
            raise ProtocolError("there" if key in self.rows else "not there", message)
        if operation == "insert":
            self.rows[key] = message["value"]
        elif operation == "update":
            self.rows[key] = self.rows[key] | message["value"]
        else:
            del self.rows[key]

    async def catch_up(self, lsn: int = -1) -> None:
        """Ask until nothing up to `lsn` is missing."""
        while True:
            messages = await self.ask()
            done = messages and messages[-1]["headers"].get("control") == UP_TO_DATE
            if done and self.lsn >= lsn:
                return
            # A server in this very process may answer without giving way to its listener.
            await asyncio.sleep(0)
