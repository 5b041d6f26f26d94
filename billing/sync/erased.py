"""Keep an erased customer's personal data out of our rows.

Stripe keeps the payments and invoices of a deleted customer, with the metadata, texts and addresses
that the tenant once sent.
"""

from dataclasses import replace
from typing import Any

from django.db.models import Model

from billing.sync.plan import Children, RowPlan, Values
from billing.sync.selectors.owners import Owner
from common.prepared_queries import Parameter, PreparedValues
from projects.models import Customer

BLANK: Values = {"metadata": {}, "description": "", "url": "", "failure_message": "", "email": ""}
"""Columns that may hold personal data, with their empty values."""

_ERASED = PreparedValues(
    lambda: (
        Customer.objects.for_project(Parameter("project_id"))
        .filter(pk=Parameter("id"), deleted_at__isnull=False)
        .values_list("pk")
    )
)


def without_person(planned: RowPlan[Any], owner: Owner) -> RowPlan[Any]:
    """The plan; for rows of an erased customer, without personal data."""
    if owner.customer_id is None or not _brings_texts(planned) or not _is_erased(owner):
        return planned
    children = tuple(_blanked(each) for each in planned.children)
    return replace(planned, values=_without(planned.values), children=children)


def _brings_texts(planned: RowPlan[Any]) -> bool:
    """Whether the plan brings a text that our rows lack; most plans do not."""
    return _differs(planned.row, planned.values) or any(
        _differs(each.rows.get(stripe_id), values)
        for each in planned.children
        for stripe_id, values in each.values_by_id.items()
    )


def _differs(row: Model | None, values: Values) -> bool:
    texts = {name: values[name] for name in BLANK if values.get(name)}
    return any(row is None or getattr(row, name) != value for name, value in texts.items())


def _is_erased(owner: Owner) -> bool:
    return bool(_ERASED.rows(project_id=owner.project_id, id=owner.customer_id))


def _blanked(children: Children) -> Children:
    values_by_id = {
        stripe_id: _without(values) for stripe_id, values in children.values_by_id.items()
    }
    return replace(children, values_by_id=values_by_id)


def _without(values: Values) -> Values:
    return {name: BLANK.get(name, value) for name, value in values.items()}
