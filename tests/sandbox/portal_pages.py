"""Paths and values of the tests of the customer portal."""

from tests.sandbox.shop import DAY, NOW

BACK = "https://shop.example/account"
END = NOW + 31 * DAY


def portal_path(subscription, page):
    return f"/subscriptions/{subscription.id}/{page}"


def newest(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]


def hidden(page):
    """The amounts' moment, as the page carries it."""
    return page.text.split('name="moment" value="')[1].split('"')[0]
