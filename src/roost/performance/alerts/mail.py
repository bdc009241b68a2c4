"""Sending by e-mail: SMTP in a thread, to the address that was judged."""

import asyncio
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from typing import Any, Final

from roost.performance.alerts.addresses import Place, Policy, find
from roost.performance.alerts.channel_model import EmailCreate
from roost.performance.alerts.failing import SendError
from roost.performance.alerts.messages import subject_of, text_of

STEP_SECONDS: Final = 10.0
SECONDS: Final = 30.0
"""How long all of it may take."""


class _Plain(smtplib.SMTP):
    """A client that connects to an address that was judged, and goes by the host's name."""

    place: Place

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        return _connected(self.place, port, timeout)


class _Encrypted(smtplib.SMTP_SSL):
    """The same, with TLS from the start on."""

    place: Place

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = _connected(self.place, port, timeout)
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _connected(place: Place, port: int, timeout: float) -> socket.socket:
    failure: OSError = ConnectionError()
    for address in place.addresses:
        try:
            return socket.create_connection((str(address), port), timeout)
        except OSError as error:
            failure = error
    raise failure


async def send_mail(config: EmailCreate, message_id: str, body: str, policy: Policy) -> str:
    """Send a message; gives what the server did. SendError when it did not take it.

    RefusedError when nothing may be sent there.
    """
    plain = config.security == "none"
    place = await find(config.host, config.port, policy, plain=plain)
    kind = _Encrypted if config.security == "tls" else _Plain
    # Nothing is connected yet: that is for the thread.
    client = kind(timeout=STEP_SECONDS, local_hostname="roost")
    client.place = place
    letter = _letter(config, message_id, body)
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.to_thread(_send, client, config, letter)
    except TimeoutError as error:
        raise SendError(why=f"the mail server did not take it within {SECONDS:g} s") from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(why=_said(error)) from error
    finally:
        # Whatever the thread still waits for ends with the socket.
        _cut(client)
    return "the mail server took it"


def _send(client: smtplib.SMTP, config: EmailCreate, letter: EmailMessage) -> None:
    client.connect(config.host, config.port)
    client._host = config.host  # type: ignore[attr-defined]  # noqa: SLF001 -- the name that STARTTLS checks the certificate against; else only the constructor sets it
    if config.security == "starttls":
        client.starttls(context=ssl.create_default_context())
    if config.username is not None and config.password is not None:
        client.login(config.username, config.password)
    client.send_message(letter, config.sender, config.to)
    with suppress(smtplib.SMTPException, OSError):
        client.quit()  # it has been taken, whatever comes of this


def _letter(config: EmailCreate, message_id: str, body: str) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = subject_of(body)
    letter["From"] = config.sender
    letter["To"] = ", ".join(config.to)
    letter["Date"] = format_datetime(localtime())
    # The same for all attempts, so that mail programs know a double.
    letter["Message-ID"] = f"<{message_id}@roost.alerts>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text_of(body) + "\n")
    return letter


def _cut(client: Any) -> None:  # noqa: ANN401 -- its socket is nobody's business but ours
    if client.sock is not None:
        with suppress(OSError):
            client.sock.shutdown(socket.SHUT_RDWR)
        client.close()


def _said(error: Exception) -> str:
    """Say what went wrong in words of our own: a server's might quote what it was given."""
    what = "can't be connected to"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        what = f"refused the log-in ({error.smtp_code})"
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        what = "refused every recipient"
    elif isinstance(error, smtplib.SMTPResponseException):
        what = f"answered {error.smtp_code}"
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        what = "does not know what the channel asks for: TLS, or a log-in"
    elif isinstance(error, ssl.SSLError):
        what = "has no valid certificate, or TLS could not be agreed on"
    elif isinstance(error, smtplib.SMTPException):
        what = "ended the connection"
    return f"the mail server {what}"
