"""For every write to Stripe: how to request it and how to count its effects."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.utils import timezone

from billing.models import (
    Checkout,
    Coupon,
    Payment,
    PortalConfiguration,
    Price,
    Product,
    PromotionCode,
    Refund,
    StripeCustomer,
)
from common.ids import new_id
from sandbox import meter_usage
from tests.chaos.write_bench import Bench, Case, promotion_code_params
from tests.factories.projects import CustomerFactory
from tests.shop import RETURN


def customer(bench: Bench) -> Case:
    person = CustomerFactory.create(project=bench.shop.project)
    row = bench.row(StripeCustomer, customer=person)
    return bench.makes(row, {"name": "Ada"}, "customer")


def product(bench: Bench) -> Case:
    return bench.makes(bench.row(Product, name="Pro"), {"name": "Pro"}, "product")


def price(bench: Bench) -> Case:
    row = bench.row(Price, product=bench.product, type="one_time", currency="usd", unit_amount=500)
    params = {"product": bench.product.stripe_id, "currency": "usd", "unit_amount": 500}
    return bench.makes(row, params, "price")


def checkout(bench: Bench) -> Case:
    row = bench.row(
        Checkout,
        customer=bench.buyer.customer,
        type="item",
        success_url=RETURN,
        currency="usd",
    )
    params = {
        "mode": "payment",
        "customer": bench.buyer.stripe_id,
        "line_items": [{"price": bench.once.stripe_id, "quantity": 1}],
        "success_url": RETURN,
    }
    return bench.makes(row, params, "checkout.session")


def payment(bench: Bench) -> Case:
    row = bench.row(Payment, customer=bench.buyer.customer, currency="usd", amount=500)
    params = {"amount": 500, "currency": "usd", "customer": bench.buyer.stripe_id}
    return bench.makes(row, params, "payment_intent")


def refund(bench: Bench) -> Case:
    paid = bench.shop.pay(bench.buyer, 500)
    of = bench.row(
        Payment, customer=bench.buyer.customer, currency="usd", amount=500, stripe_id=paid
    )
    row = bench.row(
        Refund,
        payment=of,
        status="pending",
        currency="usd",
        amount=100,
        refunded_at=timezone.now(),
    )
    params = {"payment_intent": paid, "amount": 100}
    return bench.makes(row, params, "refund")


def canceled_refund(bench: Bench) -> Case:
    """Stripe cancels only refunds that wait for the buyer, which cards never do."""
    refund_id = bench.v1.refunds.create({"payment_intent": bench.shop.pay(bench.buyer, 500)}).id
    case = bench.ends(refund_id, bench.v1.refunds, status="canceled")
    return replace(case, is_refused=True)


def coupon(bench: Bench) -> Case:
    row = bench.row(Coupon, percent_off=10, duration="once")
    return bench.makes(row, {"percent_off": "10", "duration": "once"}, "coupon")


def promotion_code(bench: Bench) -> Case:
    parent = Coupon.objects.create(
        project=bench.shop.project, account=bench.shop.account, percent_off=10, duration="once"
    )
    row = bench.row(PromotionCode, coupon=parent, code="")
    return bench.makes(row, promotion_code_params(bench.coupon), "promotion_code")


def schedule(bench: Bench) -> Case:
    subscription = bench.subscribe()

    def done() -> int:
        with bench.shop.stripe.world.transaction() as tx:
            of_it = tx.list_ids(
                "subscription_schedule", lambda each: bool(each["subscription"] == subscription)
            )
        return len(of_it)

    return Case({"from_subscription": subscription}, done, target=subscription)


def portal(bench: Bench) -> Case:
    row = bench.row(PortalConfiguration, digest=new_id("digest"))
    params = {"features": {"invoice_history": {"enabled": True}}}
    return bench.makes(row, params, "billing_portal.configuration")


def visit(bench: Bench) -> Case:
    """A link into the portal; an unused second link does no harm."""
    buyer = str(bench.v1.customers.create({}).id)
    configuration = bench.portal

    def done() -> int:
        with bench.shop.stripe.world.transaction() as tx:
            kind = "billing_portal.session"
            return min(1, len(tx.list_ids(kind, lambda each: bool(each["customer"] == buyer))))

    return Case({"customer": buyer, "configuration": configuration}, done, target=buyer)


def deleted_customer(bench: Bench) -> Case:
    customer_id = bench.v1.customers.create({}).id

    def done() -> int:
        return int(bool(bench.v1.customers.retrieve(customer_id).to_dict().get("deleted")))

    return Case({}, done, target=customer_id)


def deleted_coupon(bench: Bench) -> Case:
    coupon_id = bench.v1.coupons.create({"percent_off": 10, "duration": "once"}).id

    def done() -> int:
        with bench.shop.stripe.world.transaction() as tx:
            stripe_object = tx.get("coupon", coupon_id)
        return int(stripe_object is None or bool(stripe_object.get("deleted")))

    return Case({}, done, target=coupon_id)


def meter(bench: Bench) -> Case:
    """Meters carry no metadata: the name of their events identifies them."""
    name = new_id("mtr")
    params = {
        "display_name": "Calls",
        "event_name": name,
        "default_aggregation": {"formula": "sum"},
    }

    def done() -> int:
        with bench.shop.stripe.world.transaction() as tx:
            return len(tx.list_ids("billing.meter", lambda each: bool(each["event_name"] == name)))

    return Case(params, done, target=name)


def meter_event(bench: Bench) -> Case:
    """Sent outside of intents, and as safe: the event's identifier removes duplicates."""
    identifier = new_id("use")

    def done() -> int:
        with bench.shop.stripe.world.transaction() as tx:
            return len(tx.list_ids(meter_usage.EVENT, lambda each: bool(each["id"] == identifier)))

    return Case(event(bench, identifier), done, target=identifier)


