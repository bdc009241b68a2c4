"""Receivers of messages on loopback that speak the real protocols, and note what they are sent."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec


@dataclass
class Sent:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_with(self, secret: str) -> bool:
        """Verify as a receiver does, by the Standard Webhooks form."""
        at = self.headers["webhook-timestamp"]
        signed = f"{self.id}.{at}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        made = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return hmac.compare_digest(f"v1,{made}", self.headers["webhook-signature"])


@dataclass
class Webhooks:
    """A web server that takes what it is sent; `answers` are given first, then 204."""

    port: int = 0
    sent: list[Sent] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    pause: float = 0.0
    on_request: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=hunter2"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            # The signature's case matters, and only its.
            headers |= {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in lines}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.sent.append(Sent(first.split()[1], headers, body))
            self.on_request()
            await asyncio.sleep(self.pause)
            answer = self.answers.pop(0) if self.answers else b"204 No Content"
            writer.write(b"HTTP/1.1 " + answer + b"\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        finally:
            writer.close()


@dataclass
class Mailbox:
    """A mail server (RFC 5321, with the log-in PLAIN) that keeps what it is given."""

    port: int = 0
    letters: list[tuple[str, list[str], str]] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    refuses: bool = False
    tls: ssl.SSLContext | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, to = "", list[str]()
        writer.write(b"220 mail.test ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(maxsplit=1)[0].upper()
            answer = "250 OK"
            if verb == "EHLO":
                answer = "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN"
            elif verb == "STARTTLS" and self.tls is not None:
                writer.write(b"220 Go on\r\n")
                await writer.drain()
                await writer.start_tls(self.tls)
                continue
            elif verb == "AUTH":
                self.logins.append(base64.b64decode(line.split()[2]))
                answer = "535 No: hunter2" if self.refuses else "235 Welcome"
            elif verb == "MAIL":
                sender = line
            elif verb == "RCPT":
                to.append(line)
            elif verb == "DATA":
                writer.write(b"354 Go on\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append((sender, to, raw.decode()))
            elif verb == "QUIT":
                answer = "221 Bye"
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
        writer.close()


Receiver = TypeVar("Receiver", Webhooks, Mailbox)


@asynccontextmanager
async def served(found: Receiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Serve it on a port of its own."""
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
