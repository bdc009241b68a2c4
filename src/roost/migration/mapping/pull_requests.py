"""The pull request at a task: a few facts for its column, the rest for the record."""

from typing import Any, Final

from roost.migration.drafts import PullRequest

_TAKEN: Final = frozenset({"number", "html_url", "url", "state", "merged"})
_MAX_NUMBER: Final = 2**31 - 1
_MAX_TEXT: Final = 2_000


def reduced(value: object) -> tuple[PullRequest | None, object, bool]:
    """The draft, what else there was, and whether a repository's description was cut from it.

    `head.repo` and `base.repo` are GitHub's whole repository objects, of 5 KB each: their full
    names are kept.
    """
    if type(value) is not dict:
        return None, value, False
    head, base = _dict(value, "head"), _dict(value, "base")
    draft = PullRequest(
        number=_number(value.get("number")),
        url=_text(value.get("html_url")) or _text(value.get("url")),
        state=_text(value.get("state")) or _text(value.get("status")),
        merged=value["merged"] if type(value.get("merged")) is bool else None,
        head_ref=_text(head.get("ref")) or _text(value.get("branchName")),
        head_sha=_text(head.get("sha")) or _text(value.get("commitSha")),
        base_ref=_text(base.get("ref")),
        author=_text(_dict(value, "user").get("login")),
    )
    if draft == PullRequest():
        return None, value or None, False
    rest, cut = dict(value), False
    for name in ("head", "base"):
        side = value.get(name)
        if type(side) is dict and type(side.get("repo")) is dict:
            rest[name] = {**side, "repo": {"full_name": side["repo"].get("full_name")}}
            cut = True
    return draft, rest if rest.keys() - _TAKEN else None, cut


def _dict(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if type(inner) is dict else {}


def _text(value: object) -> str | None:
    return value if type(value) is str and 0 < len(value) <= _MAX_TEXT else None


def _number(value: object) -> int | None:
    if type(value) is str and value.isdecimal() and value.isascii():
        value = int(value[:12])
    return value if type(value) is int and 0 < value <= _MAX_NUMBER else None
