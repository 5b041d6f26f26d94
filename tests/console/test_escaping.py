"""The console shows text of tenants and Stripe without interpreting markup.

Pages of rows and dialogs are tried in ``test_access``, which opens all of them.
"""

import json
import re

import pytest
from django.test import Client

from tests.console.world import World, build

pytestmark = pytest.mark.django_db

PAYLOAD = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
LIVE = re.compile(r"<script>alert|<img src=x|onerror=alert\(2\)>")


def test_home_and_search_escape_foreign_text(administrator: Client) -> None:
    world = build(name=PAYLOAD[:80])

    home = administrator.get("/admin/")
    response = administrator.get("/admin/search/", {"s": world.customer.user_id, "extended": "1"})

    assert "&lt;script&gt;alert(1)" in home.text
    assert not LIVE.search(home.text)
    assert world.customer.user_id in response.text
    assert not LIVE.search(response.text)


def test_the_payload_of_an_event_is_escaped(world: World, administrator: Client) -> None:
    world.event.body = json.dumps({"note": PAYLOAD}).encode()
    world.event.save()

    answer = administrator.get(f"/admin/webhooks/inboundevent/{world.event.pk}/change/")

    assert not LIVE.search(answer.text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"\xff\xfe\x00{", "\\xff\\xfe\\0{"),
        (b'{"a": "\\ud800"}', "{&quot;a&quot;: &quot;\\ud800&quot;}"),
        (b"[" * 5000, "[[[["),
        (b'{"a": ' + b"1" * 5000 + b"}", "1111"),
        (b'{"a": 1}', "{\n  &quot;a&quot;: 1\n}"),
        (b'"' + b"x" * 300_000 + b'"', "and 100,002 more characters"),
    ],
)
def test_odd_bytes_of_an_event_are_shown_as_text(
    body: bytes, shown: str, world: World, administrator: Client
) -> None:
    world.event.body = body
    world.event.save()

    answer = administrator.get(f"/admin/webhooks/inboundevent/{world.event.pk}/change/")

    assert answer.status_code == 200
    assert shown in answer.text


def test_an_invoice_address_with_another_scheme_is_no_link(
    world: World, administrator: Client
) -> None:
    world.invoice.hosted_url = "javascript:alert(1)"
    world.invoice.save()

    answer = administrator.get(f"/admin/billing/invoice/{world.invoice.pk}/change/")

    assert 'href="javascript' not in answer.text


def test_pages_name_no_other_host(administrator: Client) -> None:
    answer = administrator.get("/admin/")

    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]+', answer.text)
    assert "script-src 'self' 'unsafe-eval'" in answer["Content-Security-Policy"]


def test_no_page_can_be_framed(client: Client, db: None) -> None:
    for path in ("/admin/login/", "/api/docs", "/docs/errors"):
        answer = client.get(path)
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"], path
        assert answer["X-Frame-Options"] == "DENY", path
