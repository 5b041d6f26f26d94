"""Everything that we ever ask Stripe to do, one entry each; nothing else writes at Stripe.

The parameters are Stripe's own, made by the functions of ``billing.stripe.<resource>``.
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
"""Stripe's names of the objects that operations make or change, where ours differ."""

Send = Callable[[Any, str, Any, Any], Any]
"""From the client, the object that is changed (empty when one is made), parameters and options."""
Since = Callable[[Any, Fields, int], Iterable[Any]]
"""From the client, the parameters and a time in seconds: what was made since, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One thing that Stripe can be asked to do.

    ``news`` says which mirrored object it changes: its kind, and where its id stands: ``id`` of
    the answer, ``target``, or the name of a parameter. ``since`` lists what an operation makes;
    without it nothing is made that could be looked for. ``gone_is_done`` is for operations that
    Stripe refuses the second time because the first has ended the object. ``known`` is how its
    refusal begins of something that it has already, which is as good as done. ``identity`` is the
    member by which an answer is known; ``needs`` are members without which it is of no use.
    """

    send: Send
    news: tuple[str, str] | None = None
    since: Since | None = None
    gone_is_done: bool = False
    known: str = ""
    identity: str = "id"
    needs: tuple[str, ...] = ()


def _since(service: Callable[[Any], Any], *parents: str, **always: str) -> Since:
    """Lists by time of making, within the ``parents`` that the parameters name."""

    def listed(client: Any, params: Fields, moment: int) -> Iterable[Any]:
        within = {name: params[name] for name in parents if name in params}
        asked = {"limit": PAGE, "created": {"gte": moment}, **within, **always}
        found: Iterable[Any] = service(client).list(asked).auto_paging_iter()
        return found

    return listed


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
        known="An event already exists with identifier",
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
