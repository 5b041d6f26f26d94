"""The pages: endpoints, deliveries and attempts of one project, and what a visitor may do."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from common import ids
from common.errors import DomainError, NotFound
from delivery.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from delivery.webhooks import check_cases, endpoints, manual
from delivery.webhooks import checks as conformance
from delivery.webhooks.portal import links
from delivery.webhooks.portal.views import visits
from delivery.webhooks.portal.views.visits import Visit
from delivery.webhooks.representation import response_text
from delivery.webhooks.selectors import checks, overviews
from delivery.webhooks.selectors import deliveries as stored_deliveries
from delivery.webhooks.selectors import endpoints as stored
from projects.models import Project

PAGE = 25
PHASES = {
    "name": "Lookup",
    "connect": "Connect",
    "tls": "TLS",
    "first_byte": "First byte",
    "total": "Total",
}
NOTICES = {
    "tested": "A test event is on its way. Reload this page in a few seconds.",
    "checked": "The check is under way. Reload this page in a few seconds.",
    "again": "The event is on its way. Reload this page in a few seconds.",
    "replay": "All failed events of this endpoint are sent again, in order.",
    "enabled": "The endpoint is enabled. It gets everything that happened meanwhile.",
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def open_link(request: HttpRequest) -> HttpResponse:
    """The address of a link. Its script takes the token from the fragment and posts it."""
    if request.method != "POST":
        return visits.page(request, "open.html")
    link = links.parse(request.POST.get("token", ""), at=timezone.now())
    if link is None:
        return visits.closed(request)
    return visits.begin(redirect("webhooks-portal"), link)


@visits.seen
def endpoint_list(request: HttpRequest, visit: Visit) -> HttpResponse:
    rows = overviews.with_lag(stored.of(visit.project_id)).order_by("-pk")
    cards = [_card(row, visit) for row in rows]
    return _page(request, visit, "endpoints.html", {"cards": cards})


@visits.seen
def endpoint_page(request: HttpRequest, visit: Visit, endpoint_id: str) -> HttpResponse:
    row = _endpoint(visit, endpoint_id)
    state = request.GET.get("state", "")
    state = state if state in DeliveryState.values else ""
    before = request.GET.get("before", "")
    listed = overviews.page(
        project_id=visit.project_id,
        endpoint_id=row.pk,
        state=state,
        before=before if ids.is_id(before, ids.prefix_of(WebhookDelivery)) else "",
        limit=PAGE,
    )
    attempts = overviews.last_attempts(listed.rows)
    context = {
        **_card(row, visit),
        "lines": [(each, attempts.get(each.pk)) for each in listed.rows],
        "next_before": listed.next_before,
        "state": state,
        "check": (newest := checks.newest(row)),
        "results": check_cases.titled(newest.results) if newest else [],
    }
    return _page(request, visit, "endpoint.html", context)


@visits.seen
def delivery_page(
    request: HttpRequest, visit: Visit, endpoint_id: str, delivery_id: str
) -> HttpResponse:
    row = _delivery(visit, endpoint_id, delivery_id)
    context = {
        "row": row,
        "endpoint": _endpoint(visit, endpoint_id),
        "attempts": _attempts(stored_deliveries.attempts_of(row)),
    }
    return _page(request, visit, "delivery.html", context)


@visits.acted
def send_test(request: HttpRequest, visit: Visit, endpoint_id: str) -> HttpResponse:
    row = _endpoint(visit, endpoint_id)
    delivery = manual.send_test(endpoint=row, actor=visit.link.actor, at=visit.at)
    return _to("delivery", "tested", endpoint_id=row.pk, delivery_id=delivery.pk)


@visits.acted
def check(request: HttpRequest, visit: Visit, endpoint_id: str) -> HttpResponse:
    row = _endpoint(visit, endpoint_id)
    try:
        conformance.plan(endpoint=row, actor=visit.link.actor, at=visit.at)
    except DomainError as refusal:
        return _refused(request, visit, endpoint_id, refusal)
    return _to("endpoint", "checked", endpoint_id=row.pk)


@visits.acted
def send_again(
    request: HttpRequest, visit: Visit, endpoint_id: str, delivery_id: str
) -> HttpResponse:
    row = _delivery(visit, endpoint_id, delivery_id)
    try:
        again = manual.send_again(delivery=row, actor=visit.link.actor, at=visit.at)
    except DomainError as refusal:
        return _refused(request, visit, endpoint_id, refusal)
    return _to("delivery", "again", endpoint_id=endpoint_id, delivery_id=again.pk)


@visits.acted
def replay_failed(request: HttpRequest, visit: Visit, endpoint_id: str) -> HttpResponse:
    row = _endpoint(visit, endpoint_id)
    try:
        manual.replay(
            endpoint=row,
            after=0,
            until=None,
            failed_only=True,
            actor=visit.link.actor,
            at=visit.at,
        )
    except DomainError as refusal:
        return _refused(request, visit, endpoint_id, refusal)
    return _to("endpoint", "replay", endpoint_id=row.pk)


@visits.acted
def enable(request: HttpRequest, visit: Visit, endpoint_id: str) -> HttpResponse:
    row = _endpoint(visit, endpoint_id)
    endpoints.change(endpoint=row, changes={"enabled": True}, actor=visit.link.actor, at=visit.at)
    return _to("endpoint", "enabled", endpoint_id=row.pk)


def _endpoint(visit: Visit, endpoint_id: str) -> WebhookEndpoint:
    """The endpoint of the link's project, with its lag. Raises NotFound."""
    row = overviews.with_lag(stored.of(visit.project_id)).filter(pk=endpoint_id).first()
    if row is None:
        raise NotFound
    return row


def _delivery(visit: Visit, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
    """The delivery to an endpoint of the link's project. Raises NotFound."""
    return stored_deliveries.get(
        project=visit.project_id, endpoint_id=endpoint_id, delivery_id=delivery_id
    )


def _card(row: Any, visit: Visit) -> dict[str, Any]:
    return {"endpoint": row, "condition": overviews.condition(row, at=visit.at)}


def _attempts(rows: Sequence[WebhookAttempt]) -> list[dict[str, Any]]:
    """Newest first, with the response as text."""
    return [
        {
            "row": row,
            "phases": [(label, row.phases.get(name)) for name, label in PHASES.items()],
            "response": response_text(row),
        }
        for row in reversed(rows)
    ]


def _page(
    request: HttpRequest, visit: Visit, template: str, context: dict[str, Any]
) -> HttpResponse:
    project = Project.objects.get(pk=visit.project_id)
    shared = {
        "project": project,
        "link": visit.link,
        "notice": NOTICES.get(request.GET.get("done", "")),
    }
    return visits.page(request, template, {**shared, **context})


def _refused(
    request: HttpRequest, visit: Visit, endpoint_id: str, refusal: DomainError
) -> HttpResponse:
    context = {
        "title": refusal.title,
        "detail": refusal.detail,
        "endpoint": _endpoint(visit, endpoint_id),
    }
    response = _page(request, visit, "refused.html", context)
    response.status_code = refusal.status
    return response


def _to(name: str, done: str, **names: str) -> HttpResponse:
    """See the page, with a notice."""
    return redirect(reverse(f"webhooks-portal-{name}", kwargs=names, query={"done": done}))
