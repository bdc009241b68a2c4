"""What a log line holds, wherever it came from."""

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from roost.telemetry import TelemetrySettingError, configure_logs
from roost.telemetry.logs import describe_exception
from tests.telemetry.application import ServerError, Service

PLANTED = "sk" + "-" + "planted0planted0planted0"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


class Terminal(StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Claim it."""
        return True


def lines(stream: StringIO) -> list[dict[str, object]]:
    """Return the objects written, one a line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_structlog_and_the_standard_library_write_the_same_json() -> None:
    stream = StringIO()
    configure_logs({}, stream)
    structlog.get_logger("roost.db").info("pool opened", size=3)
    logging.getLogger("uvicorn.error").warning("started on %s", "x")
    first, second = lines(stream)
    assert first["event"] == "pool opened"
    assert (first["level"], first["logger"], first["size"]) == ("info", "roost.db", 3)
    assert (second["level"], second["logger"]) == ("warning", "uvicorn.error")
    assert second["event"] == "started on x"
    for line in (first, second):
        stamp = str(line["timestamp"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp)


async def test_lines_of_a_request_carry_its_ids_and_one_line_tells_of_it() -> None:
    stream = StringIO()
    access = configure_logs({}, stream)
    service = Service({}, access)
    async with service.client() as client:
        answer = await client.get("/api/v1/tasks/abc?token=hidden")
    assert access is not None
    access.flush()
    inner, outer = lines(stream)
    trace_id = answer.json()["traceparent"].split("-")[1]
    for line in (inner, outer):
        assert line["request_id"] == answer.headers["roost-request-id"]
        assert line["trace_id"] == trace_id
    assert inner["event"] == "read"
    assert outer["event"] == "request"
    assert (outer["method"], outer["status"]) == ("GET", 200)
    assert outer["route"] == "/api/v1/tasks/{task_id}"
    assert isinstance(outer["ms"], float)
    assert "hidden" not in stream.getvalue()


async def test_the_access_log_can_be_turned_off() -> None:
    for env in ({"ROOST_ACCESS_LOG": "false"}, {"ROOST_LOG_LEVEL": "warning"}):
        assert configure_logs(env, StringIO()) is None


async def test_a_closed_stderr_does_not_fail_a_request() -> None:
    stream = StringIO()
    service = Service({}, configure_logs({"ROOST_LOG_LEVEL": "info"}, stream))
    logging.getLogger().handlers.clear()
    stream.close()
    async with service.client() as client:
        assert (await client.post("/api/v1/tasks", json={})).status_code == 201


def test_uvicorns_lines_with_query_strings_are_not_written() -> None:
    stream = StringIO()
    configure_logs({}, stream)
    logging.getLogger("uvicorn.access").info('"GET /x?token=%s"', "hidden")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_planted_in_every_place_do_not_come_out(form: str) -> None:
    stream = StringIO()
    configure_logs({"ROOST_LOG_FORMAT": form}, stream)
    log = structlog.get_logger("roost")
    log.info(PLANTED, where={"x": [PLANTED]}, **{PLANTED: 1})
    log.info("keyed", authorization="plainword", nested={"body": "plainword"})
    logging.getLogger("litestar").info("with %s", PLANTED, extra={"token": "plainword"})
    try:
        raise ValueError(PLANTED)  # noqa: TRY301
    except ValueError:
        log.exception("failed")
        logging.getLogger("alembic").exception("failed")
    assert PLANTED not in stream.getvalue()
    assert "plainword" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def fail_with(text: str) -> None:
    raise ServerError(text)


def test_tracebacks_show_places_and_causes_but_no_values() -> None:
    stream = StringIO()
    configure_logs({}, stream)
    local = "a value " + "of a variable"
    try:
        try:
            fail_with(f"duplicate key\nDETAIL:  Key (email)=({local}) already exists.")
        except ServerError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError:
        structlog.get_logger().exception("failed")
    [line] = lines(stream)
    text = str(line["exception"])
    assert text.index("ServerError (SQLSTATE 23505)") < text.index("RuntimeError: outer")
    assert "test_logs.py" in text
    assert local not in stream.getvalue()


@pytest.mark.parametrize(
    ("state", "shown"),
    [("42P01", "PlannedError (SQLSTATE 42P01): first"), ("22P02", "PlannedError (SQLSTATE 22P02)")],
)
def test_database_errors_say_what_is_wrong_without_the_rows_they_quote(
    state: str, shown: str
) -> None:
    class PlannedError(Exception):
        sqlstate = state

    name = PlannedError.__qualname__
    text = describe_exception(PlannedError("first\nDETAIL: a row"))
    assert text == shown.replace("PlannedError", name)


def test_a_line_break_in_data_makes_no_second_line() -> None:
    stream = StringIO()
    configure_logs({}, stream)
    logging.getLogger("x").warning("one\n%s", '{"event": "forged"}\ud800\x00')
    assert len(lines(stream)) == 1


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    configure_logs({}, stream)
    structlog.get_logger("roost").info("ready", address="127.0.0.1")
    assert "ready" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        lines(stream)


@pytest.mark.parametrize("name", ["ROOST_LOG_LEVEL", "ROOST_LOG_FORMAT", "ROOST_ACCESS_LOG"])
def test_a_setting_that_cannot_be_used_is_refused_by_name(name: str) -> None:
    with pytest.raises(TelemetrySettingError, match=f"{name} must be one of"):
        configure_logs({name: "perhaps"}, StringIO())
