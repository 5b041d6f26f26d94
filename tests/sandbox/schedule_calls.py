"""Create and change subscription schedules."""

from tests.sandbox.shop import DAY, NOW

END = NOW + 31 * DAY
HOUR = 3600


def schedule_of(shop, subscription):
    shop.news()
    return shop.client.v1.subscription_schedules.create({"from_subscription": subscription.id})


def first_phase(subscription, **changes):
    item = subscription["items"].data[0]
    items = [{"price": item.price.id, "quantity": item.quantity}]
    return {"start_date": NOW, "end_date": END, "items": items, **changes}


def phase_of(price, **phase):
    return {"items": [{"price": price, "quantity": 1}], "proration_behavior": "none", **phase}


def update(shop, schedule, *phases, **params):
    return shop.client.v1.subscription_schedules.update(
        schedule.id, {"phases": list(phases), **params}
    )


def newest(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]


def get(shop, schedule):
    return shop.client.v1.subscription_schedules.retrieve(schedule.id)
