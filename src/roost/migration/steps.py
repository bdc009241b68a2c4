"""Steps of a migration over HTTP: approve, resolve, cancel, undo."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Literal
from uuid import UUID

import msgspec

from roost import errors
from roost.migration.answering import ITEM, STEP, WRITE, Desk, request_print
from roost.migration.background import Begun
from roost.migration.model import Resolution
from roost.migration.once import Asked, Seal
from roost.migration.resolutions import Answer
from roost.migration.wire import KindName, Migration
from roost.web import body
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.reply import Reply
from roost.web.structs import Incoming

_LIMIT = 8 * 1024 * 1024


class ResolutionItem(Incoming):
    """What to do with one conflict (`id`), with those of a kind or key, or, without, with all."""

    resolution: Literal["skip", "overwrite", "merge", "keepBoth"]
    id: UUID | None = None
    kind: KindName | None = None
    key: str | None = None
    #: For a merge: whose value a field gets.
    fields: dict[str, Literal["existing", "incoming"]] = msgspec.field(default_factory=dict)


class Resolutions(Incoming):
    """Answers to conflicts; the most particular one counts."""

    resolutions: list[ResolutionItem]


class UndoOptions(Incoming):
    """`force`: take back also what somebody has changed since."""

    force: bool = False


_RESOLUTIONS = msgspec.json.Decoder(Resolutions)
_UNDO = msgspec.json.Decoder(UndoOptions)


class Steps:
    """The routes that move a migration on, or back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("POST", f"{ITEM}/apply", self.apply, Contract(
                "Carry out a plan", WRITE, returns=Migration, also=(202,), problems=STEP)),
            Endpoint("POST", f"{ITEM}/resolutions", self.resolve, Contract(
                "Say what to do with conflicts; when none is left open, it goes on", WRITE,
                described_body=Resolutions, returns=Migration, also=(202,), problems=STEP)),
            Endpoint("POST", f"{ITEM}/cancel", self.cancel, Contract(
                "Give up a migration that waits or runs, with what it has written taken back",
                WRITE, returns=Migration, also=(202,), problems=STEP)),
            Endpoint("POST", f"{ITEM}/undo", self.undo, Contract(
                "Take a migration back, or, when that was done, take the undo back; what somebody "
                "has changed since is kept and named", WRITE,
                described_body=UndoOptions, returns=Migration, also=(202,),
                problems=(*STEP, errors.MOMENT_NOT_KEPT))),
        ]  # fmt: skip

    async def apply(self, call: Call) -> Reply:
        """Carry out a plan."""
        whose = self._whose(call)

        async def run(seal: Seal, begun: Begun) -> None:
            await self._desk.migrations.approve(*whose, Asked(begun, seal))

        return await self._once(call, b"", run)

    async def resolve(self, call: Call) -> Reply:
        """Write answers down, and go on when nothing is left open."""
        raw = await self._desk.read(call, _LIMIT)
        given: Resolutions = body.decode(raw, _RESOLUTIONS)
        answers = [
            Answer(Resolution(each.resolution), each.id, each.kind, each.key, each.fields)
            for each in given.resolutions
        ]
        whose = self._whose(call)

        async def run(seal: Seal, begun: Begun) -> None:
            await self._desk.migrations.resolve(*whose, answers, Asked(begun, seal))

        return await self._once(call, raw, run)

    async def cancel(self, call: Call) -> Reply:
        """Give up a migration that waits or runs."""
        whose = self._whose(call)

        async def run(seal: Seal, begun: Begun) -> None:
            await self._desk.migrations.cancel(*whose, Asked(begun, seal))

        return await self._once(call, b"", run, 200)

    async def undo(self, call: Call) -> Reply:
        """Take it back, or take that back."""
        raw = (await self._desk.read(call, 1_000)).strip() or b"{}"
        given: UndoOptions = body.decode(raw, _UNDO)
        whose = self._whose(call)

        async def run(seal: Seal, begun: Begun) -> None:
            await self._desk.migrations.undo(*whose, force=given.force, asked=Asked(begun, seal))

        return await self._once(call, raw, run, 200)

    async def _once(
        self,
        call: Call,
        raw: bytes,
        run: Callable[[Seal, Begun], Coroutine[Any, Any, None]],
        status: int = 202,
    ) -> Reply:
        return await self._desk.once(
            call,
            request_print(call, raw),
            lambda seal: self._desk.carried_out(call, partial(run, seal)),
            status,
        )

    @staticmethod
    def _whose(call: Call) -> tuple[UUID, UUID, UUID]:
        principal: Any = call.principal
        return principal.workspace_id, principal.user_id, call.id()
