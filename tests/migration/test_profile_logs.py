"""Chromium's log files: read up to where they break off, and no flipped bit taken for content."""

from hypothesis import given
from hypothesis import strategies as st

from roost.migration.profiles.checksums import masked_crc, sound_entries


def framed(*entries: bytes) -> bytes:
    """Entries as LevelDB writes them to a log: in blocks of 32 KiB, with checksums."""
    log = bytearray()
    for entry in entries:
        first, rest = True, entry
        while first or rest:
            left = 32_768 - len(log) % 32_768
            if left < 7:
                log += bytes(left)
                left = 32_768
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = bytes([{(1, 0): 1, (1, 1): 2, (0, 1): 3, (0, 0): 4}[first, bool(rest)]])
            log += masked_crc(kind + part).to_bytes(4, "little")
            log += len(part).to_bytes(2, "little") + kind + part
            first = False
    return bytes(log)


def test_the_checksum_is_the_one_of_the_standard() -> None:
    # RFC 3720, B.4: 32 bytes of zeros have 0x8A9136AA, which LevelDB rotates and shifts.
    assert masked_crc(bytes(32)) == (((0x8A9136AA >> 15) | (0x8A9136AA << 17)) + 0xA282EAD8) % 2**32


def test_a_log_is_read_up_to_where_it_breaks_off() -> None:
    entries = [bytes([number]) * size for number, size in enumerate((0, 5, 40_000, 32_700, 9, 0))]
    log = framed(*entries)
    whole = sound_entries(log)
    assert (whole.entries, whole.length, whole.torn) == (entries, len(log), False)
    ends = [len(framed(*entries[:count])) for count in range(len(entries) + 1)]
    for cut in sorted({*range(0, len(log), 997), *ends, *(end + 3 for end in ends[:-1])}):
        sound = sound_entries(log[:cut])
        assert sound.damaged_at is None
        count = max(number for number, end in enumerate(ends) if end <= cut)
        assert sound.entries == entries[:count], cut


def test_space_that_was_set_aside_is_no_damage() -> None:
    log = framed(b"one")
    padded = sound_entries(log + bytes(70_000))
    assert (padded.entries, padded.damaged_at, padded.torn) == ([b"one"], None, False)


@given(st.binary(max_size=200), st.data())
def test_no_flipped_bit_in_a_log_is_taken_for_content(entry: bytes, data: st.DataObject) -> None:
    log = bytearray(framed(b"before", entry, b"after"))
    log[data.draw(st.integers(0, len(log) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    sound = sound_entries(bytes(log))
    assert sound.damaged_at is not None or sound.torn
    assert sound.entries == [b"before", entry, b"after"][: len(sound.entries)]
