"""A second live subscription made at Stripe by hand is shown as a duplicate."""

from collections.abc import Callable

from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import Price, StripeCustomer
from tests.api_client import ApiClient
from tests.billing import outbox_events
from tests.shop import Shop

Drain = Callable[[], None]


def doubles(api: ApiClient) -> dict[str, str | None]:
    """What each subscription doubles, oldest first."""
    rows = api.get("/subscriptions").json()["data"]
    return {each["id"]: each["duplicate_of"] for each in reversed(rows)}


def test_a_duplicate_subscription_is_shown_to_tenant_and_operators(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, api: ApiClient,
    administrator: Client,
) -> None:  # fmt: skip
    other = shop.price(shop.product("Other"))
    bob = shop.buyer("bob")
    first = shop.subscribe(alice, monthly)
    drain()
    for buyer, price in ((alice, monthly), (alice, other), (bob, monthly)):
        shop.subscribe(buyer, price)
        drain()
    older, second, *others = doubles(api)
    assert doubles(api) == {older: None, second: older, **dict.fromkeys(others)}
    one = api.get(f"/subscriptions/alice/{monthly.product_id}").json()
    assert (one["id"], one["duplicate_of"]) in {(older, None), (second, older)}
    data_of_events = [
        each.data for each in outbox_events.events(shop.project, "subscription.created")
    ]
    assert [each["duplicate_of"] for each in data_of_events] == [None, older, None, None]

    listing = "/admin/billing/subscription/"
    html = administrator.get(listing, {"duplicates": "of_an_older_one"}).content.decode()
    assert second in html
    assert not [each for each in others if each in html]
    page = administrator.get(f"{listing}{second}/change/").content.decode()
    assert f"{listing}{quote(older)}/change/" in page

    shop.stripe.v1.subscriptions.cancel(first)
    drain()
    assert set(doubles(api).values()) == {None}


def test_the_query_count_of_lists_is_constant(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, api: ApiClient
) -> None:
    def queries() -> int:
        drain()
        with CaptureQueriesContext(connection) as captured:
            assert api.get("/subscriptions").status_code == 200
        return len(captured)

    shop.subscribe(alice, monthly)
    queries()
    few = queries()
    for _ in range(3):
        shop.subscribe(alice, monthly)
    assert queries() == few
