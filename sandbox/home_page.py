"""The home page at ``/``: accounts, latest events with deliveries, clock, faults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader
from werkzeug.wrappers import Request, Response

from sandbox import API_VERSION, overview
from sandbox.faults import FaultKind

if TYPE_CHECKING:
    from sandbox.world import World

SHOWN_EVENTS = 40


def respond(world: World, request: Request) -> Response:
    page = TEMPLATES.get_template("home.html").render(
        api_version=API_VERSION,
        base_url=request.host_url.rstrip("/"),
        summary=overview.summarise_world(world),
        events=overview.list_latest_events(world, limit=SHOWN_EVENTS),
        fault_kinds=[kind.value for kind in FaultKind],
    )
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
    }
    return Response(page, content_type="text/html; charset=utf-8", headers=headers)


def _format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


TEMPLATES = Environment(loader=PackageLoader("sandbox"), autoescape=True, trim_blocks=True)
TEMPLATES.filters["moment"] = _format_time
