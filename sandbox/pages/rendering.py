"""Renders templates, with headers that forbid framing and caching of card forms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.wrappers import Response

from sandbox import money

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""Without ``form-action``: browsers apply it to redirects, and buyers return to the merchant."""


def render_page(template: str, *, status: int = 200, **values: Any) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    page = TEMPLATES.get_template(template).render(**values)
    return Response(page, status, headers, content_type="text/html; charset=utf-8")


def format_day(timestamp: int) -> str:
    """Format a date: ``3 February 2027``."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d %B %Y").lstrip("0")


TEMPLATES = Environment(
    loader=PackageLoader("sandbox.pages"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
TEMPLATES.filters |= {"day": format_day, "money": money.format_amount}
