"""The files that operators take from `deploy/`, read as their programs read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "roost-rules.yml"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"


def read_yaml(path: Path) -> Any:
    """Read a file, or fail where it is no YAML."""
    return yaml.safe_load(path.read_text("utf-8"))


class Query(NamedTuple):
    """An expression, and what it stands in."""

    owner: str
    expression: str


def dashboard() -> dict[str, Any]:
    """Read the dashboard."""
    read: dict[str, Any] = json.loads((DEPLOY / "grafana" / "roost.json").read_text("utf-8"))
    return read


def panels() -> list[dict[str, Any]]:
    """Give the panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules(kind: str) -> list[dict[str, Any]]:
    """Give the rules that `record`, or that `alert`."""
    return [rule for group in read_yaml(RULES)["groups"] for rule in group["rules"] if kind in rule]


def panel_queries() -> Iterator[Query]:
    """Give the expressions of the dashboard, its variables' included."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
            assert asked, variable["query"]
            yield Query(variable["name"], f"sum by ({asked[2]}) ({asked[1]})")


def queries() -> Iterator[Query]:
    """Give every expression that is shipped."""
    yield from panel_queries()
    for kind in ("record", "alert"):
        yield from (Query(rule[kind], rule["expr"]) for rule in rules(kind))
