"""The pages on the audit trail and on tokens say what the code does."""

import re
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roost.identity.access import credentials
from roost.identity.audit.routes import AuditEvent, AuditQuery
from roost.identity.audit.trail import ACTIONS
from roost.web.paging import PageQuery
from tests.docs import pages
from tests.docs.pages import DOCS, REFERENCE

TOKENS = DOCS / "how-to" / "tokens-for-agents.md"


def _documented_check() -> Callable[[str], bool]:
    [program] = re.findall(r"```python\n(.*?)```", pages.text_of(TOKENS), re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 -- the page's own program, which is what is tested
    found: Callable[[str], bool] = names["is_token"]
    return found


def test_every_action_is_documented_with_its_meaning() -> None:
    table = pages.rows(REFERENCE / "audit.md", "audit")
    assert {name.strip("`"): meaning for name, meaning in table} == ACTIONS


def test_every_field_and_filter_is_documented() -> None:
    text = pages.text_of(REFERENCE / "audit.md")
    cells = re.findall(r"^\| (`.*?) \| ", text, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    fields = set(AuditEvent.__struct_encode_fields__) - {"id"}
    paging = set(PageQuery.__struct_encode_fields__)
    filters = set(AuditQuery.__struct_encode_fields__) - paging
    assert documented == fields | filters | {"logout"}


def test_the_documented_form_and_checksum_are_those_of_tokens() -> None:
    text = pages.text_of(TOKENS)
    [form] = re.findall(r"```text\n(.*?)\n```", text)
    check = _documented_check()
    for _ in range(100):
        token = credentials.new_access_token()
        assert re.fullmatch(form, token)
        assert check(token)


@given(st.text("019AZaz", min_size=38, max_size=38), st.integers(0, 37), st.sampled_from("0Zz"))
def test_the_documented_check_and_roosts_agree_on_every_text(
    body: str, place: int, other: str
) -> None:
    check = _documented_check()
    token = credentials.new_access_token()
    spoilt = list(token.removeprefix("roost_"))
    spoilt[place] = other
    for text in (f"roost_{body}", "roost_" + "".join(spoilt), token, token[:-1]):
        assert check(text) == credentials.is_access_token(text)
