"""All writes that we send to Stripe, one entry per operation.

The parameters are Stripe's own, built by the functions of ``billing.stripe.<resource>``.
``billing.stripe.writes`` sends them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from billing.stripe.fields import Fields

PAGE = 100
OBJECTS = {
    "checkout_session": "checkout.session",
    "meter": "billing.meter",
    "meter_event": "billing.meter_event",
    "meter_event_adjustment": "billing.meter_event_adjustment",
    "portal_configuration": "billing_portal.configuration",
    "portal_session": "billing_portal.session",
}
"""Stripe's names of the objects that operations create or change, where they differ from ours."""

Send = Callable[[Any, str, Any, Any], Any]
"""Called with the client, the id of the changed object (empty for a creation), parameters and
options."""
Since = Callable[[Any, Fields, int], Iterable[Any]]
"""Called with the client, parameters and Unix seconds; lists objects created since, newest
first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One operation at Stripe.

    ``news`` names the mirrored object that changes: its kind, and where its id is found (``id`` of
    the answer, ``target``, or the name of a parameter). ``since`` lists objects that the operation
    creates; None if it creates none that must be found again. ``gone_is_done``: Stripe refuses a
    second request because the first has ended the object. ``duplicate_refusal``: how Stripe's
    refusal begins when it already has the object, which counts as done. ``identity``: the member of
    the answer that identifies the object. ``needs``: members without which the answer is useless.
    """

    send: Send
    news: tuple[str, str] | None = None
    since: Since | None = None
    gone_is_done: bool = False
    duplicate_refusal: str = ""
    identity: str = "id"
    needs: tuple[str, ...] = ()


def _since(service: Callable[[Any], Any], *parents: str, **always: str) -> Since:
    """List by creation time, filtered by those parameters that name ``parents``."""

    def list_since(client: Any, params: Fields, moment: int) -> Iterable[Any]:
        filters = {name: params[name] for name in parents if name in params}
        query = {"limit": PAGE, "created": {"gte": moment}, **filters, **always}
        objects: Iterable[Any] = service(client).list(query).auto_paging_iter()
        return objects

    return list_since