def canceled_meter_event(bench: Bench) -> Case:
    identifier = new_id("use")
    event_fields = event(bench, identifier)
    bench.v1.billing.meter_events.create(event_fields)

    def done() -> int:
        with bench.shop.stripe.world.transaction() as tx:
            return int(tx.path_object(meter_usage.EVENT, identifier)["canceled"])

    params = {
        "event_name": event_fields["event_name"],
        "type": "cancel",
        "cancel": {"identifier": identifier},
    }
    return Case(params, done, target=identifier)


def event(bench: Bench, identifier: str) -> dict[str, Any]:
    payload = {"stripe_customer_id": str(bench.buyer.stripe_id), "value": "5"}
    return {"event_name": bench.meter, "identifier": identifier, "payload": payload}


RECIPES: dict[str, Callable[[Bench], Case]] = {
    "customer.create": customer,
    "customer.update": lambda bench: bench.labels(str(bench.buyer.stripe_id), bench.v1.customers),
    "customer.delete": deleted_customer,
    "portal_configuration.create": portal,
    "portal_configuration.update": lambda bench: bench.labels(
        bench.portal, bench.v1.billing_portal.configurations
    ),
    "portal_session.create": visit,
    "product.create": product,
    "product.update": lambda bench: bench.labels(str(bench.product.stripe_id), bench.v1.products),
    "price.create": price,
    "price.update": lambda bench: bench.labels(str(bench.price.stripe_id), bench.v1.prices),
    "checkout_session.create": checkout,
    "checkout_session.expire": lambda bench: bench.ends(
        bench.page(), bench.v1.checkout.sessions, status="expired"
    ),
    "payment_intent.create": payment,
    "payment_intent.cancel": lambda bench: bench.ends(
        bench.intent(), bench.v1.payment_intents, status="canceled"
    ),
    "payment_method.detach": lambda bench: bench.ends(
        bench.card(), bench.v1.payment_methods, customer=None
    ),
    "refund.create": refund,
    "refund.cancel": canceled_refund,
    "subscription.update": lambda bench: bench.labels(bench.subscription, bench.v1.subscriptions),
    "subscription.cancel": lambda bench: bench.ends(
        bench.subscribe(), bench.v1.subscriptions, status="canceled"
    ),
    "subscription.resume": lambda bench: bench.ends(
        bench.paused(), bench.v1.subscriptions, status="active"
    ),
    "subscription_schedule.create": schedule,
    "subscription_schedule.update": lambda bench: bench.labels(
        bench.schedule, bench.v1.subscription_schedules
    ),
    "subscription_schedule.release": lambda bench: bench.ends(
        bench.v1.subscription_schedules.create({"from_subscription": bench.subscribe()}).id,
        bench.v1.subscription_schedules,
        status="released",
    ),
    "coupon.create": coupon,
    "coupon.update": lambda bench: bench.labels(bench.coupon, bench.v1.coupons),
    "coupon.delete": deleted_coupon,
    "meter.create": meter,
    "meter_event.create": meter_event,
    "meter_event_adjustment.create": canceled_meter_event,
    "promotion_code.create": promotion_code,
    "promotion_code.update": lambda bench: bench.labels(
        bench.promotion_code, bench.v1.promotion_codes
    ),
}
