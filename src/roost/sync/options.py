"""How a server of shapes behaves; times in seconds, sizes in bytes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SyncOptions:
    """The defaults are the protocol's own."""

    chunk_bytes: int = 10 * 1024 * 1024
    """From here on a part of a snapshot or of the log is full."""
    long_poll: float = 20.0
    """How long a live request waits for news."""
    sse: float = 60.0
    """How long an event stream stays open."""
    keep_alive: float = 21.0
    """Silence after which an event stream says that it is alive."""
    max_age: int = 60
    stale_age: int = 300
    """What caches are told of the log."""
    allow_delete: bool = False
    """Whether clients may drop shapes; for development and tests."""
    renew_after: float = 60.0
    """The age from which on a snapshot that has been changed since is not given out any more."""
    kept_bytes: int = 64 * 1024 * 1024
    """Snapshots and log entries that are kept in memory, in all."""
    max_shapes: int = 10_000
    """Shapes that a worker knows at a time; the one that was unused for longest goes first."""
    look_every: float = 2.0
    """Seconds between two looks at the definitions of tables; 0: at every change of anything."""
    statement_timeout: float = 30.0
    """What one statement may take; a condition that takes longer is refused. 0: any time."""
    max_cost: float = 10_000_000.0
    """What a condition may cost by the planner's estimate, in its units; 0: anything."""
    shared: bool = True
    """Whether caches between here and the clients may keep answers for all of them."""
