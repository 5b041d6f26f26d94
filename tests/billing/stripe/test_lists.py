"""Lists at Stripe stay within its limits, and a bad object ends only itself."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from billing.models import Price, StripeCustomer
from billing.stripe import invoice_payments, invoices, products
from billing.stripe.client import client_with
from billing.stripe.errors import StripeMalformed, StripeRefused
from billing.stripe.snapshots import UnreadableObject
from billing.sync.kinds import KINDS
from sandbox import bank
from sandbox.world import DEFAULT_SECRET_KEY
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

LEVELS = 4
"""Stripe's limit of names in a path of ``expand``; ``data`` is one. docs.stripe.com/expand"""


@pytest.fixture
def requests(stripe: SandboxStripe, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of Stripe from here on: paths with their queries."""
    seen: list[str] = []
    send = stripe.transport.request

    def counted(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(url.split("/v1/")[1])
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(stripe.transport, "request", counted)
    return seen


def paths_of(requests: list[str]) -> list[str]:
    return [urlsplit(each).path for each in requests]


def expansions(requests: list[str]) -> set[str]:
    queries = [parse_qsl(urlsplit(each).query) for each in requests]
    return {value for query in queries for name, value in query if name.startswith("expand")}


def sell(shop: Shop, monthly: Price, card: str = "pm_card_visa") -> list[str]:
    """Invoices paid at once, of a bank debit under way, and of a card that is declined; the newest
    that is paid is called fraudulent."""
    subscription_ids = []
    for number, method in enumerate((card, "pm_usBankAccount_success", "pm_card_visa")):
        buyer = shop.buyer(f"{card}-{number}", card=method)
        if number == 2:
            shop.stripe.decline_payments(str(buyer.stripe_id))
        subscription_ids.append(shop.subscribe(buyer, monthly))
    paid = next(
        each for each in shop.stripe.v1.payment_intents.list().data if each.status == "succeeded"
    )
    bank.issue_fraud_warning(shop.stripe.world, paid.id)
    return subscription_ids


def test_every_kind_is_listed_and_read_within_the_limit_of_expansion(
    shop: Shop, alice: StripeCustomer, monthly: Price, requests: list[str]
) -> None:
    sell(shop, monthly)
    coupon = shop.stripe.v1.coupons.create({"percent_off": 10, "duration": "once"}).id
    shop.stripe.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon}})
    shop.checkout(alice, monthly)
    requests.clear()
    client = client_with(DEFAULT_SECRET_KEY)
    for mirrored in KINDS.values():
        listed = list(mirrored.iterate(client))
        assert listed, mirrored.kind
        for each in listed:
            assert mirrored.retrieve(client, each.stripe_id) == each
    expanded_paths = expansions(requests)
    assert {"data.payments", "payments.data.payment.payment_intent"} <= expanded_paths
    assert max(len(path.split(".")) for path in expanded_paths) <= LEVELS


def test_payments_under_way_are_told_apart_in_a_list_too(shop: Shop, monthly: Price) -> None:
    sell(shop, monthly)
    listed = invoices.iterate(client_with(DEFAULT_SECRET_KEY))
    statuses = [
        payment.status
        for invoice in listed
        if not isinstance(invoice, UnreadableObject)
        for payment in invoice.payments
    ]
    assert sorted(statuses) == ["open", "paid", "processing"]


def test_a_page_of_open_invoices_takes_one_more_call(
    shop: Shop, monthly: Price, requests: list[str]
) -> None:
    for number in range(12):
        buyer = shop.buyer(f"late-{number}", card="pm_usBankAccount_success")
        shop.subscribe(buyer, monthly)
    requests.clear()
    listed = list(invoices.iterate(client_with(DEFAULT_SECRET_KEY)))
    assert len(listed) == 12
    assert paths_of(requests) == ["invoices", "invoice_payments"]


def test_what_the_list_of_open_payments_leaves_out_is_read_alone(
    shop: Shop, monthly: Price, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment that was made long after its invoice is not among those of that time."""
    monkeypatch.setattr(invoice_payments, "MOST_PAGES", 1)
    monkeypatch.setattr(invoice_payments, "PAGE", 2)
    for number in range(5):
        shop.subscribe(shop.buyer(f"b-{number}", card="pm_usBankAccount_success"), monthly)
    requests.clear()
    client = client_with(DEFAULT_SECRET_KEY)
    listed = list(invoices.iterate(client))
    assert paths_of(requests).count("invoice_payments") == 1 + 3
    assert listed == [invoices.retrieve(client, each.stripe_id) for each in listed]


def test_without_permission_to_list_payments_only_open_invoices_cannot_be_read(
    shop: Shop, monthly: Price
) -> None:
    sell(shop, monthly)
    refusal = '{"error": {"type": "invalid_request_error", "message": "No."}}'
    shop.stripe.fail(
        "malformed_before", path="/v1/invoice_payments", times=9, status=400, body=refusal
    )
    listed = list(invoices.iterate(client_with(DEFAULT_SECRET_KEY)))
    unreadable = [each for each in listed if isinstance(each, UnreadableObject)]
    assert (len(listed), len(unreadable)) == (3, 2)
    assert all(isinstance(each.error, StripeRefused) for each in unreadable)


@pytest.mark.parametrize("mirrored", KINDS.values(), ids=lambda each: str(each.kind))
def test_one_object_that_cannot_be_mapped_is_left_out_of_its_list(
    mirrored: Any, shop: Shop, alice: StripeCustomer, monthly: Price
) -> None:
    for number in range(2):
        sell(shop, monthly, card=("pm_card_visa", "pm_card_mastercard")[number])
        coupon = shop.stripe.v1.coupons.create({"percent_off": 10, "duration": "once"}).id
        shop.stripe.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon}})
        shop.price(shop.product(f"Other {number}"))
        shop.checkout(alice, monthly)
    client = client_with(DEFAULT_SECRET_KEY)
    whole = list(mirrored.iterate(client))
    shop.stripe.fail("malformed_after", method="GET", without=["id"], place=1)
    first, second, *others = mirrored.iterate(client)
    assert isinstance(second, UnreadableObject)
    assert isinstance(second.error, StripeMalformed)
    assert [first, *others] == [whole[0], *whole[2:]]


def test_a_list_that_repeats_a_page_ends(shop: Shop, requests: list[str]) -> None:
    shop.product("One")
    page = {**shop.stripe.v1.products.list().to_dict(for_json=True), "has_more": True}
    shop.stripe.fail("malformed_before", path="/v1/products", times=9, body=json.dumps(page))
    requests.clear()
    with pytest.raises(StripeMalformed, match="repeats a page"):
        list(products.iterate(client_with(DEFAULT_SECRET_KEY)))
    assert len(requests) == 2
