"""Create subscriptions over the API."""


def create(shop, customer, **params):
    items = params.pop("items", None) or [{"price": shop.price()}]
    shop.news()
    return shop.client.v1.subscriptions.create({"customer": customer, "items": items, **params})