WRITES: dict[str, Write] = {
    "customer.create": Write(
        send=lambda client, target, params, options: client.v1.customers.create(params, options),
        news=("customer", "id"),
        since=_since(lambda client: client.v1.customers),
    ),
    "customer.update": Write(
        send=lambda client, target, params, options: client.v1.customers.update(
            target, params, options
        ),
        news=("customer", "target"),
    ),
    "customer.delete": Write(
        send=lambda client, target, params, options: client.v1.customers.delete(
            target, params, options
        ),
        news=("customer", "target"),
        gone_is_done=True,
    ),
    "portal_configuration.create": Write(
        send=lambda client, target, params, options: client.v1.billing_portal.configurations.create(
            params, options
        ),
        since=lambda client, params, moment: client.v1.billing_portal.configurations.list(
            {"limit": PAGE}
        ).auto_paging_iter(),
    ),
    "portal_configuration.update": Write(
        send=lambda client, target, params, options: client.v1.billing_portal.configurations.update(
            target, params, options
        ),
    ),
    "portal_session.create": Write(
        send=lambda client, target, params, options: client.v1.billing_portal.sessions.create(
            params, options
        ),
        needs=("url",),
    ),
    "product.create": Write(
        send=lambda client, target, params, options: client.v1.products.create(params, options),
        news=("product", "id"),
        since=_since(lambda client: client.v1.products),
    ),
    "product.update": Write(
        send=lambda client, target, params, options: client.v1.products.update(
            target, params, options
        ),
        news=("product", "target"),
    ),
    "price.create": Write(
        send=lambda client, target, params, options: client.v1.prices.create(params, options),
        news=("price", "id"),
        since=_since(lambda client: client.v1.prices),
    ),
    "price.update": Write(
        send=lambda client, target, params, options: client.v1.prices.update(
            target, params, options
        ),
        news=("price", "target"),
    ),
    "checkout_session.create": Write(
        send=lambda client, target, params, options: client.v1.checkout.sessions.create(
            params, options
        ),
        news=("checkout_session", "id"),
        since=_since(lambda client: client.v1.checkout.sessions, "customer"),
        needs=("url", "expires_at"),
    ),
    "checkout_session.expire": Write(
        send=lambda client, target, params, options: client.v1.checkout.sessions.expire(
            target, params, options
        ),
        news=("checkout_session", "target"),
    ),
    "payment_intent.create": Write(
        send=lambda client, target, params, options: client.v1.payment_intents.create(
            params, options
        ),
        news=("payment_intent", "id"),
        since=_since(lambda client: client.v1.payment_intents, "customer"),
        needs=("client_secret", "status", "amount"),
    ),
    "payment_intent.cancel": Write(
        send=lambda client, target, params, options: client.v1.payment_intents.cancel(
            target, params, options
        ),
        news=("payment_intent", "target"),
    ),
    "payment_method.detach": Write(
        send=lambda client, target, params, options: client.v1.payment_methods.detach(
            target, params, options
        ),
    ),
    "refund.create": Write(
        send=lambda client, target, params, options: client.v1.refunds.create(params, options),
        news=("payment_intent", "payment_intent"),
        since=_since(lambda client: client.v1.refunds, "payment_intent"),
    ),
    "refund.cancel": Write(
        send=lambda client, target, params, options: client.v1.refunds.cancel(
            target, params, options
        ),
        news=("payment_intent", "payment_intent"),
    ),
    "subscription.update": Write(
        send=lambda client, target, params, options: client.v1.subscriptions.update(
            target, params, options
        ),
        news=("subscription", "target"),
    ),
    "subscription.cancel": Write(
        send=lambda client, target, params, options: client.v1.subscriptions.cancel(
            target, params, options
        ),
        news=("subscription", "target"),
        gone_is_done=True,
    ),
    "subscription.resume": Write(
        send=lambda client, target, params, options: client.v1.subscriptions.resume(
            target, params, options
        ),
        news=("subscription", "target"),
    ),
    "subscription_schedule.create": Write(
        send=lambda client, target, params, options: client.v1.subscription_schedules.create(
            params, options
        ),
        news=("subscription", "target"),
    ),
    "subscription_schedule.update": Write(
        send=lambda client, target, params, options: client.v1.subscription_schedules.update(
            target, params, options
        ),
    ),
    "subscription_schedule.release": Write(
        send=lambda client, target, params, options: client.v1.subscription_schedules.release(
            target, params, options
        ),
    ),
    "coupon.create": Write(
        send=lambda client, target, params, options: client.v1.coupons.create(params, options),
        news=("coupon", "id"),
        since=_since(lambda client: client.v1.coupons),
    ),
    "coupon.update": Write(
        send=lambda client, target, params, options: client.v1.coupons.update(
            target, params, options
        ),
        news=("coupon", "target"),
    ),
    "coupon.delete": Write(
        send=lambda client, target, params, options: client.v1.coupons.delete(
            target, params, options
        ),
        news=("coupon", "target"),
        gone_is_done=True,
    ),
    "promotion_code.create": Write(
        send=lambda client, target, params, options: client.v1.promotion_codes.create(
            params, options
        ),
        news=("promotion_code", "id"),
        since=_since(lambda client: client.v1.promotion_codes),
    ),
    "meter.create": Write(
        send=lambda client, target, params, options: client.v1.billing.meters.create(
            params, options
        ),
    ),
    "meter_event.create": Write(
        send=lambda client, target, params, options: client.v1.billing.meter_events.create(
            params, options
        ),
        duplicate_refusal="An event already exists with identifier",
        identity="identifier",
    ),
    "meter_event_adjustment.create": Write(
        send=lambda client, target, params, options: (
            client.v1.billing.meter_event_adjustments.create(params, options)
        ),
        identity="event_name",
    ),
    "promotion_code.update": Write(
        send=lambda client, target, params, options: client.v1.promotion_codes.update(
            target, params, options
        ),
        news=("promotion_code", "target"),
    ),
}
