"""Bills, amounts and items of subscription changes."""

from collections.abc import Callable

from tests.billing.tenant import Json

Drain = Callable[[], None]


def bill_of(shown: Json) -> Json:
    """What a bill says, whatever its invoice is called."""
    bill = dict(shown["bill"])
    bill.pop("invoice"), bill.pop("proration_date")
    bill["lines"] = sorted(bill["lines"], key=str)
    return bill


def item_quantities(shown: Json) -> list[tuple[str, int]]:
    return [(item["price"], item["quantity"]) for item in shown["items"]]
