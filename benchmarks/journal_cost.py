"""journal: what a table's journal costs its writers, beside the same table without it."""

from dataclasses import asdict

from rich.table import Table

from benchmarks.measure import Contender, Plan, interleaved
from benchmarks.postgres import PgBench, Postgres, embedded, scratch
from benchmarks.table import finish
from roost.journal.install import install_sql

_ROWS = 100_000
_CLIENTS = 16
_MANY = 1_000
_COLUMNS = (
    "workspace_id uuid not null, id uuid not null default gen_random_uuid(), number int not null, "
    "title text not null, description text not null, status text not null default 'pending', "
    "labels text[] not null default '{}', metadata jsonb not null default '{}', "
    "created_at timestamptz not null default now(), updated_at timestamptz not null default now(), "
    "primary key (workspace_id, id)"
)
_ROW = (
    "'00000000-0000-4000-8000-000000000001', {number}, 'Task ' || {number}, "
    "repeat('Please look at the failing test and say why. ', 6)"
)
_NAMES = "workspace_id, number, title, description"
_TABLES = {"without": "plain", "with": "journaled"}
_WRITES = {
    "insert a row": (
        "\\set number random(1, 1000000000)\n"
        f"insert into {{table}} ({_NAMES}) values ({_ROW.format(number=':number')});"
    ),
    "update a row": (
        f"\\set number random(1, {_ROWS})\n"
        "update {table} set status = 'done', updated_at = now() where number = :number;"
    ),
    f"insert {_MANY:,} rows": (
        f"insert into {{table}} ({_NAMES}) select {_ROW.format(number='n')} "
        f"from generate_series(1000000001, 1000000000 + {_MANY}) n;"
    ),
}


def run(plan: Plan) -> None:
    """Measure and print."""
    with scratch() as directory, embedded(directory / "roost") as postgres:
        _prepare(postgres)
        found = {
            what: interleaved(_contenders(postgres, script), plan)
            for what, script in _WRITES.items()
        }
    table = Table(title="journal  Writers of a journaled table", title_justify="left")
    headings = ("what", "journal", "transactions/s", "of that without", "PostgreSQL µs/transaction")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in {"what", "journal"} else "right")
    for what, figures in found.items():
        for name, each in figures.items():
            part = each.rate / figures["without"].rate
            cpu = f"{each.postgres or 0:,.0f}"
            table.add_row(what, name, f"{each.rate:,.0f}", f"{part:.2f}", cpu)
    notes = [f"pgbench with {_CLIENTS} connections, fsync on, {_ROWS:,} rows before."]
    finish("journal", table, [], notes, {
        what: {name: asdict(each) for name, each in figures.items()}
        for what, figures in found.items()
    })  # fmt: skip


def _prepare(postgres: Postgres) -> None:
    postgres.psql("postgres", "create database bench")
    postgres.psql("bench", install_sql())
    for name in _TABLES.values():
        postgres.psql("bench", f"create table {name} ({_COLUMNS})")
        postgres.psql("bench", f"create index on {name} (number)")
    # Not in bulk with the journal: the rows of both are to be the same, and nothing else measured.
    for name in _TABLES.values():
        postgres.psql(
            "bench",
            f"insert into {name} ({_NAMES}) select {_ROW.format(number='n')} "
            f"from generate_series(1, {_ROWS}) n",
        )
    postgres.psql("bench", "select journal.attach('journaled')")
    postgres.psql("bench", "vacuum analyze")
    postgres.psql("bench", "checkpoint")


def _contenders(postgres: Postgres, script: str) -> list[Contender]:
    return [
        Contender(
            name,
            PgBench(postgres, "bench", "postgres", script.format(table=table), _CLIENTS),
            None,
            postgres.pid,
        )
        for name, table in _TABLES.items()
    ]
