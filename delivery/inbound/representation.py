"""Inbound settings as JSON, without the secrets."""

from collections.abc import Iterable
from typing import Annotated, TypedDict

from django.conf import settings

from common.bodies import Time
from common.times import rfc3339
from delivery.models import InboundSecret, InboundSettings


class InboundSecretBody(TypedDict):
    """A signing secret that is accepted; its text is not shown again."""

    id: str
    created_at: Time
    expires_at: Annotated[Time | None, "Null for the newest."]


class InboundBody(TypedDict):
    """How your project hears of its users from your auth service."""

    url: Annotated[str, "Where to send signed messages."]
    follows_stream: Annotated[
        bool, "Whether messages of the platform's streams change your customers."
    ]
    cancels_subscriptions: Annotated[
        bool,
        "Whether a deleted user's subscriptions end at once. False: `user.deleted` is refused "
        "while one is running.",
    ]
    secrets: Annotated[list[InboundSecretBody], "The newest first."]


def inbound(row: InboundSettings, secrets: Iterable[InboundSecret]) -> InboundBody:
    return {
        "url": address_of(row.project_id),
        "follows_stream": row.follows_stream,
        "cancels_subscriptions": row.cancels_subscriptions,
        "secrets": [secret(each) for each in secrets],
    }


def secret(row: InboundSecret) -> InboundSecretBody:
    return {
        "id": row.pk,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
    }


def address_of(project_id: str) -> str:
    """Where the project's auth service sends its messages."""
    return f"{settings.PUBLIC_URL}/api/v1/events/inbound/{project_id}"
