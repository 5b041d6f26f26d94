"""What Stripe still says of an erased customer's purchases does not come back into our rows.

Stripe keeps payments and invoices of a customer that it has deleted, with the metadata, texts and
addresses that the tenant once gave them.
"""

from dataclasses import replace
from typing import Any

from django.db.models import Model

from billing.sync.plan import Children, RowPlan, Values
from billing.sync.selectors.owners import Owner
from projects.models import Customer

BLANK: Values = {"metadata": {}, "description": "", "url": "", "failure_message": "", "email": ""}
"""Columns that hold what people wrote, and nothing else."""


def without_person(planned: RowPlan[Any], owner: Owner) -> RowPlan[Any]:
    """The plan itself, or for the rows of an erased customer one without what people wrote."""
    if owner.customer_id is None or not _brings_texts(planned) or not _is_erased(owner):
        return planned
    children = tuple(_blanked(each) for each in planned.children)
    return replace(planned, values=_without(planned.values), children=children)


def _brings_texts(planned: RowPlan[Any]) -> bool:
    """Whether Stripe says a text that our rows lack; of most objects that are read it does not."""
    return _differs(planned.row, planned.values) or any(
        _differs(each.rows.get(stripe_id), values)
        for each in planned.children
        for stripe_id, values in each.wanted.items()
    )


def _differs(row: Model | None, values: Values) -> bool:
    said = {name: values[name] for name in BLANK if values.get(name)}
    return any(row is None or getattr(row, name) != value for name, value in said.items())


def _is_erased(owner: Owner) -> bool:
    rows = Customer.objects.for_project(owner.project_id).filter(pk=owner.customer_id)
    return rows.filter(deleted_at__isnull=False).exists()


def _blanked(children: Children) -> Children:
    wanted = {stripe_id: _without(values) for stripe_id, values in children.wanted.items()}
    return replace(children, wanted=wanted)


def _without(values: Values) -> Values:
    return {name: BLANK.get(name, value) for name, value in values.items()}
