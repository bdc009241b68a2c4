"""The shipped dashboard and rules ask for what a running Roost has, and are answered."""

import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.postgres import reachable_directory
from tests.support.server import API, Server, serving, wait_until
from tests.telemetry import shipped
from tests.telemetry.prometheus import program, scraping
from tests.telemetry.promql import Use, grouping, uses

ALERTS_FILE = Path(__file__).with_name("alerts.yml")
# Prometheus puts these on every series that it scrapes.
OF_THE_SCRAPE = frozenset({"job", "instance"})
MADE_BY_PROMETHEUS = {"up": frozenset[str]()}
# Recorded when a request has failed with a 5xx, which a sound server can't be asked for.
AFTER_A_FAILURE = {"job:http_server_errors:ratio_rate5m"}


def use(client: httpx.Client) -> list[int]:
    """Have every kind of series counted; gives the statuses."""
    # PostgreSQL finds out that there is no such environment: the statement fails.
    lost = {"title": "lost", "environmentId": str(uuid4())}
    return [
        client.get(f"{API}/tasks").status_code,
        client.get(f"{API}/tasks").status_code,
        client.post(f"{API}/tasks", json={"title": "watched"}).status_code,
        client.post(f"{API}/tasks", json=lost).status_code,
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, httpx.Client]]:
    """A server of its own, and a client of somebody who is logged in."""
    with (
        reachable_directory() as directory,
        serving("--data-dir", directory / "data") as running,
        running.client(running.token()) as client,
    ):
        assert use(client) == [200, 200, 201, 400]
        yield running, client


@pytest.fixture(scope="module")
def exposed(server: tuple[Server, httpx.Client]) -> Mapping[str, frozenset[str]]:
    """The series on its page, with the labels that any of each has."""
    page: dict[str, frozenset[str]] = defaultdict(frozenset)
    for family in text_string_to_metric_families(server[1].get("/metrics").text):
        for sample in family.samples:
            # An empty label is none: Prometheus does not keep it.
            page[sample.name] |= {name for name, value in sample.labels.items() if value}
    return {**page, **MADE_BY_PROMETHEUS}


def test_every_series_and_label_that_is_asked_for_exists(
    exposed: Mapping[str, frozenset[str]],
) -> None:
    recorded = {rule["record"]: grouping(rule["expr"]) for rule in shipped.rules("record")}
    known = {**exposed, **recorded}
    missing = []
    for query in shipped.queries():
        found = uses(query.expression)
        assert found, f"{query.owner} asks for nothing"
        for name, labels in found:
            if name not in known:
                missing.append(f"{query.owner}: {name}")
            elif unknown := labels - known[name] - OF_THE_SCRAPE - _of_buckets(name):
                missing.append(f"{query.owner}: {name} by {sorted(unknown)}")
    assert not missing


def _of_buckets(name: str) -> frozenset[str]:
    return frozenset({"le"}) if name.endswith("_bucket") else frozenset()


def test_what_an_expression_asks_for_is_found() -> None:
    expression = """
        histogram_quantile(0.9, sum by (a, le) (rate(x_bucket{b="c", d!~"e|(f)"}[$__interval])))
        / on (g) topk(3, j:k:l) > 1e3 and absent(up) == 0
    """
    assert uses(expression) == [
        Use("x_bucket", frozenset({"a", "le", "b", "d", "g"})),
        Use("j:k:l", frozenset({"g"})),
        Use("up", frozenset({"g"})),
    ]
    assert grouping(expression) == {"a"}


def test_every_metric_of_the_page_is_on_the_dashboard(
    exposed: Mapping[str, frozenset[str]],
) -> None:
    shown = {one.name for query in shipped.panel_queries() for one in uses(query.expression)}
    endings = ("_bucket", "_sum", "_count")
    families = {name.removesuffix(end) for name in shown for end in endings}
    told = {name for name in exposed if not name.endswith(("_created", "_sum", "_bucket"))}
    told -= {"target_info", *MADE_BY_PROMETHEUS}
    assert not {name for name in told if {name, name.removesuffix("_count")}.isdisjoint(families)}


def test_every_panel_says_what_it_shows() -> None:
    board = shipped.dashboard()
    assert board["uid"] == "roost"
    assert "id" not in board
    for panel in shipped.panels():
        title = panel["title"]
        assert "id" not in panel, title
        assert panel["description"].endswith("."), title
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        for target in panel["targets"]:
            for name in uses(target["expr"]):
                assert "job" in name.labels, f"{title} mixes several Roosts"
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)


def test_no_two_panels_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in shipped.dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


def test_every_alert_waits_and_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in shipped.rules("alert"):
        assert rule["for"], rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]


@pytest.mark.parametrize(("kind", "file"), [("rules", shipped.RULES), ("config", shipped.CONFIG)])
def test_prometheus_takes_the_files(kind: str, file: Path) -> None:
    _promtool("check", kind, str(file))


def test_every_alert_fires_where_something_is_wrong_and_none_where_nothing_is() -> None:
    expected = set(re.findall(r'alertname="(\w+)"', ALERTS_FILE.read_text("utf-8")))
    assert expected == {rule["alert"] for rule in shipped.rules("alert")}
    _promtool("test", "rules", str(ALERTS_FILE))


def _promtool(*arguments: str) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_prometheus_has_an_answer_for_every_panel_and_rule(
    server: tuple[Server, httpx.Client], tmp_path: Path
) -> None:
    running, client = server
    names = {rule["record"] for rule in shipped.rules("record")} - AFTER_A_FAILURE
    asked = {query.expression for query in shipped.panel_queries()} | names
    with scraping(running.url.removeprefix("http://"), tmp_path) as prometheus:

        def unanswered() -> set[str]:
            use(client)
            return {one for one in asked if not prometheus.numbers(_filled(one))}

        wait_until(lambda: not unanswered(), "every expression has an answer")
        groups = prometheus.get("rules")["groups"]
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
        # At its start it had not scraped anything yet.
        wait_until(lambda: not prometheus.alerts(), "nothing is wrong")
        running.process.send_signal(signal.SIGSTOP)  # not ended: other tests use it too
        try:
            wait_until(lambda: "RoostDown" in prometheus.alerts(), "it sees that Roost is gone")
        finally:
            running.process.send_signal(signal.SIGCONT)


def _filled(expression: str) -> str:
    """Put Grafana's variables in."""
    return expression.replace("$__rate_interval", "1m").replace("$job", "roost")
