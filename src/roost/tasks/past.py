"""Tasks and conversations as they were at a moment."""

from dataclasses import replace
from typing import Final

from sqlalchemy import select

from roost.db.keyset import Ordering
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.environments.tables import environments
from roost.history.kinds import Kind, Reference
from roost.history.states import BY_ID, Keys, past, states
from roost.identity.tables import memberships
from roost.tasks import queries
from roost.tasks.messages import CONVERSATION, message_json
from roost.tasks.tables import messages, tasks
from roost.web.lists import Listing

_UNSEARCHED: Final = ("search",)
_m: Final = messages.c
TASKS: Final = replace(
    queries.TASKS, name="tasks.past", ctes=(past(), states(tasks, exclude=_UNSEARCHED))
)
SEARCHED: Final = replace(queries.TASKS, name="tasks.past", ctes=(past(), states(tasks)))
"""The same with what searches need, which is made for each row."""
_one: Final = states(tasks, BY_ID, exclude=_UNSEARCHED)
TASK: Final = tenant_read("select tasks.past", queries.ITEM, ctes=(past(), _one))
"""Places: `task`, `of_id` with it, and those of the moment."""
CONVERSATION_THEN: Final = replace(
    CONVERSATION,
    name="messages.past",
    ctes=(past(), _one, states(messages, Keys(only="task_id"))),
)
"""Places further to those of the list: `of_id` and `of_task_id` with the task, and the moment's."""

TASK_KIND: Final = Kind(
    name="tasks",
    table=tasks,
    as_text=queries.task_json,
    listing=replace(TASKS, default="createdAt"),
    references=(
        Reference("environment_id", environments),
        Reference("assignee_id", memberships, "user_id"),
    ),
)
MESSAGE_KIND: Final = Kind(
    name="messages",
    table=messages,
    as_text=message_json,
    listing=Listing(
        name="messages.then",
        rows=select().select_from(messages).where(_m.workspace_id == TENANT_ID),
        fields=CONVERSATION.fields,
        unique=_m.id,
        orderings={"createdAt": Ordering(_m.created_at)},
        default="createdAt",
        as_text=message_json,
        ctes=(past(), states(messages)),
    ),
    references=(Reference("task_id", tasks, required=True),),
    place=("task_id", "position"),
)
