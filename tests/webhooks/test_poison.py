"""Odd bodies with a valid signature are kept and answered 200."""

import json
from collections.abc import Callable

import pytest

from billing.models import StripeCustomer, SyncObject
from tests.shop import Shop
from tests.webhooks.stripe_post import StripePost, event
from webhooks.models import InboundEvent

UNUSABLE: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"hello",
    "a list": b"[]",
    "null": b"null",
    "true": b"true",
    "a string": b'"x"',
    "a number": b"1",
    "invalid UTF-8": b'{"id": "evt_\xff"}',
    "half an object": b'{"id": "evt_1", "type": "product.updated"',
    "two objects": b"{}{}",
    "100,000 deep": b"[" * 100_000,
    "deep in an object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "no id": json.dumps({"type": "product.updated"}).encode(),
    "id is null": json.dumps(event(id=None)).encode(),
    "id is a number": json.dumps(event(id=1)).encode(),
    "id is empty": json.dumps(event(id="")).encode(),
    "id with NUL": json.dumps(event(id="evt_\0")).encode(),
    "id is half a surrogate": json.dumps(event(id="evt_\ud800")).encode(),
    "id is too long": json.dumps(event(id="e" * 256)).encode(),
    "no type": json.dumps({"id": "evt_1"}).encode(),
    "type is a list": json.dumps({**event(), "type": []}).encode(),
    "type with NUL": json.dumps(event(type="product.\0")).encode(),
    "type is too long": json.dumps(event(type="x" * 121)).encode(),
    "livemode is a word": json.dumps(event(livemode="no")).encode(),
    "livemode is null": json.dumps(event(livemode=None)).encode(),
    "a number of 5,000 digits": b'{"id": ' + b"9" * 5000 + b"}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": json.dumps(event()).encode("utf-16"),
}
HARMLESS: dict[str, bytes] = {
    "NUL in metadata": json.dumps(event(note="a\0b")).encode(),
    "half a surrogate in metadata": json.dumps(event(note="\ud83d")).encode(),
    "a huge number": b'{"big": 1e131073, ' + json.dumps(event()).encode()[1:],
    "a long number": b'{"big": ' + b"9" * 300 + b", " + json.dumps(event()).encode()[1:],
    "NaN": b'{"nan": NaN, ' + json.dumps(event()).encode()[1:],
    "the same key twice": b'{"id": "evt_0", ' + json.dumps(event()).encode()[1:],
    "a script": json.dumps(event(note="<svg onload=alert(1)>")).encode(),
    "prototype": json.dumps(event(__proto__={"id": "x"})).encode(),
    "bidi": json.dumps(event(note="\u202e")).encode(),
    "half a megabyte of note": json.dumps(event(note="x" * 500_000)).encode(),
}
NAMES_NOTHING: dict[str, object] = {
    "no data": {"data": None},
    "data is a list": {"data": []},
    "no object": {"data": {}},
    "object is a word": {"data": {"object": "x"}},
    "object has no id": {"data": {"object": {}}},
    "its id is a number": {"data": {"object": {"id": 7}}},
    "its id is empty": {"data": {"object": {"id": ""}}},
    "its id has NUL": {"data": {"object": {"id": "prod_\0"}}},
    "its id is half a surrogate": {"data": {"object": {"id": "\udfff"}}},
    "its id is too long": {"data": {"object": {"id": "p" * 256}}},
    "its id is a list": {"data": {"object": {"id": ["prod_1"]}}},
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_bodies_are_quarantined(post: StripePost, name: str) -> None:
    for _ in range(2):
        assert post(UNUSABLE[name]).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert bytes(inbound_event.body) == UNUSABLE[name]
    assert (inbound_event.status, inbound_event.deliveries) == ("quarantined", 2)
    assert inbound_event.quarantined
    assert SyncObject.objects.count() == 0


@pytest.mark.parametrize("name", HARMLESS)
def test_odd_but_usable_bodies_are_used(post: StripePost, name: str) -> None:
    assert post(HARMLESS[name]).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert bytes(inbound_event.body) == HARMLESS[name]
    assert (inbound_event.event_id, inbound_event.status) == ("evt_1", "waiting")


@pytest.mark.parametrize("name", NAMES_NOTHING)
def test_events_that_name_nothing_are_ignored(post: StripePost, name: str) -> None:
    body = {**event(), **NAMES_NOTHING[name]}  # type: ignore[dict-item]  # odd on purpose
    assert post(body).status_code == 200
    assert InboundEvent.objects.get().status == "ignored"


def test_odd_text_at_stripe_is_mirrored_with_a_replacement(
    shop: Shop, alice: StripeCustomer, drain: Callable[[], None]
) -> None:
    """What PostgreSQL cannot hold becomes U+FFFD; the object is not parked for it."""
    with shop.stripe.world.transaction() as tx:
        customer = tx.path_object("customer", str(alice.stripe_id))
        with tx.updating(customer, "customer.updated"):
            customer["name"] = "A\0lice \ud83d"
    drain()
    alice.refresh_from_db()
    assert alice.name == "A\ufffdlice \ufffd"
    assert not SyncObject.objects.filter(parked_at__isnull=False).exists()
