"""Users and their sessions over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.audit.trail import trail_of
from roost.identity.login.sessions import end_session
from roost.identity.model import Session, User, UserPatch, UserQuery, UserUpsert
from roost.identity.users.deactivation import deactivate_user
from roost.identity.users.service import (
    add_user,
    belongs_elsewhere,
    change_user,
    require_authority,
    require_rank,
)
from roost.identity.workspaces.standing import require_roaming
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version
from roost.web.kit import Kit, context_of, found, tagged
from roost.web.paging import SortQuery
from roost.web.reply import Reply, empty, item

Work = Callable[[Transaction], Awaitable[Reply]]
READ, WRITE = "users:read", "users:write"
_ITEM = f"{API}/users/{{id:str}}"
_MISSING = (errors.USER_NOT_FOUND,)


@dataclass(frozen=True, slots=True)
class UserRoutes:
    """The routes on users."""

    kit: Kit
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        sessions = f"{_ITEM}/sessions"
        return [
            Endpoint("GET", f"{API}/users", self.list, Contract(
                "List the users of the workspace", READ, query=UserQuery, returns=User,
                paged=True)),
            Endpoint("POST", f"{API}/users", self.upsert, Contract(
                "Add a user by identity, or update the one there is", "admin", body=UserUpsert,
                returns=User, status=201, also=(200,),
                problems=(errors.WORKSPACE_NOT_FOUND,))),
            Endpoint("GET", f"{API}/users/me", self.me, Contract(
                "Read the user who asks", READ, returns=User)),
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read a user", READ, returns=User, problems=_MISSING)),
            Endpoint("PATCH", _ITEM, self.patch, Contract(
                "Change a user by merge patch: oneself, or as an administrator", WRITE,
                body=UserPatch, returns=User, problems=(*_MISSING, errors.PRECONDITION_FAILED))),
            Endpoint("DELETE", _ITEM, self.delete, Contract(
                "Deactivate a user, and end their sessions and tokens", WRITE, status=204,
                problems=(*_MISSING, errors.PRECONDITION_FAILED))),
            Endpoint("GET", sessions, self.sessions, Contract(
                "List a user's active sessions", READ, query=SortQuery, returns=Session,
                paged=True, problems=_MISSING)),
            Endpoint("DELETE", sessions, self.end_all, Contract(
                "End all of a user's sessions", WRITE, status=204, problems=_MISSING)),
            Endpoint("DELETE", f"{sessions}/{{session_id:str}}", self.end_one, Contract(
                "End a session", WRITE, status=204,
                problems=(*_MISSING, errors.SESSION_NOT_FOUND))),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of users."""
        query: UserQuery = call.query
        given = {
            "search": query.search,
            "is_active": query.is_active,
            "role": query.role,
            "kind": query.kind,
        }
        statement, values, sort = lists.prepare(queries.USERS, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def upsert(self, call: Call) -> Reply:
        """Add or update a user."""

        async def work(transaction: Transaction) -> Reply:
            user_id, shown, is_new = await add_user(
                transaction, call.principal, call.body, context_of(call), trail_of(call)
            )
            reply = tagged(*shown, 201 if is_new else 200)
            reply.header("location", f"{API}/users/{user_id}")
            return reply

        try:
            return await self.kit.change(call, work)
        except ProblemError as problem:
            if problem.entry is not errors.CONFLICT:
                raise
        # Perhaps the same user was being added at the same moment: then this one updates.
        return await self.kit.change(call, work)

    async def me(self, call: Call) -> Reply:
        """Answer who asks."""
        user_id = call.principal.user_id
        row = found(
            await self.kit.read(call, queries.USER_ITEM, user=user_id), errors.USER_NOT_FOUND
        )
        return self.kit.conditional(call, item(row["body"]), row["version"])

    async def get(self, call: Call) -> Reply:
        """Answer one user."""
        row = found(
            await self.kit.read(call, queries.USER_ITEM, user=call.id()), errors.USER_NOT_FOUND
        )
        return self.kit.conditional(call, item(row["body"]), row["version"])

    async def patch(self, call: Call) -> Reply:
        """Apply a merge patch."""
        user_id, expected = call.id(), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            return tagged(
                *await change_user(
                    transaction,
                    call.principal,
                    user_id,
                    call.body,
                    context_of(call),
                    trail=trail_of(call),
                    expected=expected,
                )
            )

        return await self.kit.change(call, work)

    async def delete(self, call: Call) -> Reply:
        """Deactivate a user."""
        user_id, expected = self._target(call), expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            await deactivate_user(
                transaction,
                call.principal,
                user_id,
                context_of(call),
                trail=trail_of(call),
                expected=expected,
            )
            return empty()

        return await self._cut_off(call, work)

    async def sessions(self, call: Call) -> Reply:
        """Answer a page of a user's sessions."""
        query: SortQuery = call.query
        principal, user_id = call.principal, call.id()
        found(await self.kit.read(call, queries.USER_ITEM, user=user_id), errors.USER_NOT_FOUND)
        if user_id != principal.user_id and not principal.is_admin:
            raise ProblemError(errors.FORBIDDEN, "only an administrator may see another's sessions")
        # Where somebody works for others is not this workspace's to know.
        with_places = user_id == principal.user_id or not await belongs_elsewhere(
            self.kit.database, principal.workspace_id, user_id
        )
        current = principal.credential_id if principal.kind == "session" else None
        statement, values, sort = lists.prepare(queries.SESSIONS, query, {})
        values |= {"user": user_id, "current": current, "with_places": with_places}
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))

    async def end_all(self, call: Call) -> Reply:
        """End all sessions, of a member who belongs elsewhere too: they can log in again."""
        user_id = self._target(call)

        async def work(transaction: Transaction) -> Reply:
            await require_rank(transaction, call.principal, user_id)
            ended = await transaction.rows(queries.END_SESSIONS, user=user_id)
            if ended:
                await trail_of(call).record(
                    transaction, "session.revoked", ("user", user_id), sessions=len(ended)
                )
            return empty()

        return await self._cut_off(call, work)

    async def end_one(self, call: Call) -> Reply:
        """End one session."""
        user_id, session_id = self._target(call), call.id("session_id")

        async def work(transaction: Transaction) -> Reply:
            await require_authority(transaction, call.principal, user_id, context_of(call))
            await end_session(transaction, user_id, session_id)
            await trail_of(call).record(
                transaction, "session.revoked", ("session", session_id), userId=user_id
            )
            return empty()

        return await self._cut_off(call, work)

    @staticmethod
    def _target(call: Call) -> UUID:
        """Give the path's user. FORBIDDEN for oneself with a token of one workspace only.

        What ends sessions ends them everywhere.
        """
        user_id = call.id()
        if user_id == call.principal.user_id:
            require_roaming(call.principal)
        return user_id

    async def _cut_off(self, call: Call, work: Work) -> Reply:
        reply = await self.kit.change(call, work)
        # Other workers hear of it from the database; this one need not wait for that.
        self.authenticator.cache.forget()
        return reply
