"""A change of one run: in which transaction, where, and by whom."""

from dataclasses import dataclass
from uuid import UUID

from roost.db.pool import Transaction
from roost.web.endpoint import Call


@dataclass(frozen=True, slots=True)
class Work:
    """What every use case on a run is given."""

    transaction: Transaction
    workspace_id: UUID
    user_id: UUID
    execution_id: UUID

    @classmethod
    def of(cls, call: Call, transaction: Transaction) -> "Work":
        """Take them from a request for the run that its path names."""
        principal = call.principal
        return cls(transaction, principal.workspace_id, principal.user_id, call.id())

    @property
    def place(self) -> dict[str, UUID]:
        """The values of the places that name the run in statements."""
        return {"workspace": self.workspace_id, "execution": self.execution_id}
