"""What the database layer raises beside PostgreSQL's own errors."""


class DatabaseError(Exception):
    """The base of this room's errors; its message says what to do."""


class UnavailableError(DatabaseError):
    """No connection could be had in time, or it was lost."""


class OutcomeUnknownError(UnavailableError):
    """The connection was lost while a commit was under way: it may or may not have happened."""


class ContentionError(DatabaseError):
    """Serialization failures or deadlocks came back at every try; nothing was changed."""


class RoleError(DatabaseError):
    """The role of the database URL can't be used safely."""


class SchemaError(DatabaseError):
    """The database's schema revision does not fit this code."""
