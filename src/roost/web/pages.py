"""The pages for people: the reference of the API and of its errors. They need no network."""

import html
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from roost import errors
from roost.errors import ProblemError
from roost.web.endpoint import Call, Contract, Endpoint, header
from roost.web.reply import Reply

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: .25rem } h2 { margin-top: 2.5rem } h2[id] { text-transform: capitalize }
code, pre { font: 14px/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: .4rem }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: 0 .75rem }
summary { cursor: pointer; padding: .6rem 0 } summary span { color: #888; margin-left: .75rem }
.verb { display: inline-block; min-width: 4.5rem; font-weight: 700 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
td, th { border-top: 1px solid var(--line); padding: .35rem .5rem; text-align: left;
  vertical-align: top }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem }
.button { display: inline-block; padding: .5rem 1rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--soft); text-decoration: none; font: inherit;
  color: inherit; cursor: pointer }
.line { white-space: pre-wrap; overflow-wrap: anywhere; user-select: all }
.wide { overflow-x: auto }
.any td { overflow-wrap: anywhere }
@media (max-width: 40rem) {
  .cards tr { display: block; border-top: 1px solid var(--line); padding: .5rem 0 }
  .cards tr:first-child { display: none }
  .cards td { display: block; border: 0; padding: .1rem 0 }
}
"""
_HTML = b"text/html; charset=utf-8"
_ACCEPTS = re.compile(r"\s*text/html\s*(?:;|$)", re.IGNORECASE)
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def html_page(title: str, body: str, status: int = 200, *, allowing: str = "") -> Reply:
    """Give a page; `body` is HTML, in which whatever comes from outside has been escaped.

    Nothing in it runs, unless `allowing`, directives of its content security policy, lets it.
    """
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )
    reply = Reply(text.encode(), status, media_type=_HTML)
    reply.header("content-security-policy", f"{_POLICY}; {allowing}" if allowing else _POLICY)
    return reply


def wants_page(scope: Any) -> bool:  # noqa: ANN401 -- ASGI's own type
    """Whether a browser asks, for a person to read."""
    accepted = header(scope, b"accept") or ""
    return any(_ACCEPTS.match(part) for part in accepted.split(","))


def problem_page(problem: ProblemError, request: str) -> Reply:
    """Say what went wrong, and what to do, to a person."""
    entry = problem.entry
    detail = f"<p>{prose(problem.detail)}.</p>" if problem.detail != entry.title else ""
    hint = f"<p><b>What to do:</b> {prose(problem.hint)}</p>" if problem.hint else ""
    reply = html_page(
        f"{entry.title} · Roost",
        f"<h1>{html.escape(entry.title)}</h1>{detail}<p>{prose(entry.about)}</p>{hint}"
        '<p><a class="button" href="/login">Go to the log-in page</a></p>'
        f'<p><small><a href="/docs/errors/{entry.code}"><code>{entry.code}</code></a>, request '
        f"<code>{html.escape(request)}</code></small></p>",
        entry.status,
    )
    for name, value in problem.headers.items():
        reply.header(name, value)
    if "cache-control" not in problem.headers:
        reply.header("cache-control", "no-store")
    return reply


def _error_list() -> Reply:
    rows = "".join(
        f'<tr><td>{entry.status}</td><td><a href="/docs/errors/{code}"><code>{code}</code></a></td>'
        f"<td>{html.escape(entry.title)}</td></tr>"
        for code, entry in sorted(errors.CATALOGUE.items(), key=lambda one: one[1].status)
    )
    heading = "<h1>Errors</h1><p>Every problem that Roost answers with, by its <code>code</code>."
    return html_page("Errors of Roost", f"{heading}</p><table>{rows}</table>{_HOME}")


_HOME = '<p><a href="/docs">All routes</a></p>'


def _error_page(code: str) -> Reply:
    entry = errors.CATALOGUE.get(code)
    if entry is None:
        raise ProblemError(errors.ERROR_PAGE_NOT_FOUND)
    hint = f"<p><b>What to do:</b> {prose(entry.hint)}</p>" if entry.hint else ""
    body = (
        f"<h1>{html.escape(entry.title)}</h1><p><code>{code}</code>, HTTP status {entry.status}"
        f"</p><p>{prose(entry.about)}</p>{hint}"
        '<p><a href="/docs/errors/">All errors</a></p>'
    )
    return html_page(f"{code} · Roost", body)


def prose(text: str) -> str:
    """Escape a text for a page; what stands between backticks is code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def _anchor(tag: str) -> str:
    return html.escape(tag.lower().replace(" ", "-"))


