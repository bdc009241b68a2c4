"""Every operation × everybody who may ask: the answer that the permission table says."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from tests.isolation.cast import (
    HOUR,
    NOW,
    ROLES,
    Cast,
    Headers,
    Places,
    make_cast,
    places,
)
from tests.isolation.operations import Operation, operations
from tests.isolation.served import ORIGIN, Answer, Served, serving_in_process
from tests.isolation.tenants import MINE, THEIRS

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAD = ("nobody", "nonsense", "expired", "revoked", "deactivated", "expired session",
        "idle session", "revoked session", "deactivated session")  # fmt: skip
FOREIGN = ("foreign owner", "foreign session", "foreign owner naming the workspace")
LIVE = (*ROLES, "session")
ACTORS = (*DEAD, "wrong scope", "session without origin", "session of another site",
          *FOREIGN, *LIVE)  # fmt: skip
FOR_ANY_USER = {
    "get_auth_link",
    "get_invitations_token",
    "post_invitations_token_accept",
    "get_invitations_link",
    "post_invitations_link",
    "post_workspaces_id_restore",
}
"""Where what opens the way is a secret in the path, or what one did oneself: not the workspace."""
CELLS = "cells of operation × caller"
ELSEWHERE = "http://elsewhere.test"
CLOSED = {"UNAUTHORIZED", "FORBIDDEN", "ORIGIN_REFUSED"}


@dataclass
class Stage:
    """The application, and a way to its rows."""

    served: Served
    connection: Any
    wrong: list[str] = field(default_factory=list)
    cells: int = 0

    async def ask(self, operation: Operation, given: Places, headers: Headers) -> Answer:
        """Send a valid request."""
        path = operation.path
        for name, value in given.items():
            path = path.replace("{" + name + "}", value)
        if operation.required:
            query = {name: given.get(f"?{name}", "x") for name in operation.required}
            path += f"?{urlencode(query)}"
        text = msgspec.json.encode(operation.body).decode()
        for place in ("{member}", "{email}", "{task}"):
            text = text.replace(place, given.get(place, ""))
        body = msgspec.json.decode(text)
        return await self.served.ask(operation.method, path, headers, body)

    def expect(self, what: str, answer: Answer, *, right: bool) -> None:
        """Count a cell."""
        self.cells += 1
        if not right:
            self.wrong.append(f"{what}: {answer.status} {answer.code} {answer.body[-120:]!r}")

    def conclude(self) -> None:
        """Fail with all that was wrong."""
        if self.wrong:
            pytest.fail(f"{len(self.wrong)}\n" + "\n".join(self.wrong), pytrace=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(isolated_database: str) -> AsyncIterator[Stage]:
    """The application on a database of the module's own."""
    connection = await asyncpg.connect(isolated_database)
    async with serving_in_process(isolated_database) as served:
        yield Stage(served, connection)
    await connection.close()


TOKENS: Mapping[str, dict[str, Any]] = {
    "expired": {"expires_at": NOW - HOUR},
    "revoked": {"revoked_at": NOW - HOUR},
}
SESSIONS: Mapping[str, dict[str, Any]] = {
    "expired session": {"expires_at": NOW - HOUR},
    "idle session": {"last_seen_at": NOW - 24 * 8 * HOUR},
    "revoked session": {"revoked_at": NOW - HOUR},
    "session": {},
    "session without origin": {},
    "session of another site": {},
}


async def _headers(cast: Cast, foreign: Cast, actor: str, operation: Operation) -> Headers:
    """Give the credential that somebody comes with."""
    owner, stranger = cast.users["owner"], foreign.users["owner"]
    if actor in {"nobody", "nonsense"}:
        return {"authorization": "Bearer roost_nonsense"} if actor == "nonsense" else {}
    if actor in TOKENS:
        return await cast.token(owner, **TOKENS[actor])
    if actor in SESSIONS:
        origins = {"session without origin": {}, "session of another site": {"origin": ELSEWHERE}}
        secret = await cast.session(owner, **SESSIONS[actor])
        return secret | origins.get(actor, {"origin": ORIGIN})
    if actor == "deactivated session":
        return await cast.session(cast.users["deactivated"]) | {"origin": ORIGIN}
    if actor == "foreign session":
        return await foreign.session(stranger) | {"origin": ORIGIN}
    return await _token(cast, foreign, actor, operation)


async def _token(cast: Cast, foreign: Cast, actor: str, operation: Operation) -> Headers:
    if actor in FOREIGN:
        token = await foreign.token(foreign.users["owner"])
        is_named = actor == "foreign owner naming the workspace"
        return token | ({"roost-workspace": str(cast.workspace)} if is_named else {})
    if actor == "wrong scope":
        scope = operation.wrong_scope() if operation.permission else "*"
        return await cast.token(cast.users["owner"], scope)
    return await cast.token(cast.users[actor])


