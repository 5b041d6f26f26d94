"""Customers and the rows of their facts, as they count in an evaluation context."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from entitlements.decisions.selectors import facts as fact_rows
from entitlements.models import Fact
from entitlements.resolution.evaluation_context import EvaluationContext
from entitlements.resolution.facts import Source
from projects.customers import selectors as customers
from projects.models import Customer, Project


class CustomerFacts(NamedTuple):
    """One user: the customer, the rows that count, and the version that these rows make."""

    customer: Customer | None = None
    rows: Sequence[Fact] = ()
    version: int = 0

    @property
    def customer_id(self) -> str | None:
        return None if self.customer is None else self.customer.pk

    @property
    def ended_sources(self) -> list[Source]:
        return fact_rows.ended_sources(self.rows)


def find_many(
    *, project: Project, user_ids: Collection[str], context: EvaluationContext
) -> dict[str, CustomerFacts]:
    """The facts of each of these users; empty for unknown users. Two queries."""
    customers_by_user = customers.find_many(project=project, user_ids=user_ids)
    ids = {customer.pk for customer in customers_by_user.values()}
    rows = fact_rows.current_of_many(
        project=project, customer_ids=ids, recorded_by=context.recorded_by
    )
    facts_by_user = dict.fromkeys(user_ids, CustomerFacts())
    for user_id, customer in customers_by_user.items():
        # The customer was read a moment before its rows; these know the version that they make.
        version = customer.version if context.recorded_by is None else 0
        facts_by_user[user_id] = CustomerFacts(customer, *rows.get(customer.pk, ((), version)))
    return facts_by_user
