"""Requests: read whole, or refused with what is wrong; whatever comes, never anything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.sync.offsets import BEFORE_ALL
from roost.sync.refusal import RefusalError
from roost.sync.request import LONGEST_WHERE, read_request, table_of

NAMES = st.sampled_from(
    ["table", "offset", "handle", "live", "live_sse", "cursor", "where", "columns", "replica",
     "log", "params[1]", "params[2]", "params[x]",
     "subset__where", "subset__limit", "subset__params",
     "subset__order_by", "subset__offset", "secret"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(), st.sampled_from(["-1", "now", "0_0", "true", "tasks", "1", "{}", '{"1":"x"}', "id"])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SUBSET_NAMES = st.sampled_from(["where", "params", "order_by", "limit", "offset", "subset"])


@contextmanager
def refusing() -> Iterator[None]:
    """Let it be refused, in the form of a refusal."""
    try:
        yield
    except RefusalError as error:
        if error.status != 400 or not msgspec.json.decode(error.body):
            raise


def refused(query: bytes, body: bytes | None = None) -> str:
    with pytest.raises(RefusalError) as caught:
        read_request(query, body)
    assert caught.value.status == 400
    return caught.value.body.decode()


@given(st.dictionaries(NAMES, VALUES), st.none() | st.dictionaries(SUBSET_NAMES, JSON | VALUES))
def test_any_request_is_read_or_refused_with_a_reason(
    fields: dict[str, str], document: dict[str, object] | None
) -> None:
    query = urlencode(fields, errors="surrogatepass").encode()
    body = None if document is None else msgspec.json.encode(document, enc_hook=repr)
    with refusing():
        request = read_request(query, body)
        assert request.table == table_of(query)
        assert not (request.live and request.offset == BEFORE_ALL)


@given(st.binary(), st.none() | st.binary())
def test_bytes_that_are_no_request_are_refused(query: bytes, body: bytes | None) -> None:
    with refusing():
        read_request(b"table=t&offset=-1&" + query, body)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("", "offset"),
        ("&offset=5", "offset"),
        ("&offset=0_0", "handle"),
        ("&offset=-1&live=true", "live"),
        ("&offset=now&live=true", "live"),
        ("&offset=0_0&handle=h&live_sse=true", "live_sse"),
        ("&offset=-1&replica=some", "replica"),
        ("&offset=-1&log=some", "log"),
        ("&offset=-1&params[x]=1", "params"),
        ("&offset=-1&params[2]=1", "params"),
        ("&offset=-1&params[%D9%A1]=1", "params"),
        ("&offset=-1&columns=id,", "columns"),
        ("&offset=-1&columns=(select 1)", "columns"),
        ("&offset=-1&where=" + quote("x" * (LONGEST_WHERE + 1)), "where"),
        ("&offset=-1&where=v%00", "where"),
        ("&offset=-1&subset__limit=5", "order_by"),
        ("&offset=-1&subset__limit=0&subset__order_by=id", "limit"),
        ("&offset=-1&subset__limit=x&subset__order_by=id", "limit"),
        ("&offset=-1&subset__offset=-1&subset__order_by=id", "offset"),
        ("&offset=-1&subset__limit=99999999999999999999&subset__order_by=id", "limit"),
        ("&offset=-1&subset__params=x", "params"),
        ("&offset=-1&subset__params=[]", "params"),
    ],
)
def test_what_is_wrong_is_named(more: str, field: str) -> None:
    assert f'"{field}":' in refused(f"table=plain{more}".encode())


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"1", b'{"subset":1}', b'{"where":1}',
                                  b'{"where":"a\\u0000"}', b'{"params":{"1":2}}', b'{"limit":true}',
                                  b'{"where":"\\ud800"}', b'{"params":{"1":"\\ud800"}}',
                                  b"[" * 100_000, b'{"a":' * 100_000])  # fmt: skip
def test_a_body_that_is_no_subset_is_refused(body: bytes) -> None:
    assert refused(b"table=plain&offset=-1", body)


def test_parameters_are_numbers_in_ascii_and_may_be_written_with_zeros() -> None:
    request = read_request(
        b"table=plain&offset=-1&where=n=$1&params[01]=a%26%27%00".replace(b"%00", b"")
    )
    assert request.params == {"1": "a&'"}


def test_of_a_field_that_is_given_twice_the_last_counts_for_who_may_and_for_what_is_read() -> None:
    query = b"table=plain&offset=-1&table=secrets"
    assert read_request(query).table == table_of(query) == ("public", "secrets")


def test_a_live_request_asks_for_its_table_as_any_other() -> None:
    assert table_of(b"table=plain&offset=0_0&handle=h&live=true") == ("public", "plain")


LONG = "1" * 5000


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (f"table=t&offset=-1&params[{LONG}]=x", None),
        (f"table=t&offset=-1&subset__limit={LONG}&subset__order_by=id", None),
        (f"table=t&offset=-1&subset__offset={LONG}&subset__order_by=id", None),
        (f"table=t&offset=-1&subset__params=%7B%22{LONG}%22:%22a%22%7D", None),
        ("table=t&offset=-1", f'{{"params":{{"{LONG}":"a"}}}}'),
    ],
)
def test_numbers_without_end_are_refused(query: str, body: str | None) -> None:
    refused(query.encode(), None if body is None else body.encode())
