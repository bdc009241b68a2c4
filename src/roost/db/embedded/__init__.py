"""A real PostgreSQL beside Roost: found, initialised, started, shared and stopped.

Standard library only, so that the keeper process can import it without site-packages.
"""

from roost.db.embedded.binaries import Binaries, find_binaries
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import default_data_dir, prepare_data_dir
from roost.db.embedded.server import EmbeddedServer, Endpoint

__all__ = [
    "Binaries",
    "EmbeddedError",
    "EmbeddedServer",
    "Endpoint",
    "default_data_dir",
    "find_binaries",
    "prepare_data_dir",
]
