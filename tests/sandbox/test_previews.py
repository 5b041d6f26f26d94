"""``create_preview`` shows to the cent what the change then costs."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

MONTH = 31 * DAY


def preview(shop, **params):
    return shop.client.v1.invoices.create_preview(params)


def lines(invoice):
    return [
        (line.amount, line.description, line.period.start, line.period.end)
        for line in invoice.lines.data
    ]


@pytest.fixture
def subscription(shop):
    """Of $31.00 a month: a dollar a day."""
    return shop.subscribe(shop.price(3100))


@pytest.fixture
def changes(shop, subscription):
    """Every way to change the items, each with the parameters of preview and update."""
    id = subscription["items"].data[0].id
    dear, cheap, yearly = shop.price(9900), shop.price(777), shop.price(30_000, "year")
    shop.news()
    return {
        "upgrade": {"items": [{"id": id, "price": dear}]},
        "downgrade": {"items": [{"id": id, "price": cheap}]},
        "seats": {"items": [{"id": id, "quantity": 7}]},
        "added": {"items": [{"price": cheap, "quantity": 3}]},
        "swapped": {"items": [{"id": id, "deleted": True}, {"price": dear}]},
        "interval": {"items": [{"id": id, "price": yearly}]},
        "anchor": {"billing_cycle_anchor": {"type": "now"}},
    }


AT_ONCE = ("interval", "anchor")
KINDS = ("upgrade", "downgrade", "seats", "added", "swapped", *AT_ONCE)


def snapshot(world):
    return {key: body for key, body in world.store.items() if not key[1].startswith("_")}


@pytest.mark.parametrize("behavior", ["always_invoice", "create_prorations", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_preview_equals_what_follows(shop, world, subscription, changes, kind, behavior):
    shop.later(seconds=10 * DAY + 12_345)
    details = {**changes[kind], "proration_behavior": behavior}
    if behavior != "none":
        details["proration_date"] = world.clock.now()
    before = snapshot(world)
    invoice_preview = preview(shop, subscription=subscription.id, subscription_details=details)
    assert snapshot(world) == before
    assert shop.news() == []
    assert invoice_preview.id.startswith("upcoming_in_")
    assert (invoice_preview.status, invoice_preview.billing_reason) == ("draft", "upcoming")
    shop.later(seconds=17)  # while the payer thinks
    shop.client.v1.subscriptions.update(subscription.id, details)
    if behavior != "always_invoice" and kind not in AT_ONCE:
        shop.until(NOW + MONTH)
    invoice = shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]
    if kind in AT_ONCE:  # a period that begins now begins when it is asked for
        assert [line[:2] for line in lines(invoice_preview)] == [
            line[:2] for line in lines(invoice)
        ]
    else:
        assert lines(invoice_preview) == lines(invoice)
    for name in ("total", "subtotal", "amount_due", "starting_balance", "currency"):
        assert invoice_preview[name] == invoice[name], name


def test_the_next_renewal_can_be_previewed(shop, subscription):
    invoice_preview = preview(shop, customer=subscription.customer)
    assert (invoice_preview.total, invoice_preview.created, invoice_preview.period_end) == (
        3100,
        NOW + MONTH,
        NOW + MONTH,
    )
    assert lines(invoice_preview) == [
        (3100, "1 × Pro (at $31.00 / month)", NOW + MONTH, NOW + MONTH + 28 * DAY)
    ]
    shop.client.v1.invoice_items.create(
        {"customer": subscription.customer, "amount": 500, "currency": "usd"}
    )
    extra = [{"amount": -100, "currency": "usd", "description": "Sorry"}]
    invoice_preview = preview(shop, subscription=subscription.id, invoice_items=extra)
    assert [line.amount for line in invoice_preview.lines.data] == [3100, 500, -100]
    invoice_preview = preview(shop, subscription=subscription.id, preview_mode="recurring")
    assert [line.amount for line in invoice_preview.lines.data] == [3100]


def test_prorations_are_marked_with_their_moment(shop, subscription, changes):
    shop.later(10)
    details = {**changes["upgrade"], "proration_date": NOW + 9 * DAY}
    invoice_preview = preview(shop, subscription=subscription.id, subscription_details=details)
    assert [line.amount for line in invoice_preview.lines.data] == [9900, -2200, 7026]
    parent = invoice_preview.parent.subscription_details
    assert (parent.subscription, parent.subscription_proration_date) == (
        subscription.id,
        NOW + 9 * DAY,
    )
    assert [
        line.parent.subscription_item_details.proration for line in invoice_preview.lines.data
    ] == [
        False,
        True,
        True,
    ]


def test_a_new_subscription(shop):
    customer, price = shop.customer(), shop.price(3100)
    details = {"items": [{"price": price, "quantity": 2}]}
    invoice_preview = preview(shop, customer=customer, subscription_details=details)
    assert (invoice_preview.total, invoice_preview.parent) == (6200, None)
    trial = details | {"trial_end": NOW + 5 * DAY}
    assert preview(shop, customer=customer, subscription_details=trial).total == 0
    anchor = {"type": "timestamp", "timestamp": NOW + 10 * DAY}
    part = details | {"billing_cycle_anchor": anchor}
    assert preview(shop, customer=customer, subscription_details=part).total == 2000
    assert shop.client.v1.subscriptions.list().data == []


def test_a_preview_includes_discounts(shop, subscription, changes):
    half = shop.client.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    chosen = [{"coupon": half.id}]
    shop.later(10)
    details = {**changes["upgrade"], "proration_behavior": "always_invoice"}
    invoice_preview = preview(
        shop, subscription=subscription.id, subscription_details=details, discounts=chosen
    )
    assert shop.client.v1.coupons.retrieve(half.id).times_redeemed == 0
    shop.client.v1.subscriptions.update(subscription.id, {**details, "discounts": chosen})
    invoice = shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert (invoice_preview.total, lines(invoice_preview)) == (invoice.total, lines(invoice))
    new = {"items": [{"price": shop.price(3100)}]}
    first = preview(
        shop, customer=subscription.customer, subscription_details=new, discounts=chosen
    )
    assert (first.subtotal, first.total) == (3100, 1550)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        preview(shop, customer=subscription.customer, discounts=chosen)
    assert error_of(raised).param == "discounts"


def test_an_end_and_a_cancellation_can_be_previewed(shop, subscription):
    shop.later(10)
    id = subscription.id
    with pytest.raises(stripe.InvalidRequestError) as raised:
        preview(shop, subscription=id, subscription_details={"cancel_at_period_end": True})
    assert raised.value.http_status == 404
    assert error_of(raised).code == "invoice_upcoming_none"
    invoice_preview = preview(shop, subscription=id, subscription_details={"cancel_now": True})
    assert (invoice_preview.total, invoice_preview.amount_due) == (-2100, 0)
    ends_later = {"cancel_at": NOW + 40 * DAY}
    assert preview(shop, subscription=id, subscription_details=ends_later).total == 3100
    assert shop.subscription(id).cancel_at is None
    shop.client.v1.subscriptions.cancel(id)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        preview(shop, subscription=id)
    assert error_of(raised).code == "invoice_upcoming_none"


def test_a_preview_includes_a_trial(shop):
    trialing = shop.subscribe(shop.price(2000), trial_period_days=7)
    invoice_preview = preview(shop, subscription=trialing.id)
    assert (invoice_preview.total, invoice_preview.created) == (2000, NOW + 7 * DAY)
    ended = preview(shop, subscription=trialing.id, subscription_details={"trial_end": "now"})
    assert (ended.total, ended.created) == (2000, NOW)


@pytest.mark.parametrize("anchor", ["now", "unchanged"])
def test_a_resumption_can_be_previewed(shop, world, subscription, anchor):
    shop.later(10)
    shop.client.v1.subscriptions.pause(subscription.id)
    shop.later(30)
    sent = {
        "billing_cycle_anchor": {"type": anchor},
        "proration_behavior": "always_invoice",
    }
    details = {"resume_at": "now", **sent}
    invoice_preview = preview(shop, subscription=subscription.id, subscription_details=details)
    assert shop.subscription(subscription.id).status == "paused"
    shop.client.v1.subscriptions.resume(subscription.id, sent)
    invoice = shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert (lines(invoice_preview), invoice_preview.total) == (lines(invoice), invoice.total)
    with pytest.raises(stripe.InvalidRequestError, match="only paused"):
        preview(shop, subscription=subscription.id, subscription_details=details)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "customer"),
        ({"customer": "cus_gone"}, "customer"),
        ({"subscription": "sub_gone"}, "subscription"),
        ({"issuer": {"type": "self"}, "subscription": ...}, "issuer"),
        ({"subscription": ..., "customer": "other"}, "subscription"),
        (
            {"subscription": ..., "subscription_details": {"proration_date": 1}},
            "proration_date",
        ),
        (
            {
                "subscription": ...,
                "subscription_details": {"proration_date": NOW, "proration_behavior": "none"},
            },
            "subscription_details[proration_date]",
        ),
        (
            {
                "subscription": ...,
                "subscription_details": {
                    "billing_cycle_anchor": {"type": "timestamp", "timestamp": NOW + 5}
                },
            },
            "subscription_details[billing_cycle_anchor][type]",
        ),
        ({"subscription": ..., "subscription_details": {"coupon": "x"}},
         "subscription_details[coupon]"),
    ],
)  # fmt: skip
def test_invalid_previews_are_refused(shop, subscription, params, param):
    sent = {key: subscription.id if value is ... else value for key, value in params.items()}
    with pytest.raises(stripe.InvalidRequestError) as raised:
        preview(shop, **sent)
    assert raised.value.http_status == 400
    assert error_of(raised).param == param
