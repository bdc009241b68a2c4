"""The browser's side of a migration: its modules, put together, hashed and compressed once."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from roost import errors
from roost.errors import ProblemError
from roost.web import etag
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.reply import Reply

FOLDER: Final = Path(__file__).parent / "browser"
ENTRY: Final = "migrate.js"
"""What pages import, with all that it imports: one file, so that nothing runs before its copy."""
BESIDE: Final = ("file.js", "page.js")
"""What only some pages need, each by itself."""
TYPE: Final = "text/javascript; charset=utf-8"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z0-9-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async |function|class|const)", re.MULTILINE)
# Comments stand on lines of their own; what a page loads has none, and no indentation.
_LEFT_OUT = re.compile(r"^\s*(?://.*|/\*(?s:.)*?\*/)\n|^\s+", re.MULTILINE)
_NEVER = re.compile(r"0(?:\.0{0,3})?")
_SHARED = (
    # Pages everywhere may import it: it is the same for everybody, and says nothing of anybody.
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("cache-control", "public, max-age=300"),
    ("vary", "Accept-Encoding"),
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A module as it is and compressed, each with its ETag."""

    plain: bytes
    packed: bytes
    tag: str
    packed_tag: str


@dataclass(frozen=True, slots=True)
class AssetRoutes:
    """The routes that serve the modules of a folder."""

    folder: Path = FOLDER
    assets: dict[str, Asset] = field(init=False)

    def __post_init__(self) -> None:
        found = {name: _asset(together(self.folder, name)) for name in (ENTRY, *BESIDE)}
        object.__setattr__(self, "assets", found)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        missing = (errors.ROUTE_NOT_FOUND,)
        return [
            Endpoint("GET", f"/{ENTRY}", partial(self._serve, name=ENTRY), Contract(
                "The module that migrates a page's localStorage", None, media_type=TYPE,
                tag="service", also=(304,), problems=missing)),
            Endpoint("GET", "/migrate/{module:str}", self.module, Contract(
                "A module that some pages need beside it", None, media_type=TYPE, tag="service",
                also=(304,), problems=missing)),
        ]  # fmt: skip

    async def module(self, call: Call) -> Reply:
        """Answer one of the modules beside the entry."""
        name = call.request.path_params["module"]
        return await self._serve(call, name if name != ENTRY else "")

    async def _serve(self, call: Call, name: str) -> Reply:
        asset = self.assets.get(name)
        if asset is None:
            raise ProblemError(errors.ROUTE_NOT_FOUND)
        packed = takes_gzip(call.header("accept-encoding"))
        tag = asset.packed_tag if packed else asset.tag
        wanted = call.header("if-none-match")
        if wanted is not None and etag.matches(wanted, tag):
            reply = Reply(status=304)
        else:
            body = asset.packed if packed else asset.plain
            reply = Reply(body, media_type=TYPE.encode())
            if packed:
                reply.header("content-encoding", "gzip")
        for header, value in (*_SHARED, ("etag", tag)):
            reply.header(header, value)
        return reply


def together(folder: Path, name: str) -> bytes:
    """A module with all that it imports, each after what it needs, in one scope.

    So a name at the top of a module is that of one only. Imports are by names, from `./`.
    """
    parts = [_IMPORT.sub("", text) for text in _needed(folder, name, set())]
    parts[:-1] = [_EXPORT.sub("", text) for text in parts[:-1]]
    return _LEFT_OUT.sub("", "".join(parts)).encode()


def _needed(folder: Path, name: str, taken: set[str]) -> Iterator[str]:
    taken.add(name)
    text = (folder / name).read_text(encoding="utf-8")
    for each in _IMPORT.findall(text):
        if each not in taken:
            yield from _needed(folder, each, taken)
    yield text


def _asset(plain: bytes) -> Asset:
    digest = sha256(plain).hexdigest()[:32]
    # Without a time in it: every worker, and every start, sends the same bytes.
    packed = gzip.compress(plain, mtime=0)
    return Asset(plain, packed, f'"{digest}"', f'"{digest}-gzip"')


def takes_gzip(accepted: str | None) -> bool:
    """Whether `Accept-Encoding` takes gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for part in (accepted or "").lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.partition("=")[2].strip() or "1"
    weight = weights.get("gzip") or weights.get("x-gzip") or weights.get("*", "0")
    return not _NEVER.fullmatch(weight)
