"""Migrations over HTTP: begun and looked at."""

import asyncio
from dataclasses import dataclass

from roost import errors
from roost.db.sealing import SecretBox
from roost.errors import ProblemError
from roost.migration import queries
from roost.migration.answering import ALL, ITEM, READ, UNKNOWN, WRITE, Desk, request_print
from roost.migration.background import Background, Begun
from roost.migration.downloads import Downloads
from roost.migration.kept import Documents
from roost.migration.once import Asked, Seal
from roost.migration.request import read_start
from roost.migration.service import Migrations
from roost.migration.shown import shown_json
from roost.migration.steps import Steps
from roost.migration.watching import watching
from roost.migration.wire import (
    ItemQuery,
    Migration,
    MigrationItem,
    MigrationStart,
    Overview,
)
from roost.web import lists
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.kit import Kit, found
from roost.web.paging import PageQuery
from roost.web.reply import Reply, item

DUMP_SECONDS = 600.0
"""How long a dump may take to arrive, in all."""


@dataclass(frozen=True, slots=True)
class MigrationRoutes:
    """The routes of this room. `dump_limit` is the largest dump, in bytes."""

    kit: Kit
    box: SecretBox
    dump_limit: int
    background: Background | None = None

    @property
    def desk(self) -> Desk:
        """What the routes are given."""
        return Desk(self.kit, self.box, self.background or Background())

    @property
    def migrations(self) -> Migrations:
        """What carries them out."""
        return self.desk.migrations

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        desk = self.desk
        return [
            Endpoint("GET", ALL, self.overview, Contract(
                "Say what was migrated, what is running, and whether one may start", READ,
                query=PageQuery, returns=Overview, paged_within=True)),
            Endpoint("POST", ALL, Beginning(desk, self.dump_limit).start, Contract(
                "Migrate a browser's localStorage", WRITE, described_body=MigrationStart,
                returns=Migration, status=201, also=(202,),
                problems=(errors.MIGRATION_IN_PROGRESS, errors.MIGRATION_SOURCE,
                          errors.MALFORMED_BODY, errors.UNSUPPORTED_MEDIA_TYPE,
                          errors.BODY_TOO_LARGE, errors.REQUEST_TIMEOUT,
                          errors.IDEMPOTENCY_KEY_REUSED))),
            Endpoint("GET", ITEM, self.get, Contract(
                "Read a migration", READ, returns=Migration, problems=UNKNOWN)),
            Endpoint("GET", f"{ITEM}/items", self.items, Contract(
                "Read a migration's verdicts, item by item", READ, query=ItemQuery,
                returns=MigrationItem, paged=True, problems=UNKNOWN)),
            *watching(desk),
            *Steps(desk).endpoints(),
            *Downloads(desk).endpoints(),
            *Documents(self.kit).endpoints(),
        ]  # fmt: skip

    async def overview(self, call: Call) -> Reply:
        """Answer the caller's migrations, a page of them, and whether another may start."""
        query: PageQuery = call.query
        statement, values, sort = lists.prepare(queries.OVERVIEW, query, {})
        row = await self.kit.read(call, statement, **values)
        running = row["running"]
        # Who undoes a migration has the claim, and no migration runs.
        may_start = "false" if running or row["is_claimed"] else "true"
        shown = (
            f'{{"migrations":{row["items"]},"running":{running or "null"},"mayStart":{may_start}}}'
        )
        return self.kit.conditional(call, lists.answer(query, sort, row, items=shown))

    async def get(self, call: Call) -> Reply:
        """Answer one migration."""
        row = await self.kit.read(call, queries.ITEM, migration=call.id())
        found(row, errors.MIGRATION_NOT_FOUND)
        return self.kit.conditional(call, item(row["body"]), row["version"])

    async def items(self, call: Call) -> Reply:
        """Answer a page of verdicts."""
        query: ItemQuery = call.query
        given = {
            "migration": call.id(),
            "verdict": query.verdict or None,
            "kind": query.kind or None,
            "key": query.key or None,
        }
        statement, values, sort = lists.prepare(queries.ITEMS, query, given)
        row = await self.kit.read(call, statement, **values)
        if row["migration"] is None:
            raise ProblemError(errors.MIGRATION_NOT_FOUND)
        items = shown_json(row["items"])
        return self.kit.conditional(call, lists.answer(query, sort, row, items=items))


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a migration is begun: its dump comes, is kept, and is carried out."""

    desk: Desk
    limit: int

    async def start(self, call: Call) -> Reply:
        """Receive a dump and migrate it."""
        held = [await self.desk.read(call, self.limit, DUMP_SECONDS)]
        print_ = request_print(call, held[0])

        async def work(seal: Seal) -> Reply:
            # Not kept any longer than it takes: it may be large.
            start = await asyncio.to_thread(read_start, held.pop())
            principal = call.principal

            async def run(begun: Begun) -> None:
                await self.desk.migrations.start(
                    principal.workspace_id,
                    principal.user_id,
                    start.received,
                    start.config,
                    asked=Asked(begun, seal),
                )

            return await self.desk.carried_out(call, run, 201)

        return await self.desk.once(call, print_, work)
