"""A real Prometheus that scrapes one target, with the shipped configuration."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from tests.support.server import wait_until
from tests.telemetry import shipped


def program(name: str) -> str:
    """Find one of Prometheus' programs; skips the test where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """Ask the API, and give the answer's `data`."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == 200, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    def numbers(self, expression: str) -> list[float]:
        """Give the values of an expression now, without those that are not a number."""
        values = [float(one["value"][1]) for one in self.get("query", query=expression)["result"]]
        return [value for value in values if value == value]  # noqa: PLR0124 -- NaN is not

    def alerts(self) -> set[str]:
        """Give the names of the alerts that are pending or firing."""
        return {one["labels"]["alertname"] for one in self.get("alerts")["alerts"]}


@contextmanager
def scraping(target: str, directory: Path) -> Iterator[Prometheus]:
    """Run it for the block, looking each half second instead of each quarter minute."""
    config = shipped.read_yaml(shipped.CONFIG)
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(shipped.RULES)]
    [ours] = [one for one in config["scrape_configs"] if one["job_name"] == "roost"]
    ours["static_configs"][0]["targets"] = [target]
    config["scrape_configs"] = [ours]
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    options = (f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}")
    log = directory / "log"
    with log.open("w") as output:
        command = [program("prometheus"), *options, "--web.listen-address=127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:

        def address() -> str | None:
            assert process.poll() is None, log.read_text("utf-8")
            found = re.search(r'msg="Listening on" address=(\S+)\s', log.read_text("utf-8"))
            return found[1] if found else None

        yield Prometheus(f"http://{wait_until(address, 'Prometheus listens')}")
    finally:
        process.terminate()
        process.wait(30)
