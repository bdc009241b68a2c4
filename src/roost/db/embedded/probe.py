"""Whether a server answers on its socket, asked in PostgreSQL's own protocol."""

import contextlib
import enum
import os
import socket
import struct
import sys
from pathlib import Path

from roost.db.embedded.errors import EmbeddedError

_TIMEOUT_SECONDS = 5.0
_PROTOCOL_3 = 196608
_PARAMETERS = b"user\0postgres\0database\0postgres\0application_name\0roost probe\0\0"
_STARTUP = struct.pack("!ii", 8 + len(_PARAMETERS), _PROTOCOL_3) + _PARAMETERS
_TERMINATE = b"X\0\0\0\4"
_HEADER_BYTES = 5
_CANNOT_CONNECT_NOW = b"57P03"


class Answer(enum.Enum):
    """What the socket says."""

    SILENT = "nobody listens"
    STARTING = "a server listens and is not ready, for example because it recovers"
    READY = "a server accepts connections"


def probe(path: Path, server_uid: int) -> Answer:
    """Ask the server at a socket whether it accepts connections.

    Raises EmbeddedError when the socket belongs to another user than `server_uid`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return Answer.SILENT
        except (BlockingIOError, TimeoutError):
            return Answer.STARTING
        _check_peer(connection, path, server_uid)
        try:
            connection.sendall(_STARTUP)
            return _read_answer(connection)
        except OSError:
            return Answer.STARTING


def _check_peer(connection: socket.socket, path: Path, server_uid: int) -> None:
    if sys.platform != "linux":
        return
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, uid, _ = struct.unpack("3i", credentials)
    if uid != server_uid:
        msg = (
            f"The socket {path} belongs to a process of user {uid}, not of user {server_uid} who "
            f"runs this database. Find out who put it there, then remove it."
        )
        raise EmbeddedError(msg)


def _read_answer(connection: socket.socket) -> Answer:
    with connection.makefile("rb") as stream:
        header = stream.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return Answer.STARTING
        kind, length = struct.unpack("!ci", header)
        body = stream.read(max(0, length - 4))
    if kind != b"E":
        with contextlib.suppress(OSError):
            connection.sendall(_TERMINATE)
        return Answer.READY
    # Any other refusal, say of one connection too many, comes from a server that is up.
    fields = {field[:1]: field[1:] for field in body.split(b"\0")}
    return Answer.STARTING if fields.get(b"C") == _CANNOT_CONNECT_NOW else Answer.READY
