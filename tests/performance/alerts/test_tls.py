"""TLS: the certificate must be the name's, though the connection goes to a number."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roost.performance.alerts import posting
from roost.performance.alerts.addresses import Policy
from roost.performance.alerts.channel_model import EmailCreate
from roost.performance.alerts.failing import SendError
from roost.performance.alerts.mail import send_mail
from roost.performance.alerts.messages import body_of
from tests.performance.alerts.receivers import Mailbox, Webhooks, served

NAME, OTHER = "hooks.example.com", "other.example.com"
LOCAL = Policy.of(("127.0.0.1",), production=True)
BODY = body_of("test", datetime.now(UTC), [])


@dataclass
class Certified:
    """A server's side, and a client's that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "certificate", folder / "key")
    client = ssl.create_default_context(cafile=str(folder / "certificate"))
    return Certified(server, client)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have both names lead to this machine."""
    original = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: Any, host: str, *places: Any, **given: Any) -> Any:
        host = "127.0.0.1" if host in {NAME, OTHER} else host
        return await original(self, host, *places, **given)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@pytest.fixture
def trusting(certified: Certified, monkeypatch: pytest.MonkeyPatch) -> Certified:
    """Have Roost trust the certificate."""
    monkeypatch.setattr(posting, "_tls", lambda: certified.client)
    monkeypatch.setattr(ssl, "create_default_context", lambda: certified.client)
    return certified


async def test_a_certificate_of_the_name_is_taken(trusting: Certified) -> None:
    async with served(Webhooks(), trusting.server) as receiver:
        url = f"https://{NAME}:{receiver.port}/x"
        assert await posting.post(url, b"{}", {}, LOCAL) == "answered 204"
        assert receiver.sent[0].headers["host"] == f"{NAME}:{receiver.port}"


@pytest.mark.parametrize("host", [OTHER, "127.0.0.1"])
async def test_one_of_another_name_is_not(trusting: Certified, host: str) -> None:
    async with served(Webhooks(), trusting.server) as receiver:
        with pytest.raises(SendError, match="certificate is not valid"):
            await posting.post(f"https://{host}:{receiver.port}/x", b"{}", {}, LOCAL)
        assert receiver.sent == []


async def test_one_that_nobody_vouches_for_is_not(certified: Certified) -> None:
    async with served(Webhooks(), certified.server) as receiver:
        with pytest.raises(SendError, match="certificate is not valid"):
            await posting.post(f"https://{NAME}:{receiver.port}/x", b"{}", {}, LOCAL)
        assert receiver.sent == []


def mail(host: str, port: int, security: Literal["tls", "starttls"]) -> EmailCreate:
    return EmailCreate(
        host=host, port=port, security=security, sender="a@example.com", to=["b@example.com"],
        username="roost", password="hunter2",  # noqa: S106 -- an example
    )  # fmt: skip


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_letters_are_encrypted_to_the_name(
    trusting: Certified, security: Literal["tls", "starttls"]
) -> None:
    async with served(Mailbox(), trusting.server if security == "tls" else None) as box:
        box.tls = trusting.server
        await send_mail(mail(NAME, box.port, security), "1", BODY, LOCAL)
        assert len(box.letters) == len(box.logins) == 1
        with pytest.raises(SendError, match="no valid certificate"):
            await send_mail(mail(OTHER, box.port, security), "1", BODY, LOCAL)
        assert len(box.letters) == len(box.logins) == 1


async def test_no_password_is_sent_where_there_is_no_encryption(trusting: Certified) -> None:
    del trusting
    async with served(Mailbox()) as box:  # it says that it can, and can't
        with pytest.raises(SendError):
            await send_mail(mail(NAME, box.port, "starttls"), "1", BODY, LOCAL)
        assert (box.letters, box.logins) == ([], [])
