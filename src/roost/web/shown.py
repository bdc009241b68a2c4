"""What was read, as it is shown to whoever asks for it."""

import time
from dataclasses import dataclass
from typing import Self

import msgspec

from roost.web import etag
from roost.web.reply import Reply


@dataclass(frozen=True, slots=True)
class Shown:
    """A body with its tag, and the headers that go with it.

    `read_at` is when it had been read, by `time.monotonic`.
    """

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    tag: bytes
    read_at: float

    @classmethod
    def of(cls, reply: Reply, version: int | None = None) -> Self:
        """Tag what was read; `version` is that of the one row that it shows."""
        tag = etag.item_tag(version, reply.body) if version else etag.body_tag(reply.body)
        return cls(reply.body, tuple(reply.headers), tag, time.monotonic())

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.body)

    def reply(self, if_none_match: str | None) -> Reply:
        """Answer with it, or with 304 when the client has it already."""
        if if_none_match is not None and etag.matches(if_none_match, self.tag.decode()):
            return Reply(status=304, headers=[(b"etag", self.tag)])
        headers = [*self.headers, (b"etag", self.tag)]
        return Reply(self.body, headers=headers, media_type=None)


class ShownCodec:
    """Writes down what was read, for other workers."""

    def encode(self, value: Shown) -> bytes:
        """As MessagePack."""
        return msgspec.msgpack.encode((value.body, value.headers, value.tag))

    def decode(self, content: bytes) -> Shown:
        """Read it, as of now; ValueError when it is none."""
        body, headers, tag = _DECODER.decode(content)
        return Shown(body, headers, tag, time.monotonic())


_DECODER = msgspec.msgpack.Decoder(tuple[bytes, tuple[tuple[bytes, bytes], ...], bytes])
