"""Portal visits: a session's link opens the portal of one customer for a limited time."""

from __future__ import annotations

from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.transaction import Transaction

KIND = "billing_portal.session"
VISIT = "_portal_visit"
"""Record kind, by the link's secret: session, expiry, whether its flow is done, intents."""
OPEN_SECONDS = 5 * 60
IDLE_SECONDS = 3600


def insert_visit(tx: Transaction, session: Object, secret: str) -> Object:
    return tx.insert(
        {
            "object": VISIT,
            "id": secret,
            "session": session["id"],
            "expires_at": tx.world.clock.now() + OPEN_SECONDS,
            "flow_done": False,
            "intents": [],
        }
    )


def extend_visit(tx: Transaction, secret: str) -> tuple[Object, Object]:
    """The visit and its session; extends the visit by an hour.

    Raises 404, or 410 if it has expired.
    """
    visit = tx.path_object(VISIT, secret)
    if visit["expires_at"] <= tx.world.clock.now():
        raise StripeFailure("This link is no longer valid.", status=410)
    visit["expires_at"] = tx.world.clock.now() + IDLE_SECONDS
    return visit, tx.param_object(KIND, visit["session"], param="session")