def _reference(document: dict[str, Any]) -> Reply:
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation["tags"][0]
            groups.setdefault(tag, []).append(_route(method, path, operation))
    sections = "".join(
        f'<h2 id="{_anchor(tag)}">{html.escape(tag)}</h2>{"".join(routes)}'
        for tag, routes in sorted(groups.items(), key=lambda group: group[0].lower())
    )
    links = "".join(
        f'<a href="#{_anchor(tag)}">{html.escape(tag)}</a>' for tag in sorted(groups, key=str.lower)
    )
    schemas = "".join(
        f'<details id="{name}"><summary><code>{name}</code></summary>{_json(schema)}</details>'
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    body = (
        f"<h1>Roost {html.escape(document['info']['version'])}</h1>"
        f"<p>{prose(document['info']['description'])} The same as data: "
        '<a href="/openapi.json">openapi.json</a>. <a href="/docs/errors/">Errors</a>.</p>'
        f"<nav>{links}</nav>{sections}<h2>Schemas</h2>{schemas}"
    )
    return html_page("Roost: the API", body)


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(one['name'])}</code></td><td>{one['in']}</td>"
        f"<td>{prose(one.get('description', ''))}</td><td>{_json(one['schema'])}</td></tr>"
        for one in operation["parameters"]
    )
    table = f"<table><tr><th>Parameter<th>in<th><th></tr>{rows}</table>" if rows else ""
    sent = ""
    if "requestBody" in operation:
        sent = f"<p>Body:</p>{_json(operation['requestBody']['content'])}"
    answers = "".join(
        f"<tr><td>{status}</td><td>{prose(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    needs = prose(operation.get("description", "Needs no log-in."))
    return (
        f'<details><summary><code><span class="verb">{method.upper()}</span>{html.escape(path)}'
        f"</code> <span>{html.escape(operation['summary'])}</span></summary><p>{needs}</p>{table}"
        f"{sent}<table>{answers}</table></details>"
    )


def _json(value: object) -> str:
    text = msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    linked = re.sub(
        r"#/components/schemas/(\w+)", r'<a href="#\1">\1</a>', html.escape(text, quote=False)
    )
    return f"<pre>{linked}</pre>"


def page_endpoints(make: Callable[[], dict[str, Any]]) -> Sequence[Endpoint]:
    """Give the endpoints of the pages and of the OpenAPI document.

    `make` gives the document; it is called when somebody first asks for it.
    """
    document = cache(make)

    @cache
    def encoded() -> bytes:
        return msgspec.json.encode(document())

    async def openapi(_call: Call) -> Reply:
        return Reply(encoded())

    async def reference(_call: Call) -> Reply:
        return _reference(document())

    async def error_list(_call: Call) -> Reply:
        return _error_list()

    async def error_page(call: Call) -> Reply:
        return _error_page(call.request.path_params["code"])

    def page(summary: str, media_type: str = "text/html") -> Contract:
        return Contract(summary, None, media_type=media_type, tag="service")

    return [
        Endpoint("GET", "/openapi.json", openapi, page("OpenAPI document", "application/json")),
        Endpoint("GET", "/docs", reference, page("Reference of the API")),
        Endpoint("GET", "/docs/errors", error_list, page("All errors")),
        Endpoint("GET", "/docs/errors/{code:str}", error_page, page("One error")),
    ]