def _is_refused(operation: Operation, actor: str) -> int | None:
    """Say with which status an operation refuses somebody; None where it lets them in."""
    if operation.permission is None:
        return None
    if actor in DEAD:
        return 401
    if actor == "wrong scope" or (actor in ROLES and not operation.allows(actor)):
        return 403
    if actor in {"session without origin", "session of another site"} and not operation.is_safe:
        return 403
    return None


def _outside(operation: Operation) -> list[str]:
    """Give those who are refused, or are in another workspace."""
    return [
        actor for actor in ACTORS if actor in FOREIGN or _is_refused(operation, actor) is not None
    ]


async def _is_let_in(stage: Stage, operation: Operation, actor: str) -> None:
    """See that somebody who may gets neither a refusal nor an error; each with a cast anew."""
    cast = await make_cast(stage.connection, MINE)
    headers = await _headers(cast, cast, actor, operation)
    who = actor if actor in ROLES else "owner"
    given = await places(operation, cast, who, stage.served)
    answer = await stage.ask(operation, given, headers)
    right = answer.status < 500 and answer.status not in {400, 401, 403, 404, 405, 422, 429}
    if operation.permission is None:
        right = answer.status < 500
    expected = OTHERWISE.get(operation.id)
    if not right and expected is not None:
        right = (answer.status, answer.code) in expected
    stage.expect(f"{operation.id} as {actor}", answer, right=right)


OTHERWISE = {
    # an operation -> other answers that are no refusals of the role
    "get_environments_active": {(404, "ENVIRONMENT_NOT_FOUND")},  # there is none
    "delete_environments_id_secrets_name": {(404, "SECRET_NOT_FOUND")},  # there is none
    "post_auth_logout": {(403, "FORBIDDEN")},  # a token has no session to end
    "post_account_logout": {(403, "FORBIDDEN")},
    "post_account_link_provider": {(403, "FORBIDDEN"), (404, "PROVIDER_NOT_FOUND")},
    # By a browser only, and with none of the providers set up here.
    "post_auth_provider_link": {(403, "FORBIDDEN"), (404, "PROVIDER_NOT_FOUND")},
    # No table is named; a table's own permission is asked for when one is.
    "get_v_shape": {(400, "")},
    "post_v_shape": {(400, "")},
    "delete_v_shape": {(400, "")},
    # A page's origin must be one that the server knows: the request's own host may be a stranger's.
    "post_mcp": {(403, "ORIGIN_REFUSED")},
    "post_migrate_connect": {(400, "CONNECT_REFUSED")},  # no page has asked
    # A deleted workspace opens to none of its own credentials: one comes back from another.
    "post_workspaces_id_restore": {(401, "UNAUTHORIZED"), (404, "WORKSPACE_NOT_FOUND")},
}


async def _is_kept_out(stage: Stage, operation: Operation, cast: Cast, foreign: Cast) -> None:
    """See that all who may not change nothing, and are told the right thing."""
    given = await places(operation, cast, "owner", stage.served)
    outside = _outside(operation)
    credentials = [await _headers(cast, foreign, actor, operation) for actor in outside]
    before = await cast.rows()
    for actor, headers in zip(outside, credentials, strict=True):
        status = _is_refused(operation, actor)
        answer = await stage.ask(operation, given, headers)
        what = f"{operation.id} as {actor}"
        if status is not None:
            right = answer.status == status and answer.code in CLOSED
            is_dead = (answer.status, answer.code) in OTHERWISE.get(operation.id, ())
            stage.expect(what, answer, right=right or (status == 403 and is_dead))
        else:
            stage.expect(what, answer, right=_is_right_for_strangers(operation, actor, answer))
        after = await cast.rows()
        if operation.id not in FOR_ANY_USER or status is not None:
            # A refusal may be written down.
            after.pop("audit_events", None)
            before.pop("audit_events", None)
            stage.expect(f"{what} changed rows", answer, right=after == before)


def _is_right_for_strangers(operation: Operation, actor: str, answer: Answer) -> bool:
    if operation.permission is None or operation.id in FOR_ANY_USER:
        return answer.status < 500
    if actor == FOREIGN[-1] or operation.names_rows:
        return answer.status == 404 and MINE not in answer.text.replace("NAME", "")
    return answer.status < 500 and MINE not in answer.text


async def test_there_are_operations(stage: Stage) -> None:
    assert len(operations(stage.served.document)) > 50


async def test_every_operation_refuses_all_who_may_not_and_changes_nothing_for_them(
    stage: Stage, counted: Callable[[str, int], None]
) -> None:
    foreign = await make_cast(stage.connection, THEIRS)
    for operation in operations(stage.served.document):
        await _is_kept_out(stage, operation, await make_cast(stage.connection, MINE), foreign)
    stage.conclude()
    counted(CELLS, sum(len(_outside(operation)) for operation in operations(stage.served.document)))


async def test_every_operation_lets_in_all_who_may(
    stage: Stage, counted: Callable[[str, int], None]
) -> None:
    before = stage.cells
    for operation in operations(stage.served.document):
        for actor in set(ACTORS) - set(_outside(operation)):
            await _is_let_in(stage, operation, actor)
    stage.conclude()
    counted(CELLS, stage.cells - before)
