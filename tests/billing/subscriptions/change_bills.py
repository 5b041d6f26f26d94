"""Bills, amounts and items of subscription changes."""

from collections.abc import Callable

from tests.billing.tenant import Json

Drain = Callable[[], None]


def item_quantities(shown: Json) -> list[tuple[str, int]]:
    return [(item["price"], item["quantity"]) for item in shown["items"]]
