"""Operators make and revoke links to the webhook portal, with a reason."""

import html
import re

import pytest
from django.test import Client

from delivery.models import WebhookEndpoint
from events.models import AuditEntry
from tests.console.dialogs import send, was_done
from tests.delivery.webhooks.conftest import URL

pytestmark = pytest.mark.django_db


def test_an_operator_makes_and_revokes_links_for_developers(
    operator: Client, endpoint: WebhookEndpoint
) -> None:
    listing = "/admin/delivery/webhookendpoint"
    project = endpoint.project
    shown = send(
        operator, f"{listing}/portal-link/", project=project.pk, access="see", hours=2
    ).text
    match = re.search(r"/webhooks-portal/open#([^<\s]+)", shown)
    assert match, shown
    browser = Client()
    token = html.unescape(match[1])
    assert browser.post("/webhooks-portal/open", {"token": token}).status_code == 302
    assert URL in browser.get("/webhooks-portal/").text
    assert was_done(send(operator, f"{listing}/revoke-portal-links/", project=project.pk))
    assert browser.get("/webhooks-portal/").status_code == 404
    actions = AuditEntry.objects.filter(subject=project.pk, reason="The customer asked.")
    assert set(actions.values_list("action", "actor")) == {
        ("webhook_portal.link_created", "operator:operator"),
        ("webhook_portal.links_revoked", "operator:operator"),
    }


def test_a_viewer_makes_no_links(viewer: Client, endpoint: WebhookEndpoint) -> None:
    values = {"project": endpoint.project_id, "access": "act", "hours": 1}
    for name in ("portal-link", "revoke-portal-links"):
        assert send(viewer, f"/admin/delivery/webhookendpoint/{name}/", **values).status_code == 403
