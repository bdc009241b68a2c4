"""The server's own trouble."""

from roost.errors.catalogue import entry as _entry

MCP_NOT_INSTALLED = _entry(
    "MCP_NOT_INSTALLED",
    501,
    "The MCP server is not installed",
    "Roost was installed without the packages that speak the Model Context Protocol.",
    "Install them on the server: `pip install 'roost[mcp]'`.",
)
DATABASE_UNAVAILABLE = _entry(
    "DATABASE_UNAVAILABLE",
    503,
    "The database cannot be reached",
    "The connection to PostgreSQL was lost or could not be had in time. A change whose commit was "
    "not confirmed may or may not have happened: repeat it with the same `Idempotency-Key`.",
    "Try again after the number of seconds in `Retry-After`.",
)
STORAGE_FULL = _entry(
    "STORAGE_FULL",
    507,
    "The database's disk is full",
    "PostgreSQL had no room to write, and the change was not made. A migration keeps what it has "
    "committed, stands where it is, and goes on by itself when there is room.",
    "Make room where PostgreSQL keeps its data, and send the request again with the same "
    "`Idempotency-Key`.",
)
SERVER_STOPPING = _entry(
    "SERVER_STOPPING",
    503,
    "The server is being stopped",
    "The server was stopped while the request was under way, and it took longer than "
    "`ROOST_SHUTDOWN_SECONDS`. Its change was made, or not: look, or repeat it with the same "
    "`Idempotency-Key`. A migration goes on at the next start.",
    "Try again after the number of seconds in `Retry-After`.",
)
QUERY_TIMEOUT = _entry(
    "QUERY_TIMEOUT",
    503,
    "The database took too long",
    "The statement ran into its time limit and was undone.",
    "Narrow the filters, or try again later.",
)
CONTENTION = _entry(
    "CONTENTION",
    503,
    "Too many changes at once",
    "Other transactions kept getting in the way; nothing was changed.",
    "Try again.",
)
INTERNAL_ERROR = _entry(
    "INTERNAL_ERROR",
    500,
    "Something went wrong on the server",
    "A fault of Roost's. The log has the details under the `requestId`.",
    "Please report it with the `requestId`.",
)
