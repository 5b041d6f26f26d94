"""The prices that a request names become the lines of an order."""

from collections.abc import Sequence

from billing.catalog.selectors import catalog
from billing.checkout.orders import Line
from common.errors import Invalid
from projects.models import Project


def read(
    *, project: Project, wanted: Sequence[tuple[str, int]], field: str = "lines/{}/price"
) -> list[Line]:
    """The project's prices with these ids and how many of each; raises Invalid for an unknown
    one, naming ``field`` with the number of its line."""
    known = catalog.prices_by_id(project=project, ids=[price for price, _ in wanted])
    for index, (price, _) in enumerate(wanted):
        if price not in known:
            raise Invalid("No price with this id.", field=field.format(index))
    return [Line(known[price], quantity) for price, quantity in wanted]
