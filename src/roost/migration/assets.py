"""`/migrate.js`: the browser's side of a migration, as one module that any page may load."""

import gzip
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from roost.web import etag
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.reply import Reply

PATH: Final = "/migrate.js"
#: Each after those that it imports.
_MODULES: Final = ("hash", "storage", "client", "view", "review", "element", "migrate")
_JAVASCRIPT: Final = b"text/javascript; charset=utf-8"
_IMPORT: Final = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=async |function|class|const)", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*(?://.*|/\*\*(?:.|\n)*?\*/)\n", re.MULTILINE)
_INDENT: Final = re.compile(r"^ +", re.MULTILINE)


@cache
def module() -> bytes:
    """The modules of `browser/` put together, without comments and indentation."""
    folder = files("roost.migration") / "browser"
    parts = []
    for name in _MODULES:
        text = _IMPORT.sub("", (folder / f"{name}.js").read_text(encoding="utf-8"))
        parts.append(text if name == _MODULES[-1] else _EXPORT.sub("", text))
    return _INDENT.sub("", _COMMENT.sub("", "\n".join(parts))).encode()


@cache
def _compressed() -> bytes:
    return gzip.compress(module(), 9, mtime=0)


@cache
def _tag() -> str:
    return f'"{sha256(module()).hexdigest()[:32]}"'


def asset_endpoints() -> list[Endpoint]:
    """Give the route of the module; it needs no log-in, and any origin may load it."""

    async def serve(call: Call) -> Reply:
        wanted = call.header("if-none-match")
        zipped = "gzip" in (call.header("accept-encoding") or "")
        if wanted is not None and etag.matches(wanted, _tag()):
            reply = Reply(status=304)
        else:
            reply = Reply(_compressed() if zipped else module(), media_type=_JAVASCRIPT)
        if zipped and reply.body:
            reply.header("content-encoding", "gzip")
        reply.header("etag", _tag())
        reply.header("vary", "Accept-Encoding")
        reply.header("cache-control", "public, max-age=300")
        reply.header("access-control-allow-origin", "*")
        reply.header("cross-origin-resource-policy", "cross-origin")
        return reply

    contract = Contract(
        "The module by which a page moves its localStorage here",
        None,
        media_type="text/javascript",
        tag="service",
        also=(304,),
    )
    return [Endpoint("GET", PATH, serve, contract)]
