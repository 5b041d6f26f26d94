"""Turn the price ids of a request into the lines of an order."""

from collections.abc import Sequence

from billing.catalog.selectors import catalog
from billing.checkout.orders import OrderLine
from common.errors import Invalid
from projects.models import Project


def read(
    *, project: Project, items: Sequence[tuple[str, int]], field: str = "lines/{}/price"
) -> list[OrderLine]:
    """Return the order lines of pairs of price id and quantity.

    Raises Invalid for an id that the project does not have; the error names ``field`` with the
    index of the pair.
    """
    prices = catalog.prices_by_id(project=project, ids=[price_id for price_id, _ in items])
    for index, (price_id, _) in enumerate(items):
        if price_id not in prices:
            raise Invalid("No price with this id.", field=field.format(index))
    return [OrderLine(prices[price_id], quantity) for price_id, quantity in items]
