"""What a reader waits for. The web server waits for it in its event loop, not in a thread
(:mod:`delivery.feed.waiting_room`), and then asks for the page again."""

from dataclasses import dataclass

ENVIRON_KEY = "tollgate.feed.wait"
"""Where the view leaves the request to wait, in the WSGI environment."""
POLL_HEADER = "Tollgate-Poll-After"
POLL_AFTER = 1
"""Seconds after which a reader asks again whom nobody lets wait; the header tells it so."""


@dataclass(frozen=True, slots=True)
class WaitRequest:
    """The page behind ``position`` is empty, and its reader may wait for ``seconds``."""

    project_id: str
    key_id: str
    position: int
    seconds: int
