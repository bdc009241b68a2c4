"""Sending a message by a channel, whatever its kind."""

import logging
import time
from typing import Final

import msgspec

from roost.db.sealing import SecretBox
from roost.db.sealing.box import SecretKeyError
from roost.performance.alerts import messages, signing
from roost.performance.alerts.addresses import Policy, RefusedError
from roost.performance.alerts.channel_model import Sealed
from roost.performance.alerts.failing import SendError
from roost.performance.alerts.mail import send_mail
from roost.performance.alerts.posting import post

_log = logging.getLogger("roost.alerts")
_decode: Final = msgspec.json.Decoder(Sealed).decode


class Sender:
    """Opens what a channel keeps sealed, and sends."""

    def __init__(self, secrets: SecretBox, policy: Policy) -> None:
        """Send where the policy allows."""
        self._secrets = secrets
        self.policy = policy

    def seal(self, channel_id: object, config: Sealed) -> bytes:
        """Seal what is to be kept of a channel."""
        return self._secrets.seal_for(msgspec.json.encode(config).decode(), _about(channel_id))

    def open(self, channel_id: object, sealed: bytes) -> Sealed:
        """Open it; SecretKeyError when no key does."""
        return _decode(self._secrets.open_for(sealed, _about(channel_id)))

    async def send(
        self, kind: str, channel_id: object, sealed: bytes, message_id: str, body: str
    ) -> str:
        """Send a message; gives what the receiver did. SendError when it was not taken."""
        try:
            return await self._send(kind, self.open(channel_id, sealed), message_id, body)
        except SecretKeyError as error:
            raise SendError(why="none of the keys opens the channel's secrets") from error
        except RefusedError as error:
            raise SendError(why=f"nothing is sent there: {error}") from error

    async def _send(self, kind: str, config: Sealed, message_id: str, body: str) -> str:
        if config.email is not None:
            return await send_mail(config.email, message_id, body, self.policy)
        if config.url is None:
            _log.warning("%s", messages.text_of(body))
            return "written to the log"
        if kind == "slack":
            return await post(config.url, messages.slack(body), {}, self.policy)
        if kind == "discord":
            return await post(config.url, messages.discord(body), {}, self.policy)
        content = messages.webhook(body)
        headers = signing.headers(config.secret or "", message_id, int(time.time()), content)
        return await post(config.url, content, headers, self.policy)


def _about(channel_id: object) -> str:
    return f"performance.alert_channel.sealed {channel_id}"
