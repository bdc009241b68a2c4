"""What the pop-up window shows: the question, and the answer that it hands to the page."""

import html
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlencode

import msgspec

from roost.identity.access.visitor import Names
from roost.web.pages import html_page
from roost.web.reply import Reply

CONNECT = "/migrate/connect"
_HAND_OVER = """
const said = document.getElementById("said");
said.remove();
if (window.opener) {
  window.opener.postMessage(JSON.parse(said.dataset.message), said.dataset.origin);
  window.close();
} else {
  document.getElementById("close").hidden = true;
  document.getElementById("alone").hidden = false;
}
"""
_HASH = b64encode(sha256(_HAND_OVER.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, checked: a page's origin, and a text by which it knows the answer again."""

    origin: str
    state: str

    @property
    def path(self) -> str:
        """The address of the question."""
        return f"{CONNECT}?{urlencode({'origin': self.origin, 'state': self.state})}"


def question_page(asked: Asked, names: Names) -> Reply:
    """Ask; nothing in this page runs."""
    origin, path = html.escape(asked.origin), html.escape(asked.path)
    rows = (
        ("You", html.escape(names.email)),
        ("Workspace", html.escape(names.workspace)),
        ("It may", "start migrations there, and read, resolve and undo yours"),
        ("For", "one hour"),
    )
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    reply = html_page(
        "Connect a page · Roost",
        f"<h1>Move data to Roost?</h1><p><b>{origin}</b> asks to move what it keeps in this "
        f'browser to your workspace.</p><table class="any">{table}</table>'
        f'<form method="post" action="{path}"><button class="button">Allow</button> '
        f'<a class="button" href="{path}&amp;refused=true">Don’t allow</a></form>'
        "<p><small>Allow it only if you began this on that page yourself.</small></p>",
    )
    # A referrer is kept: the form needs its origin.
    reply.header("cache-control", "no-store")
    return reply


def answer_page(asked: Asked, **told: str) -> Reply:
    """Hand over what is told, to the page that opened the window if it is of that origin."""
    message = msgspec.json.encode({"type": "roost-connect", "state": asked.state, **told}).decode()
    heading = "Not allowed" if "error" in told else "Allowed"
    origin = html.escape(asked.origin)
    reply = html_page(
        f"{heading} · Roost",
        f'<h1>{heading}</h1><p id="close">Close this window and go back to <b>{origin}</b>.</p>'
        f'<p id="alone" hidden>The page that opened this window can’t be reached from here any '
        f"more. Close this window, go back to <b>{origin}</b> and connect again: you are logged "
        "in now, so that will take one click.</p>"
        f'<p id="said" data-origin="{origin}" data-message="{html.escape(message)}" hidden></p>'
        f"<script>{_HAND_OVER}</script>",
        allowing=f"script-src 'sha256-{_HASH}'",
    )
    reply.header("cache-control", "no-store")
    reply.header("referrer-policy", "no-referrer")
    return reply
