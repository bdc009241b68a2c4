import codecs
import json
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.migration import octets
from roost.migration.octets import PART, contains, equal, stripped, surrogates_kept, unescaped, utf8
from roost.migration.reader import STRING, is_plain, read_string
from roost.migration.salvage import split
from roost.migration.sources import Dump, SourceError, read_dump
from roost.migration.text import may_be_mojibake, secret_patterns
from tests.migration.parsing import NOW

ATOMS: Final = st.sampled_from(
    [
        *(b"a", b"deadbeef", b" ", b"\\n", b"\\\\", b'\\"', b"\\/", b"\\u0000", b"\\u00e9"),
        *(b"\\ud83d\\ude00", b"\\ud83d", b"\\ude00", b"\\uD800", b"\\uDFFF", b"\\\\u00e9"),
        *("é".encode(), "模".encode(), "😀".encode(), "\ud7ff".encode(), b"\x01", b"\n"),
        *(b"\xed\xa0\xbd", b"\xed\xb8\x80", b'{\\"a\\":1}', b"\\\\" * 9, b"\\t" * 9),
    ]
)
BROKEN: Final = st.sampled_from([b"\\x", b"\\u12", b"\\uZZZZ", b"\\"])
LITERALS: Final = st.lists(ATOMS, max_size=60).map(lambda atoms: b'"%s"' % b"".join(atoms))
MAYBE: Final = st.lists(ATOMS | BROKEN, max_size=30).map(lambda atoms: b'"%s"' % b"".join(atoms))
SPACES: Final = st.sampled_from([b"", b"", b" ", b"\n\t "])
NAMES: Final = st.sampled_from([b'"a"', b'"b"', b'"\\u0061"', b'"\\u001F"', '"é"'.encode()])
VALUES: Final = MAYBE | LITERALS | st.sampled_from([b"1", b"null", b"{}", b'["x"]'])


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[bytes] = VALUES) -> bytes:
    """An object's JSON text, tight or with white space, perhaps with a name twice."""
    space = draw(SPACES)
    members = draw(st.lists(st.tuples(NAMES, values), max_size=4))
    inside = (space + b"," + space).join(
        name + space + b":" + space + value for name, value in members
    )
    return space + b"{" + space + inside + space + b"}" + space


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file of any known form, sound or damaged, in any encoding."""
    form = draw(
        st.sampled_from(
            [
                b"%s",
                b'{"origin":"http://a.example","keys":%s}',
                b'{"keys" : %s , "capturedAt" : 1}',
                b'{"localStorage":[{"name":"a","value":"b"}, %s]}',
                b'{"cookies":[],"origins":[{"origin":"http://a.example","localStorage":%s}]}',
                b'{"origins":[{"origin":"http://a.example","localStorage":[%s]}]}',
            ]
        )
    )
    pair = LITERALS.map(lambda value: b'{"name":"c","value":%s}' % value)
    content = form.replace(b"%s", draw(objects() | pair))
    mark = draw(st.sampled_from([b"", b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE]))
    if mark == codecs.BOM_UTF16_LE:
        text = content.decode("utf-8", "surrogatepass")
        content = text.encode("utf-16-le", "surrogatepass")
    # Damaged in the encoding that it has: a file may end within a character.
    if draw(st.integers(0, 9)) == 0:
        content = content[: draw(st.integers(0, len(content)))]
    return mark + content


def outcome(content: bytes | bytearray, *, keep: bool = True) -> Dump | tuple[str, str]:
    try:
        dump = read_dump(content, now=NOW, keep=keep)
    except SourceError as error:
        return error.message, error.hint
    dump.keys = {key: bytes(raw) for key, raw in dump.keys.items()}
    return dump


@settings(max_examples=500, deadline=None)
@given((LITERALS | MAYBE).filter(STRING.fullmatch), st.integers(16, 40))
def test_a_text_in_parts_is_the_text(literal: bytes, size: int) -> None:
    for encode in (utf8, surrogates_kept):
        expected: bytes | None
        try:
            expected = encode(read_string(literal))
        except ValueError:
            expected = None
        found: bytes | None
        try:
            found = b"".join(unescaped(memoryview(literal), read_string, encode, size))
        except ValueError:
            found = None
        assert found == expected


@settings(max_examples=300, deadline=None)
@given(LITERALS)
def test_a_text_may_take_the_place_of_its_literal(literal: bytes) -> None:
    place = memoryview(bytearray(literal))
    text = octets.unescape(place, read_string, place)
    assert text == utf8(read_string(literal))


@pytest.mark.parametrize("cut", range(1, 14))
@pytest.mark.parametrize(
    "odd", [b"\\ud83d\\ude00", "😀".encode(), b"\\\\\\n", b"\xed\xa0\xbd\\ude00"]
)
def test_a_long_text_is_cut_nowhere_inside_a_character(cut: int, odd: bytes) -> None:
    literal = b'"' + b"x" * (PART - cut) + odd + b'y"'
    assert b"".join(unescaped(memoryview(literal), read_string)) == utf8(read_string(literal))


def test_a_text_full_of_escapes_is_read_in_small_parts() -> None:
    literal = b'"%s"' % (b'\\"a\\":1,' * 10_000)
    parts = list(unescaped(memoryview(literal), read_string, size=1000))
    assert max(len(part) for part in parts) < 1000
    assert b"".join(parts) == b'"a":1,' * 10_000


@settings(max_examples=500, deadline=None)
@given(files())
def test_a_dump_that_is_read_in_place_is_the_same(content: bytes) -> None:
    assert outcome(bytearray(content)) == outcome(content)


@settings(max_examples=300, deadline=None)
@given(files())
def test_a_dump_that_is_only_checked_is_refused_for_the_same_reason(content: bytes) -> None:
    expected = outcome(content)
    if isinstance(expected, Dump):
        expected.keys = dict.fromkeys(expected.keys, b"")
    assert outcome(content, keep=False) == expected


@settings(max_examples=300, deadline=None)
@given(objects(LITERALS))
def test_members_are_found_where_they_stand(text: bytes) -> None:
    taken = split(text)
    assert (taken.form, taken.rest) == ("object", None)
    pairs = json.loads(
        text.decode("utf-8", "surrogatepass"), strict=False, object_pairs_hook=lambda pairs: pairs
    )
    assert [entry.name for entry in taken.entries] == [name for name, _ in pairs]
    for entry, (_, value) in zip(taken.entries, pairs, strict=True):
        raw = bytes(entry.raw)
        assert text[entry.offset : entry.offset + len(raw)] == raw
        assert read_string(raw) == value


@settings(max_examples=200, deadline=None)
@given(st.lists(LITERALS | st.sampled_from([b"1", b"[1, 2]", b'{"a" : 1}']), max_size=5), SPACES)
def test_elements_are_found_where_they_stand(elements: list[bytes], space: bytes) -> None:
    text = b"%s[%s%s%s]%s" % (
        space,
        space,
        (space + b"," + space).join(elements),
        space,
        space,
    )
    taken = split(text)
    assert [bytes(entry.raw) for entry in taken.entries] == elements
    for entry in taken.entries:
        raw = bytes(entry.raw)
        assert text[entry.offset : entry.offset + len(raw)] == raw


MARKS: Final = [
    *(b"\\u0000", b"1234567890123456", b"github_pat_", b"ghs_", b"sk-", b"eyJ", b"-----BEGIN "),
    *("Ã©".encode(), "â".encode()),
]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_found_across_the_border_of_two_parts(mark: bytes) -> None:
    for before in range(len(mark) + 1):
        large = memoryview(b"." * (PART - before) + mark + b"..")
        small = b"." + mark + b".."
        assert contains(large, mark)
        assert is_plain(large) == is_plain(small)
        assert secret_patterns(large) == secret_patterns(small)
        assert may_be_mojibake(large) == may_be_mojibake(small)


def test_white_space_around_is_left_out_however_long() -> None:
    spaces = b" \n" * 10_000
    assert stripped(memoryview(spaces + b"null" + spaces)) == b"null"
    assert stripped(memoryview(spaces)) == b""
    assert stripped(b" x" * 100) is None


def test_equal_bytes_are_equal_wherever_they_lie() -> None:
    large = b"x" * (PART + 5)
    assert equal(memoryview(large), bytearray(large))
    assert not equal(large, large[:-1] + b"y")
    assert not equal(large, large[:-1])
