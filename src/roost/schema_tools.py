"""The SQL that rooms above `db` give to its schema revisions."""

from collections.abc import Mapping
from typing import Final

from roost.executions import install as executions
from roost.journal import install as journal
from roost.performance import kept
from roost.sync import install as shapes

SCHEMA_TOOLS: Final[Mapping[str, object]] = {
    "journal": journal.install_sql() + ";" + journal.grant_sql("roost_app"),
    "sync": shapes.install_sql() + ";" + shapes.grant_sql("roost_app"),
    "performance": kept.install_sql(),
    "alerts": kept.install_sql("alerts"),
    "benchmarks": kept.install_sql("benchmarks"),
    "events": kept.install_sql("events"),
    "executions": executions.install_sql(),
}
"""What revisions find as `context.config.attributes`."""
