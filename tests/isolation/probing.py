"""Random requests of one tenant that name rows of the other, each beside one that names none."""

import base64
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from tests.isolation.operations import Operation, operations
from tests.isolation.tenants import THEIRS

LEFT_OUT = {
    # what would end or move the one who asks, not the other tenant
    "post_auth_logout",
    "post_account_logout",
    "post_users_id_erase",
}
PLANTED = "planted"
"""In each idempotency key that the other tenant is given, and that is then used by the first."""
KINDS = ("path", "query", "cursor", "body", "batch", "workspace", "if-match", "idempotency",
         "cookie", "several")  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is sent. `must_fail` says that it names a row where only one's own will do."""

    what: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    must_fail: bool

    def instead(self, names: Mapping[str, str]) -> "Request":
        """Give the same request with other names in the place of the real ones."""

        def other(text: str) -> str:
            for name, unreal in names.items():
                text = text.replace(name, unreal)
            return text

        path = re.sub(r"cursor=([^&]+)", lambda found: _cursor(found[1], other), self.path)
        headers = {key: other(value) for key, value in self.headers.items()}
        body = self.body
        if body is not None:
            body = msgspec.json.decode(other(msgspec.json.encode(body).decode()))
        return Request(self.what, self.method, other(path), headers, body, self.must_fail)


def _cursor(text: str, other: Any) -> str:
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    return "cursor=" + base64.urlsafe_b64encode(other(raw).encode()).decode().rstrip("=")


