"""Hermes, the company's notification service (docs/hermes.md): it writes and sends the message.

The idempotency key is the notification's id, so a request may be repeated until it is answered.
"""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from django.conf import settings

from common import egress
from common.egress import EgressFailed, EgressResponse
from common.egress_rules import EgressRefused
from common.money import Money
from common.times import rfc3339
from delivery.mail.content import Content, Facts, Value
from delivery.mail.outcomes import ChannelDown, Outcome, Refused, Sent, TryLater
from delivery.mail.people import Recipient
from delivery.models import MailSettings, Notification
from projects.models import Project

KEPT = timedelta(hours=24)
"""How long Hermes remembers a key: a request may be repeated for as long."""
TOTAL_SECONDS = 10.0
MAX_PAUSE = timedelta(hours=1)


def send(body: bytes, *, key: str, at: datetime) -> Outcome:
    """Send the request once. Raises ChannelDown if Hermes does not take any request of ours."""
    headers = {
        "Authorization": f"Bearer {settings.MAIL.hermes_token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    try:
        response = egress.post(settings.MAIL.hermes_url, body, headers=headers, total=TOTAL_SECONDS)
    except EgressFailed:
        return TryLater("hermes_no_answer")
    except EgressRefused as error:
        raise ChannelDown("hermes_address") from error
    return _outcome(response, at)


def encode(
    row: Notification,
    *,
    content: Content,
    person: Recipient,
    mail_settings: MailSettings,
    project: Project,
) -> bytes:
    """The request. It is the same for the same facts."""
    return orjson.dumps(
        {
            "kind": row.kind,
            "project": {"id": project.pk, "name": project.name, "livemode": project.livemode},
            "person": {
                "id": person.id,
                "email": person.address,
                "name": person.reader.name,
            },
            "locale": person.reader.locale or None,
            "brand": {
                "name": mail_settings.brand_name or project.name,
                "color": mail_settings.color or None,
                "logo_url": mail_settings.logo_url or None,
                "reply_to": mail_settings.reply_to or project.contact_email or None,
            },
            "data": _plain(content.facts),
            "link": content.link or None,
            "not_before": rfc3339(row.created_at),
            "expires": rfc3339(row.useless_at),
        },
        option=orjson.OPT_SORT_KEYS,
    )


def _plain(facts: Facts) -> dict[str, Any]:
    return {
        name: [_plain(line) for line in value] if isinstance(value, list) else _plain_value(value)
        for name, value in facts.items()
    }


def _plain_value(value: Value) -> Any:
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    return rfc3339(value) if isinstance(value, datetime) else value


def _outcome(response: EgressResponse, at: datetime) -> Outcome:
    status = response.status
    if status in (200, 202):
        return Sent(_id_of(response))
    if status in (401, 403, 404):
        raise ChannelDown(f"hermes_{status}")
    if status == 429 or status >= 500:
        return TryLater(f"hermes_{status}", _pause(response, at))
    return Refused(f"hermes_{status}")


def _id_of(response: EgressResponse) -> str:
    """Hermes' id of the message; empty if the answer names none."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return ""
    return str(body.get("id") or "")[:255] if isinstance(body, dict) else ""


def _pause(response: EgressResponse, at: datetime) -> timedelta:
    """The pause that ``Retry-After`` names, in seconds or as a date, up to an hour."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), MAX_PAUSE)
    try:
        pause = parsedate_to_datetime(value) - at
    except (TypeError, ValueError, OverflowError):
        return timedelta()
    return min(max(pause, timedelta()), MAX_PAUSE)
