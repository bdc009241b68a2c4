"""The pop-up window: who may ask, what the person sees, and who is told what."""

import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import pytest

from roost.migration.connect_pages import CONNECT
from tests.isolation.cast import Cast, Headers, make_cast
from tests.isolation.served import ORIGIN, Answer, Served, serving_in_process

PAGE = "http://localhost:3000"
STATE = "f3c8-state_of.the~page"
BROWSER = {"accept": "text/html"}
OURS = BROWSER | {"origin": ORIGIN}


@dataclass
class Window:
    """The pop-up window of somebody in a cast."""

    served: Served
    cast: Cast

    async def open(self, headers: Headers | None = None, **query: str) -> Answer:
        """Open it as a page does."""
        asked = {"origin": PAGE, "state": STATE} | query
        return await self.served.ask(
            "GET", f"{CONNECT}?{urlencode(asked)}", BROWSER | (headers or {})
        )

    async def press(self, path: str, headers: Headers) -> Answer:
        """Send the form."""
        return await self.served.ask("POST", path, headers)

    async def tokens(self) -> list[Any]:
        """Read the tokens that were made in it."""
        found: list[Any] = await self.cast.connection.fetch(
            "select * from access_tokens where workspace_id = $1 and name like 'Migration from %'"
            " order by id",
            self.cast.workspace,
        )
        return found


@pytest.fixture
async def window(roost_database: str) -> AsyncIterator[Window]:
    """A server with a workspace, and somebody of each role in it."""
    connection = await asyncpg.connect(roost_database)
    async with serving_in_process(roost_database) as served:
        yield Window(served, await make_cast(connection, "the cast"))
    await connection.close()


def _text(answer: Answer) -> str:
    return answer.body.decode()


def _header(answer: Answer, name: str) -> str:
    return dict(answer.headers)[name.encode()].decode()


def _left(answer: Answer) -> int:
    """Give how many more tokens may be made now."""
    found = re.fullmatch(r'"tokens";r=(\d+);t=\d+', _header(answer, "ratelimit"))
    assert found
    return int(found[1])


def _form(answer: Answer) -> str:
    found = re.search(r'<form method="post" action="([^"]+)">', _text(answer))
    assert found, _text(answer)
    return html.unescape(found[1])


def _told(answer: Answer) -> tuple[str, dict[str, Any]]:
    """Give to which origin something is told, and what."""
    found = re.search(r'data-origin="([^"]+)" data-message="([^"]+)"', _text(answer))
    assert found, _text(answer)
    return html.unescape(found[1]), json.loads(html.unescape(found[2]))


async def test_who_is_not_logged_in_is_led_there_and_back(window: Window) -> None:
    answer = await window.open()
    assert answer.status == 303
    target = urlsplit(_header(answer, "location"))
    assert target.path == "/login"
    [way] = parse_qs(target.query)["returnTo"]
    assert parse_qs(urlsplit(way).query) == {"origin": [PAGE], "state": [STATE]}
    login = await window.served.ask("GET", _header(answer, "location"), BROWSER)
    assert login.status == 200
    assert html.escape(way) in _text(login)
    session = await window.cast.session(window.cast.users["member"])
    back = await window.served.ask("GET", way, BROWSER | session)
    assert back.status == 200
    assert _form(back)


async def test_the_question_names_the_page_the_person_and_the_workspace(window: Window) -> None:
    member = window.cast.users["member"]
    names = await window.cast.connection.fetchrow(
        "select u.email, w.name from users u, workspaces w where u.id = $1 and w.id = $2",
        member,
        window.cast.workspace,
    )
    answer = await window.open(await window.cast.session(member))
    for name in (PAGE, names["email"], names["name"]):
        assert html.escape(name) in _text(answer)
    policy = _header(answer, "content-security-policy")
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert _header(answer, "cache-control") == "no-store"
    given = {name for name, _ in answer.headers}
    assert b"cross-origin-opener-policy" not in given, "it would cut the window from its page"
    assert not await window.tokens()


