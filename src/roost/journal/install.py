"""The SQL that makes the schema ``journal``, and takes it away."""

from importlib import resources

VERSION = 3
"""Grows with every change of the SQL; an older Roost refuses a newer schema."""

_SCRIPTS = (
    "tables.sql",
    "partitions.sql",
    "images.sql",
    "layouts.sql",
    "targets.sql",
    "triggers.sql",
    "attach.sql",
    "ticks.sql",
    "following.sql",
    "redaction.sql",
    "versions.sql",
    "retention.sql",
    "grants.sql",
)

_INSTALL = """\
do $roost_journal$
begin
    if to_regclass('journal.installed') is not null then
        if exists (select from journal.installed where version > {version}) then
            raise exception 'the schema journal is newer than this Roost, which knows {version}'
                using hint = 'Install the newer Roost.';
        end if;
    end if;
    execute $roost_script$
{script}
$roost_script$;
    insert into journal.installed (version)
    select {version} where not exists (select from journal.installed where version = {version});
    perform journal.prepare_partitions();
end
$roost_journal$"""


def install_sql() -> str:
    """Give one statement that makes or upgrades the schema; its role becomes the journal's owner.

    It keeps what was journaled, and running it again changes nothing. Tables stay attached.
    """
    directory = resources.files("roost.journal") / "sql"
    script = "\n".join((directory / name).read_text("utf-8") for name in _SCRIPTS)
    return _INSTALL.format(version=VERSION, script=script)


def uninstall_sql() -> str:
    """Give the statement that removes the schema, all that was journaled, and every trigger."""
    return "drop schema if exists journal cascade"


def grant_sql(role: str, *, window: bool = False) -> str:
    """Give the statement that lets ``role`` read its workspace's changes and make ticks.

    With ``window`` it may also call ``journal.window``, which reads every workspace: for a role
    that listens. The row level security of ``journal.journal`` holds for it all the same.
    """
    quoted = "'" + role.replace("'", "''") + "'"
    calls = [f"journal.grant_to({quoted})"]
    if window:
        calls.append(f"journal.grant_window_to({quoted})")
    return "select " + ", ".join(calls)
