"""Database URLs: what is local, when TLS is required, and garbage."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.cli.context import EXPECTED, read_settings
from roost.db.dsn import DatabaseConfig, connection_arguments, is_local, read_url
from roost.db.faults import DatabaseError, UnavailableError
from roost.db.target import connect
from roost.settings import SETTINGS, Settings, SettingsError


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSERVICE", "PGSSLROOTCERT", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://u@localhost/db", True),
        ("postgresql://u@127.0.0.1:5432/db", True),
        ("postgresql://u@[::1]:5432/db", True),
        ("postgresql://u@/db?host=/run/postgresql", True),
        ("postgresql://u@%2Frun%2Fpostgresql/db", True),
        ("postgresql:///db", True),
        ("postgresql://u@db.example.test/db", False),
        ("postgresql://u@db.example.test/db?host=/run/postgresql", False),
        ("postgresql://u@localhost,db.example.test/db", False),
        ("postgresql://u@/db?host=/tmp,db.example.test", False),
        ("postgresql://u@/db?host=/tmp&host=db.example.test", False),
        ("postgresql://u@localhost.example.test/db", False),
        ("postgresql://u@[2001:db8::1]/db", False),
        ("postgresql://localhost@db.example.test/db", False),
        ("postgresql:///db?service=far", False),
    ],
)
def test_which_database_is_on_this_machine(url: str, local: bool) -> None:  # noqa: FBT001
    assert is_local(url) is local


def test_a_host_of_the_environment_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.test")
    assert not is_local("postgresql:///db")
    monkeypatch.setenv("PGHOST", "/run/postgresql")
    assert is_local("postgresql:///db")


def arguments(url: str, *, require_tls: bool = True) -> dict[str, Any]:
    return connection_arguments(DatabaseConfig(url, require_tls=require_tls))


def test_production_verifies_the_servers_certificate_when_the_url_says_nothing() -> None:
    context = arguments("postgresql://u@db.example.test/db")["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_production_verifies_against_the_urls_own_authority() -> None:
    url = "postgresql://u@db.example.test/db?sslrootcert=/etc/ca.pem"
    assert arguments(url)["ssl"] == "verify-full"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_production_keeps_a_mode_that_encrypts(mode: str) -> None:
    assert "ssl" not in arguments(f"postgresql://u@db.example.test/db?sslmode={mode}")


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require&sslmode=disable"])
def test_production_refuses_a_mode_that_may_not_encrypt(mode: str) -> None:
    with pytest.raises(DatabaseError, match=r"needs TLS.*sslmode=verify-full"):
        arguments(f"postgresql://u@db.example.test/db?sslmode={mode}")


@pytest.mark.parametrize("url", ["postgresql://u@localhost/db", "postgresql://u@/db?host=/tmp"])
def test_production_needs_no_tls_within_the_machine(url: str) -> None:
    assert "ssl" not in arguments(f"{url}{'&' if '?' in url else '?'}sslmode=disable")


def test_development_leaves_tls_to_the_url() -> None:
    assert "ssl" not in arguments("postgresql://u@db.example.test/db", require_tls=False)


def test_the_word_about_pgbouncer_is_taken_out() -> None:
    url = "postgresql://u@h/db?pgbouncer=true&host=/tmp/a%20b&sslmode=require"
    rest, pgbouncer = read_url(url)
    assert pgbouncer
    assert rest == "postgresql://u@h/db?host=/tmp/a+b&sslmode=require"
    assert read_url("postgresql://u@h/db") == ("postgresql://u@h/db", False)
    assert not read_url("postgresql://u@h/db?pgbouncer=false")[1]


async def test_a_server_without_tls_is_refused_in_production(scratch_database: str) -> None:
    # The test's server is on a socket; over TCP there is none, and none is tried without TLS.
    config = DatabaseConfig("postgresql://u@192.0.2.1:1/db", require_tls=True)
    assert isinstance(connection_arguments(config)["ssl"], ssl.SSLContext)
    arguments = connection_arguments(DatabaseConfig(scratch_database, require_tls=True))
    connection = await asyncpg.connect(**arguments)  # local: allowed as it is
    assert await connection.fetchval("select 1") == 1
    await connection.close()


GARBAGE = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            "postgresql://[",
            "postgresql://u@h:port/db",
            "postgresql://u@h:99999/db",
            "postgresql://",
            "-1",
            "0",
            "1e3",
            "²",
            "postgresql://..a/",
            "production ",
            "true",
        ]
    ),
)


@given(st.sampled_from([setting.name for setting in SETTINGS]), GARBAGE)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for setting in SETTINGS:
            patch.delenv(setting.name, raising=False)
        patch.setenv(name, value)
        with suppress(*EXPECTED), names(name):
            assert isinstance(read_settings(None, None)[0], Settings)


@contextmanager
def names(name: str) -> Iterator[None]:
    """See that an error within tells the setting's name."""
    try:
        yield
    except EXPECTED as error:
        if name not in str(error):
            pytest.fail(f"{name} is not named in: {error}")
        raise


def test_each_setting_names_itself() -> None:
    for name, value in (
        ("DB_MAX_CONNECTIONS", "many"),
        ("DB_STATEMENT_TIMEOUT", "-1"),
        ("ROOST_ENV", "prod"),
        ("DATABASE_URL", "mysql://h/db"),
        ("DATABASE_OWNER_URL", "h"),
        ("ROOST_BODY_LIMIT_MB", "0"),
        ("ROOST_SHUTDOWN_SECONDS", "soon"),
        ("ROOST_REDIS_URL", "http://127.0.0.1:6379"),
        ("ROOST_REDIS_URL", "127.0.0.1:6379"),
        ("ROOST_REDIS_URL", "redis://h:port"),
        ("ROOST_REDIS_URL", "unix://run/redis.sock"),
        ("ROOST_REDIS_URL", "unix://"),
        ("ROOST_TRUSTED_PROXIES", "*"),
        ("ROOST_TRUSTED_PROXIES", "proxy.example.com"),
        ("ROOST_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("ROOST_TRUSTED_PROXIES", "127.0.0.1, 0.0.0.0/0"),
    ):
        with pytest.raises(SettingsError, match=name):
            Settings.from_environment({name: value})


def test_a_wrong_redis_url_is_told_without_its_password() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"ROOST_REDIS_URL": "redis://:hid/den@h/0"})
    assert "hid" not in str(refused.value)


def test_proxies_are_addresses_and_networks() -> None:
    given = {"ROOST_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8::/32 ,"}
    read = Settings.from_environment(given).trusted_proxies
    assert read == ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32")
    assert Settings.from_environment({}).trusted_proxies == ()


@given(
    st.one_of(
        GARBAGE.map(lambda text: "postgresql://" + text),
        GARBAGE.map(lambda text: f"postgresql://127.0.0.1:1/{quote(text)}?{text}"),
        GARBAGE.map(lambda text: f"postgresql://u@127.0.0.1:{text}/db"),
    )
)
async def test_a_url_that_leads_nowhere_is_told_in_words(url: str) -> None:
    with pytest.raises(DatabaseError):
        await connect_nowhere(url)


async def connect_nowhere(url: str) -> None:
    rest, pgbouncer = read_url(url)
    # Whatever host is in it: nothing is to be looked up.
    await connect(DatabaseConfig(nowhere(rest), pgbouncer=pgbouncer))


def nowhere(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if is_local(url) and slash:
        return url
    return f"{scheme}://{authority.rpartition('@')[0]}@127.0.0.1:1/{path}"


async def test_a_database_that_is_away_is_told_in_words() -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await connect(DatabaseConfig("postgresql://u@127.0.0.1:1/db"))