async def test_who_allows_it_gives_the_page_a_token_for_an_hour(window: Window) -> None:
    session = await window.cast.session(window.cast.users["member"])
    question = await window.open(session)
    answer = await window.press(_form(question), OURS | session)
    assert answer.status == 200
    origin, message = _told(answer)
    assert origin == PAGE
    assert message["type"] == "roost-connect"
    assert message["state"] == STATE
    left = datetime.fromisoformat(message["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    [token] = await window.tokens()
    assert (token["name"], token["scopes"]) == (
        f"Migration from {PAGE}",
        ["migration:read", "migration:write"],
    )
    assert _header(answer, "cache-control") == "no-store"
    assert "frame-ancestors 'none'" in _header(answer, "content-security-policy")
    assert _header(answer, "ratelimit-policy")

    bearer = {"authorization": f"Bearer {message['token']}"}
    assert (await window.served.ask("GET", "/api/v1/migration", bearer)).status == 200
    assert (await window.served.ask("GET", "/api/v1/tasks", bearer)).status == 403
    audited = await window.cast.connection.fetchval(
        "select details from audit_events where workspace_id = $1 and action = 'token.created'"
        " and target_id = $2",
        window.cast.workspace,
        str(token["id"]),
    )
    assert PAGE in audited
    assert message["token"] not in audited


async def test_to_press_twice_makes_a_second_token_and_no_harm(window: Window) -> None:
    session = await window.cast.session(window.cast.users["member"])
    path = _form(await window.open(session))
    told = [_told(await window.press(path, OURS | session))[1]["token"] for _ in range(2)]
    assert len(await window.tokens()) == 2
    for token in told:
        bearer = {"authorization": f"Bearer {token}"}
        assert (await window.served.ask("GET", "/api/v1/migration", bearer)).status == 200


async def test_the_window_and_the_api_count_tokens_together(window: Window) -> None:
    session = await window.cast.session(window.cast.users["member"])
    path = _form(await window.open(session))
    before = _left(await window.press(path, OURS | session))
    headers = session | {"origin": ORIGIN}
    for _ in range(5):  # for one comes back every two seconds
        made = await window.served.ask("POST", "/api/v1/tokens", headers, {"name": "one more"})
        assert made.status == 201
    assert _left(await window.press(path, OURS | session)) < before


async def test_who_does_not_allow_it_has_the_page_told_so(window: Window) -> None:
    session = await window.cast.session(window.cast.users["member"])
    question = await window.open(session)
    found = re.search(r'href="([^"]+)">Don’t allow', _text(question))
    assert found
    answer = await window.served.ask("GET", html.unescape(found[1]), BROWSER | session)
    assert _told(answer) == (
        PAGE,
        {"type": "roost-connect", "state": STATE, "error": "refused"},
    )
    assert not await window.tokens()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"origin": "https://elsewhere.test"}, "https://elsewhere.test"),
        ({"origin": "http://localhost.elsewhere.test"}, "may not ask"),
        ({"origin": "null"}, "must be that of the page"),
        ({"origin": ""}, "must be that of the page"),
        ({"origin": "*"}, "must be that of the page"),
        ({"origin": "javascript:alert(1)"}, "must be that of the page"),
        ({"origin": f"{PAGE}/path"}, "must be that of the page"),
        ({"origin": "http://a@localhost:3000"}, "must be that of the page"),
        ({"origin": '"><script>'}, "must be that of the page"),
        ({"state": ""}, "must be 8 to 200"),
        ({"state": "short"}, "must be 8 to 200"),
        ({"state": "<script>alert(1)</script>"}, "must be 8 to 200"),
        ({"state": "x" * 201}, "must be 8 to 200"),
    ],
)
async def test_who_may_not_ask_or_asks_wrongly_is_told_so_on_a_page(
    window: Window, query: dict[str, str], said: str
) -> None:
    session = await window.cast.session(window.cast.users["member"])
    asked = urlencode({"origin": PAGE, "state": STATE} | query)
    for answer in (
        await window.open(session, **query),
        await window.open(session, refused="true", **query),
        await window.press(f"{CONNECT}?{asked}", OURS | session),
    ):
        assert answer.status == 400
        assert said in _text(answer)
        assert "CONNECT_REFUSED" in _text(answer)
        assert "<script>" not in _text(answer)
        assert "data-message" not in _text(answer)
    assert not await window.tokens()


async def test_nothing_at_all_is_asked_wrongly(window: Window) -> None:
    answer = await window.served.ask("GET", CONNECT, BROWSER)
    assert (answer.status, "CONNECT_REFUSED" in _text(answer)) == (400, True)


async def test_a_viewer_reads_why_they_may_not(window: Window) -> None:
    session = await window.cast.session(window.cast.users["viewer"])
    answer = await window.open(session)
    assert answer.status == 403
    assert "you are a viewer, who may not migrate" in _text(answer)
    pressed = await window.press(
        f"{CONNECT}?{urlencode({'origin': PAGE, 'state': STATE})}", OURS | session
    )
    assert pressed.status == 403
    assert not await window.tokens()


@pytest.mark.parametrize("origin", [None, "null", PAGE, "https://elsewhere.test"])
async def test_no_other_page_presses_the_button(window: Window, origin: str | None) -> None:
    session = await window.cast.session(window.cast.users["member"])
    path = _form(await window.open(session))
    sent = BROWSER | session | ({"origin": origin} if origin else {})
    answer = await window.press(path, sent)
    assert (answer.status, "ORIGIN_REFUSED" in _text(answer)) == (403, True)
    assert not await window.tokens()


async def test_no_token_makes_a_token_here(window: Window) -> None:
    bearer = await window.cast.token(window.cast.users["owner"])
    path = f"{CONNECT}?{urlencode({'origin': PAGE, 'state': STATE})}"
    assert (await window.press(path, BROWSER | bearer)).status == 403
    assert not await window.tokens()
