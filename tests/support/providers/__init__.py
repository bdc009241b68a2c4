"""Stand-ins for log-in providers: strict about what they are sent, and told how to misbehave."""

from tests.support.providers.anthropic import AnthropicProfile
from tests.support.providers.desk import Desk, open_desk
from tests.support.providers.github import GitHub
from tests.support.providers.openid import AnthropicIssuer, OpenAI, OpenId

__all__ = [
    "AnthropicIssuer",
    "AnthropicProfile",
    "Desk",
    "GitHub",
    "OpenAI",
    "OpenId",
    "open_desk",
]
