"""Rendering of single values in the console. All external text is escaped."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from common.money import Money

EMPTY = "–"

TONES: Mapping[str, str] = {
    "success": "success",
    "active": "success",
    "paid": "success",
    "succeeded": "success",
    "complete": "success",
    "completed": "success",
    "applied": "success",
    "processed": "success",
    "done": "success",
    "live": "success",
    "allow": "success",
    "trialing": "info",
    "scheduled": "info",
    "open": "info",
    "opening": "info",
    "frozen": "info",
    "waiting": "info",
    "planned": "info",
    "sent": "info",
    "processing": "info",
    "running": "info",
    "moving": "info",
    "pending": "info",
    "test": "info",
    "past_due": "warning",
    "unpaid": "warning",
    "paused": "warning",
    "incomplete": "warning",
    "requires_action": "warning",
    "partially_refunded": "warning",
    "quarantined": "warning",
    "suspended": "warning",
    "unknown": "warning",
    "healed": "success",
    "finished": "success",
    "healing": "info",
    "reported": "warning",
    "stopped": "warning",
    "parked": "danger",
    "failed": "danger",
    "deny": "danger",
    "uncollectible": "danger",
}
"""The colour of each status; any other status is grey."""


def url(row: Model) -> str:
    """The row's page in the console."""
    return page(f"{row._meta.app_label}.{row._meta.model_name}", row.pk)


def page(model: str, pk: object) -> str:
    """The page of the row with this key, without a query; ``model`` is ``app.model``."""
    app, _, name = model.lower().partition(".")
    return reverse(f"admin:{app}_{name}_change", args=[quote(str(pk))])


def listing(model: str, **filters: object) -> str:
    """The address of a filtered list in the console."""
    app, _, name = model.lower().partition(".")
    return reverse(f"admin:{app}_{name}_changelist", query={k: str(v) for k, v in filters.items()})


def link(row: Model | None, text: object = None) -> SafeString | str:
    """A link to the row's page, labelled with the row's name."""
    if row is None:
        return EMPTY
    return anchor(url(row), str(row) if text is None else text)


def anchor(href: str, text: object) -> SafeString:
    return format_html('<a href="{}" class="text-link tg-wrap">{}</a>', href, text)


def badge(value: object, *, tone: str | None = None) -> SafeString | str:
    """A coloured label; underscores become spaces."""
    text = str(value)
    if not text:
        return EMPTY
    return render_to_string(
        "unfold/helpers/label.html",
        {"text": text.replace("_", " "), "type": tone or TONES.get(text, "default")},
    )


def money(amount: int | None, currency: str) -> str:
    """``29.00 USD``; for an unknown currency the plain minor units."""
    if amount is None:
        return EMPTY
    try:
        return str(Money(amount, currency))
    except ValueError:
        return f"{amount} {currency.upper()}".strip()


def moment(at: datetime | None) -> str:
    """``2026-11-21 09:45:07 UTC``."""
    if at is None:
        return EMPTY
    return (
        f"{timezone.localtime(at, timezone=timezone.get_fixed_timezone(0)):%Y-%m-%d %H:%M:%S} UTC"
    )


def code(text: object) -> SafeString | str:
    """An identifier in a fixed-width font."""
    return format_html('<code class="tg-code">{}</code>', text) if text else EMPTY


def document(value: Any) -> SafeString | str:
    """Indented JSON in a scrollable box; a dash for an empty document."""
    if value in (None, {}, [], ""):
        return EMPTY
    return block(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def block(text: str) -> SafeString:
    """Unchanged text in a scrollable box."""
    return format_html('<pre class="tg-document">{}</pre>', text)


def external_link(href: str) -> SafeString | str:
    """A link that opens another site in a new tab. Only http(s) addresses become links."""
    if not href.startswith(("https://", "http://")):
        return href or EMPTY
    return format_html(
        '<a href="{}" class="text-link tg-wrap" target="_blank" rel="noopener noreferrer">{}</a>',
        href,
        href,
    )


def shortened(text: str, *, most: int = 80) -> str:
    return Truncator(text).chars(most) if text else EMPTY
