"""What there is to know about users: their customers, and the facts that count from an outlook."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from entitlements.decisions.selectors import facts as stored
from entitlements.models import Fact
from entitlements.resolution.decision import Source
from entitlements.resolution.evaluation_context import Outlook
from projects.customers import selectors as customers
from projects.models import Customer, Project


class Known(NamedTuple):
    """One user, the rows that count, and the version that exactly these rows make."""

    customer: Customer | None = None
    rows: Sequence[Fact] = ()
    version: int = 0

    @property
    def customer_id(self) -> str | None:
        return None if self.customer is None else self.customer.pk

    @property
    def silent(self) -> list[Source]:
        return stored.silent(self.rows)


def about(*, project: Project, user_ids: Collection[str], outlook: Outlook) -> dict[str, Known]:
    """Each of these users, as far as we know them. Two queries."""
    found = customers.find_many(project=project, user_ids=user_ids)
    ids = {customer.pk for customer in found.values()}
    rows = stored.current_of_many(project=project, customer_ids=ids, by=outlook.known_by)
    known = dict.fromkeys(user_ids, Known())
    for user_id, customer in found.items():
        # The customer was read a moment before its rows; these know the version that they make.
        now = customer.version if outlook.known_by is None else 0
        known[user_id] = Known(customer, *rows.get(customer.pk, ((), now)))
    return known
