"""What a browser sends along: its cookies, and the origin of the page that asks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import errors
from roost.errors import ProblemError
from roost.web.endpoint import session_cookie
from roost.web.gate import Gate

OURS = "roost_session=secret"


def _scope(*cookies: str, scheme: str = "http", **headers: str) -> dict[str, Any]:
    pairs = [("cookie", cookie) for cookie in cookies] + list(headers.items())
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return {"scheme": scheme, "headers": encoded}


@pytest.mark.parametrize(
    "neighbour",
    ['prefs={"a":1}', "\u00fcber=1", 'open="x', "x", "", "=", "a=b=c", "xroost_session=1", "e[]=@"],
)
def test_an_odd_neighbour_costs_nobody_their_session(neighbour: str) -> None:
    assert session_cookie(_scope(f"{neighbour}; {OURS}")) == "secret"
    assert session_cookie(_scope(f"{OURS};{neighbour}")) == "secret"
    assert session_cookie(_scope(neighbour, OURS)) == "secret"
    assert session_cookie(_scope(neighbour)) is None


def test_the_first_of_two_sessions_counts() -> None:
    assert session_cookie(_scope(f"{OURS}; roost_session=other")) == "secret"
    assert session_cookie(_scope("Roost_Session=x; roost_session")) is None


@given(st.text(st.characters(max_codepoint=255, exclude_characters=";")))
def test_no_neighbour_at_all_hides_the_session(neighbour: str) -> None:
    found = session_cookie(_scope(f"{neighbour}; {OURS}"))
    if neighbour.partition("=")[0].strip(" \t") != "roost_session":
        assert found == "secret"


class _Nobody:
    """Knows no credential."""

    async def authenticate(self, *_: str | None) -> None:
        """Find nobody."""


def _is_own(origin: str | None, public: str | None = None, scheme: str = "http") -> bool:
    headers = {"host": "Roost.test:8787"} | ({"origin": origin} if origin else {})
    try:
        Gate(_Nobody(), 0, public).require_same_origin(_scope(scheme=scheme, **headers))
    except ProblemError as problem:
        return problem.entry is not errors.ORIGIN_REFUSED
    return True


def test_without_a_public_address_the_requests_own_scheme_and_host_count() -> None:
    assert _is_own("http://roost.TEST:8787")
    assert _is_own("https://roost.test:8787", scheme="https")
    for other in ("https://roost.test:8787", "http://roost.test", "http://evil.test", "null", None):
        assert not _is_own(other), other


def test_with_a_public_address_it_alone_counts() -> None:
    for public in (
        "https://Roost.example",
        "https://roost.example:443/",
        "https://roost.example/x",
    ):
        assert _is_own("https://roost.example", public)
        for other in ("http://roost.test:8787", "http://roost.example", "https://roost.example:8"):
            assert not _is_own(other, public), other
    assert _is_own("http://[::1]:8787", "http://[::1]:8787")
