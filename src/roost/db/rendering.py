"""Schema revisions, rendered to SQL by Alembic; loaded only when there is something to revise."""

import io
from collections.abc import Mapping
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from roost.db.schema import REVISIONS, SchemaState


def _config(tools: Mapping[str, object]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(REVISIONS))
    config.attributes.update(tools)
    return config


def steps(state: SchemaState, tools: Mapping[str, object]) -> list[tuple[str, str]]:
    """Render each revision that is missing, oldest first, as SQL."""
    config = _config(tools)
    scripts = ScriptDirectory.from_config(config)
    missing = [
        script.revision
        for script in scripts.iterate_revisions(state.newest, state.current or "base")
        if script.revision != state.current
    ]
    missing.reverse()
    steps = []
    previous = state.current
    for revision in missing:
        steps.append((revision, _render(config, scripts, previous, revision)))
        previous = revision
    return steps


def _render(config: Config, scripts: ScriptDirectory, previous: str | None, revision: str) -> str:
    script = io.StringIO()

    def revisions(_current: object, _context: object) -> Any:  # noqa: ANN401 -- Alembic's own
        return scripts._upgrade_revs(revision, previous or "base")  # noqa: SLF001 -- as its commands do

    with EnvironmentContext(
        config,
        scripts,
        fn=revisions,
        as_sql=True,
        starting_rev=previous or "base",
        destination_rev=revision,
    ) as environment:
        environment.configure(
            dialect_name="postgresql",
            output_buffer=script,
            version_table_schema="public",
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
        )
        environment.run_migrations()
    return script.getvalue()
