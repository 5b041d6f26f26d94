"""Change subscriptions and read their prorations."""

from tests.sandbox.shop import DAY

PERIOD = 31 * DAY
"""From ``NOW`` to the first renewal."""


def item_of(subscription):
    return subscription["items"].data[0].id


def change(shop, subscription, **params):
    """Change the only item's price or quantity, at the end of the tenth day."""
    item = {"id": item_of(subscription)}
    for name in ("price", "quantity"):
        if name in params:
            item[name] = params.pop(name)
    shop.news()
    return shop.client.v1.subscriptions.update(subscription.id, {"items": [item], **params})


def pending(shop):
    items = shop.client.v1.invoice_items.list({"pending": True}).data
    return sorted((item.amount, item.description) for item in items)


def newest(shop):
    return shop.client.v1.invoices.list().data[0]
