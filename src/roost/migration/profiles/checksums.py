"""CRC-32C as LevelDB masks it, and the records of its logs that are whole."""

import struct
from typing import Final

import msgspec

_POLYNOMIAL: Final = 0x82F63B78
_MASK_DELTA: Final = 0xA282EAD8
_WORD: Final = 0xFFFFFFFF
_BLOCK: Final = 32_768
_HEADER: Final = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def _row(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE: Final = tuple(map(_row, range(256)))


def masked_crc(data: bytes) -> int:
    """The checksum that LevelDB stores with `data`."""
    crc, table = _WORD, _TABLE
    for octet in data:
        crc = table[(crc ^ octet) & 255] ^ (crc >> 8)
    crc ^= _WORD
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _WORD


class Sound(msgspec.Struct):
    """The whole entries at a log's beginning, and `length`, where the last of them ends.

    `damaged_at` is where something broken follows; a log that merely breaks off was being
    written when its browser ended, and `torn` says so.
    """

    entries: list[bytes] = msgspec.field(default_factory=list)
    length: int = 0
    torn: bool = False
    damaged_at: int | None = None


def sound_entries(data: bytes) -> Sound:
    """Read a log's entries as far as their checksums hold."""
    sound, parts, position = Sound(), list[bytes](), 0
    while position < len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER.size:
            position += left
            continue
        end = _end_of(data, position, left)
        if end is None:
            sound.torn = True
            return sound
        crc, length, kind = _HEADER.unpack_from(data, position)
        if kind == length == 0 and not any(data[position : position + left]):
            # Space that was set aside and never written.
            position += left
            continue
        if _is_broken(data, position, end, crc, kind, opened=bool(parts)) or end - position > left:
            sound.damaged_at = position
            return sound
        parts.append(data[position + _HEADER.size : end])
        position = end
        if kind in (_FULL, _LAST):
            sound.entries.append(b"".join(parts))
            sound.length = position
            parts = []
    sound.torn = bool(parts)
    return sound


def _end_of(data: bytes, position: int, left: int) -> int | None:
    """Where the record at `position` ends; None when the log ends before."""
    if position + _HEADER.size > len(data):
        return None
    length = _HEADER.unpack_from(data, position)[1]
    end = position + _HEADER.size + int(length)
    if end > len(data) and len(data) - position <= left:
        return None
    return end


def _is_broken(  # noqa: PLR0913 -- a record's parts
    data: bytes, position: int, end: int, crc: int, kind: int, *, opened: bool
) -> bool:
    if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or opened is (kind in (_FULL, _FIRST)):
        return True
    # The checksum is of the kind's byte too, the last of the header.
    return crc != masked_crc(data[position + _HEADER.size - 1 : end])