@dataclass
class Prober:
    """Makes up requests. `mine` and `theirs` are the keys of rows, by table."""

    document: Mapping[str, Any]
    mine: Mapping[str, UUID]
    theirs: Mapping[str, UUID]
    texts: Mapping[str, str]
    rng: random.Random
    closed: list[Operation] = field(init=False)

    def __post_init__(self) -> None:
        """Read the operations that need a log-in."""
        found = operations(self.document)
        self.closed = [op for op in found if op.permission and op.id not in LEFT_OUT]

    def request(self, headers: Mapping[str, str]) -> Request:
        """Make up one."""
        kind = self.rng.choice(KINDS)
        kinds = set(self.rng.sample(KINDS[:-1], 3)) if kind == "several" else {kind}
        operation = self._operation(kinds)
        given = dict(headers)
        path, in_path = self._path(operation, theirs="path" in kinds or bool(operation.places))
        query = [(name, "x") for name in operation.required]
        query += self._query(operation, kinds)
        body, in_body = self._body(operation, kinds)
        is_elsewhere = "workspace" in kinds
        if is_elsewhere:
            given["roost-workspace"] = self.rng.choice(
                [str(self.theirs["workspaces"]), self.texts["slug"]]
            )
        if "if-match" in kinds:
            given[self.rng.choice(["if-match", "if-none-match"])] = '"v1"'
        if "idempotency" in kinds and operation.method == "POST":
            given["idempotency-key"] = f"{THEIRS}-{PLANTED}-{self.rng.getrandbits(64)}"
        if "cookie" in kinds:
            given["cookie"] = "roost_session=" + self.theirs["sessions"].hex
            if self.rng.random() < 0.5:
                given.pop("authorization")
                in_path = True  # there is no log-in at all
        text = path + ("?" + urlencode(query) if query else "")
        must_fail = in_path or in_body or is_elsewhere
        what = f"{operation.id} ({', '.join(sorted(kinds))})"
        return Request(what, operation.method, text, given, body, must_fail)

    def _operation(self, kinds: set[str]) -> Operation:
        if "batch" in kinds:
            return next(op for op in self.closed if op.id == "post_tasks_batch")
        if "body" in kinds:
            referring = [op for op in self.closed if self._references(op)]
            return self.rng.choice(referring)
        if kinds & {"query", "cursor"}:
            return self.rng.choice([op for op in self.closed if op.method == "GET"])
        if "path" in kinds:
            return self.rng.choice([op for op in self.closed if op.names_rows])
        return self.rng.choice(self.closed)

    def _path(self, operation: Operation, *, theirs: bool) -> tuple[str, bool]:
        places = operation.places
        chosen = set(self.rng.sample(places, self.rng.randint(1, len(places)))) if places else set()
        chosen &= {name for name in places if name.endswith("id")} or set()
        if not chosen:
            chosen = {name for name in places if name.endswith("id")}
        path = operation.path
        for name in places:
            table = self._table(path, name)
            rows = self.theirs if name in chosen and theirs else self.mine
            if self.rng.random() < 0.15:  # a key of the wrong kind of thing
                table = self.rng.choice(list(self.theirs))
            value = str(rows[table]) if name.endswith("id") else self.texts.get(name, "NAME")
            if self.rng.random() < 0.1:
                value = value.upper()
            path = path.replace("{" + name + "}", quote(value))
        return path, bool(places) and operation.names_rows

    def _table(self, path: str, name: str) -> str:
        head = path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2]
        return {
            "migration": "migrations",
            "members": "users",
            "tokens": "access_tokens",
        }.get(head, head if head in self.theirs else "tasks")

    def _query(self, operation: Operation, kinds: set[str]) -> list[tuple[str, str]]:
        item = self.document["paths"][operation.path][operation.method.lower()]
        names = [found["name"] for found in item["parameters"] if found["in"] == "query"]
        query = []
        if "query" in kinds and names:
            kept = {"cursor", "token", *operation.required}
            query += [
                (name, str(self.rng.choice(list(self.theirs.values()))))
                for name in self.rng.sample(names, min(len(names), self.rng.randint(1, 2)))
                if name not in kept
            ]
        if "cursor" in kinds and "cursor" in names:
            table = self.rng.choice(list(self.theirs))
            order = self.rng.choice(["-createdAt", "createdAt", "-created_at", "name", "-at"])
            values = [order, "2098-01-01T00:00:00+00:00", str(self.theirs[table])]
            raw = base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")
            query.append(("cursor", raw))
        return query

    def _references(self, operation: Operation) -> list[str]:
        item = self.document["paths"][operation.path][operation.method.lower()]
        content = item.get("requestBody", {}).get("content", {}).get("application/json", {})
        return sorted(set(_uuids(content.get("schema", {}), self.document)))

    def _body(self, operation: Operation, kinds: set[str]) -> tuple[Any, bool]:
        body = operation.body
        if body is not None:
            text = msgspec.json.encode(body).decode()
            text = text.replace("{member}", str(self.theirs["users"]))
            text = text.replace("{task}", str(self.theirs["tasks"]))
            body = msgspec.json.decode(text.replace("{email}", "x@example.test"))
        if operation.id == "post_tasks_batch":
            return {"operations": [self._item() for _ in range(self.rng.randint(1, 3))]}, True
        names = self._references(operation)
        if not names or "body" not in kinds:
            return body, False
        for name in self.rng.sample(names, self.rng.randint(1, len(names))):
            table = "environments" if "nvironment" in name else "users"
            if self.rng.random() < 0.2:
                table = self.rng.choice(list(self.theirs))
            body[name] = str(self.theirs[table])
        return body, True

    def _item(self) -> Any:
        task, others = str(self.theirs["tasks"]), self.theirs
        return self.rng.choice(
            [
                {"op": "update", "id": task, "changes": {"title": "taken"}},
                {"op": "delete", "id": task},
                {
                    "op": "create",
                    "task": {"title": "t", "environmentId": str(others["environments"])},
                },
                {"op": "create", "task": {"title": "t", "assigneeId": str(others["users"])}},
                {
                    "op": "update",
                    "id": str(self.mine["tasks"]),
                    "changes": {"environmentId": str(others["environments"])},
                },
            ]
        )


def _uuids(schema: Any, document: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Give the names of a body's own properties that are UUIDs."""
    if "$ref" in schema:
        part = schema["$ref"].rpartition("/")[2]
        yield from _uuids(document["components"]["schemas"][part], document, name)
    if schema.get("format") == "uuid" and name:
        yield name
    for choice in schema.get("anyOf", ()):
        yield from _uuids(choice, document, name)
    if not name:
        for key, value in schema.get("properties", {}).items():
            yield from _uuids(value, document, key)
