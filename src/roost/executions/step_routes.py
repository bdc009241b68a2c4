"""The steps of executions over HTTP: recorded, listed, and the state after any of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.executions import step_queries
from roost.executions.model import (
    MOST_STEPS,
    STATE_LIMIT,
    State,
    StateQuery,
    Step,
    StepBatch,
    StepCreate,
    StepQuery,
    StepWithState,
)
from roost.executions.recording import New, record_steps
from roost.executions.states import Known, fold_beside
from roost.executions.values import NULL
from roost.executions.work import Work
from roost.tasks.service import in_range
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit, found
from roost.web.query import invalid
from roost.web.reply import Reply, encoded, item
from roost.web.shown import Shown

_READ: Final = "executions:read"
_WRITE: Final = "executions:write"
_STEPS: Final = f"{API}/executions/{{id:str}}/steps"
_TABLES: Final = frozenset({"executions", "steps"})
_BODY_LIMIT: Final = 2 * STATE_LIMIT
_BATCH_LIMIT: Final = 16 * STATE_LIMIT
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_RECORD: Final = (
    errors.EXECUTION_NOT_FOUND,
    errors.EXECUTION_ENDED,
    errors.LEASE_EXPIRED,
    errors.NOT_THE_CLAIMANT,
    errors.TASK_NOT_CLAIMABLE,
    errors.CLIENT_KEY_REUSED,
    errors.STATE_TOO_LARGE,
)
_MISSING: Final = (errors.EXECUTION_NOT_FOUND, errors.STEP_NOT_FOUND)


@dataclass(frozen=True, slots=True)
class StepRoutes:
    """The routes of steps. `known` are the states that this worker has seen last."""

    kit: Kit
    known: Known

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _STEPS, self.list, Contract(
                "List an execution's steps, in order", _READ, query=StepQuery, returns=Step,
                paged=True, problems=(errors.EXECUTION_NOT_FOUND,))),
            Endpoint("POST", _STEPS, self.record, Contract(
                "Record a step", _WRITE, body=StepCreate, returns=Step, status=201,
                body_limit=_BODY_LIMIT, problems=_RECORD)),
            Endpoint("POST", f"{_STEPS}/batch", self.record_batch, Contract(
                f"Record up to {MOST_STEPS} steps, all or none", _WRITE, body=StepBatch,
                returns=Step, listed=True, status=201, body_limit=_BATCH_LIMIT, problems=_RECORD)),
            Endpoint("GET", f"{_STEPS}/{{number:str}}", self.get, Contract(
                "Read a step, with the state after it", _READ, returns=StepWithState,
                problems=_MISSING)),
            Endpoint("GET", f"{API}/executions/{{id:str}}/state", self.state, Contract(
                "Read an execution's state after a step, or at a time", _READ, query=StateQuery,
                returns=State, problems=_MISSING)),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of steps."""
        query: StepQuery = call.query
        given = {"type": query.type, "checkpoint": query.checkpoint}
        statement, values, sort = lists.prepare(step_queries.STEPS, query, given)
        execution_id = call.id()

        async def read() -> Shown:
            row = await self.kit.read(call, statement, execution=execution_id, **values)
            if row["execution"] is None:
                raise ProblemError(errors.EXECUTION_NOT_FOUND)
            return Shown.of(lists.answer(query, sort, row))

        return await self.kit.kept(call, _TABLES, read, shared=True)

    async def record(self, call: Call) -> Reply:
        """Add a step."""
        return await self._record(call, [New.read(call.body)], alone=True)

    async def record_batch(self, call: Call) -> Reply:
        """Add steps."""
        steps: Sequence[StepCreate] = call.body.steps
        news = [New.read(step, f"steps[{index}].") for index, step in enumerate(steps)]
        return await self._record(call, news, alone=False)

    async def _record(self, call: Call, news: Sequence[New], *, alone: bool) -> Reply:
        async def work(transaction: Transaction) -> Reply:
            bodies = await record_steps(Work.of(call, transaction), news, self.known)
            return item(bodies[0] if alone else f"[{','.join(bodies)}]", 201)

        return await self.kit.change(call, work)

    async def get(self, call: Call) -> Reply:
        """Answer a step with its state."""
        row = await self._row(call, "number", number=step_number(call))
        if row["number"] is None:
            raise ProblemError(errors.STEP_NOT_FOUND)
        reply = item(step_with_state(row["body"], await fold_beside(row["pieces"])))
        return self.kit.conditional(call, reply)

    async def state(self, call: Call) -> Reply:
        """Answer a state."""
        query: StateQuery = call.query
        if query.step is not None and query.at is not None:
            raise invalid("at", "can't go with step", "conflict")
        if query.step is not None:
            row = await self._row(call, "number", number=query.step)
            if row["number"] is None:
                raise ProblemError(errors.STEP_NOT_FOUND)
        elif query.at is not None:
            row = await self._row(call, "at", at=in_range("at", query.at))
        else:
            row = await self._row(call, "last")
        state = await fold_beside(row["pieces"])
        shown = {
            "step": row["number"] or 0,
            "at": row["at"],
            "state": msgspec.Raw(state or NULL),
            "stateHash": row["state_hash"],
        }
        return self.kit.conditional(call, encoded(shown))

    async def _row(self, call: Call, by: str, **places: object) -> Any:  # noqa: ANN401 -- a record
        statement = step_queries.STATE[by]
        row = await self.kit.read(call, statement, execution=call.id(), **places)
        return found(row, errors.EXECUTION_NOT_FOUND)


def step_number(call: Call) -> int:
    """Read the step's number in the path; STEP_NOT_FOUND when there can be none such."""
    text = call.request.path_params["number"]
    if not _NUMBER.fullmatch(text):
        raise ProblemError(errors.STEP_NOT_FOUND, "steps are numbered 1, 2, 3 and so on")
    return int(text)


def step_with_state(step: str, state: bytes | None) -> str:
    """Add the state to a step's JSON."""
    return f'{step[:-1]},"state":{(state or NULL).decode()}}}'
