"""`/migrate.js`: the browser's side of a migration, one module that any page may import."""

import gzip
import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

from roost.web import etag
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.reply import Reply

FOLDER: Final = Path(__file__).parent / "browser"
ENTRY: Final = "migrate.js"
"""The module that pages import. The others are put before it: one file, one request."""
TYPE: Final = "text/javascript; charset=utf-8"
_NEVER = re.compile(r"0(?:\.0{0,3})?")
_IMPORT = re.compile(r'^import [^;]*? from "\./([a-z0-9-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async |function|class|const)", re.MULTILINE)
_COMMENT = re.compile(r"^\s*(?://.*|/\*\*(?:.|\n)*?\*/)\n", re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)
_SHARED = (
    # Pages everywhere may import it: it is the same for everybody, and says nothing of anybody.
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("cache-control", "public, max-age=300"),
    ("vary", "Accept-Encoding"),
)


def bundle(folder: Path) -> bytes:
    """The entry of a folder with all that it imports, each module after those that it needs.

    Comments and indentation are left out. A name at a module's top level is that of one only.
    """
    parts: dict[str, str] = {}

    def take(name: str) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        for needed in _IMPORT.findall(text):
            if needed not in parts:
                take(needed)
        text = _IMPORT.sub("", text)
        parts[name] = text if name == ENTRY else _EXPORT.sub("", text)

    take(ENTRY)
    return _INDENT.sub("", _COMMENT.sub("", "\n".join(parts.values()))).encode()


@dataclass(frozen=True)
class AssetRoutes:
    """The route of the module in a folder; it is put together when somebody first asks for it."""

    folder: Path = field(default=FOLDER)

    @cached_property
    def plain(self) -> bytes:
        """The module as it is."""
        return bundle(self.folder)

    @cached_property
    def packed(self) -> bytes:
        """The module compressed; without a time in it, so that every worker sends the same."""
        return gzip.compress(self.plain, mtime=0)

    @cached_property
    def tag(self) -> str:
        """What its ETags begin with."""
        return sha256(self.plain).hexdigest()[:32]

    def endpoints(self) -> list[Endpoint]:
        """Give the route with its contract."""
        contract = Contract(
            "The module that migrates a page's localStorage",
            None,
            media_type=TYPE,
            tag="service",
            also=(304,),
        )
        return [Endpoint("GET", f"/{ENTRY}", self.serve, contract)]

    async def serve(self, call: Call) -> Reply:
        """Answer the module."""
        packed = takes_gzip(call.header("accept-encoding"))
        tag = f'"{self.tag}-gzip"' if packed else f'"{self.tag}"'
        wanted = call.header("if-none-match")
        if wanted is not None and etag.matches(wanted, tag):
            reply = Reply(status=304)
        else:
            reply = Reply(self.packed if packed else self.plain, media_type=TYPE.encode())
            if packed:
                reply.header("content-encoding", "gzip")
        for header, value in (*_SHARED, ("etag", tag)):
            reply.header(header, value)
        return reply


def takes_gzip(accepted: str | None) -> bool:
    """Whether `Accept-Encoding` takes gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for part in (accepted or "").lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.partition("=")[2].strip() or "1"
    weight = weights.get("gzip") or weights.get("x-gzip") or weights.get("*", "0")
    return not _NEVER.fullmatch(weight)
