"""Find the tenants' users; ``lock`` before changing what one has or may do."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import cast

import orjson
from django.db.models import Q

from common import prepared
from common.errors import NotFound
from common.ids import is_id
from common.models import ProjectQuerySet
from projects.models import Customer, Project

NOBODY = ""
"""In place of the id of a user of whom nothing is known yet: nothing of theirs is found by it."""
BY_NAME = """
SELECT id, user_id, deleted_at FROM projects_customer
WHERE project_id = %(project)s
  AND user_id = ANY (ARRAY(SELECT json_array_elements_text(%(names)s::json)))
"""
BY_EITHER = """
SELECT id, user_id, deleted_at FROM projects_customer
WHERE project_id = %(project)s
  AND user_id = ANY (ARRAY(SELECT json_array_elements_text(%(names)s::json)))
UNION
SELECT id, user_id, deleted_at FROM projects_customer
WHERE project_id = %(project)s
  AND id = ANY (ARRAY(SELECT json_array_elements_text(%(ids)s::json)))
"""


def of(project: Project | str, *, email: str | None = None) -> ProjectQuerySet[Customer]:
    """The project's users but for erased ones; those with this address when one is given."""
    customers = Customer.objects.for_project(project).filter(deleted_at__isnull=True)
    return customers if email is None else customers.filter(email=email)


def find(*, project: Project | str, user_id: str) -> Customer | None:
    """The customer with this user_id, else with this ``cus_…`` id, else None."""
    customers = Customer.objects.for_project(project)
    found = customers.filter(user_id=user_id).first()
    if found is None and is_id(user_id, "cus"):
        return customers.filter(pk=user_id).first()
    return found


def owner_filter(*, project: Project | str, user_id: str, path: str = "customer") -> dict[str, str]:
    """For a query over rows that hang off a customer: whose rows, as :func:`find` finds them.

    ``path`` leads from the row to its customer. Asks the database only for one of our ids.
    """
    if not is_id(user_id, "cus"):
        return {f"{path}__user_id": user_id}
    customer = find(project=project, user_id=user_id)
    return {f"{path}_id": customer.pk if customer else user_id}


def find_many(*, project: Project | str, user_ids: Collection[str]) -> dict[str, Customer]:
    """As :func:`find` for many at once, by what was asked for; the unknown are absent."""
    ids = {asked for asked in user_ids if is_id(asked, "cus")}
    is_asked = Q(user_id__in=user_ids) | Q(pk__in=ids)
    rows = list(Customer.objects.for_project(project).filter(is_asked))
    by_id = {row.pk: row for row in rows if row.pk in ids}
    return by_id | {row.user_id: row for row in rows if row.user_id in user_ids}


def ids(*, project: Project | str, user_ids: Collection[str]) -> dict[str, str | None]:
    """Our ids of these, by what was asked for: None of erased ones, the unknown are absent."""
    found: dict[str, str | None] = {}
    for id_, user_id, deleted_at in _asked(project, user_ids):
        found[user_id] = id_ if deleted_at is None else None
        found.setdefault(id_, found[user_id])
    return {asked: found[asked] for asked in user_ids if asked in found}


def _asked(
    project: Project | str, user_ids: Collection[str]
) -> Iterable[tuple[str, str, datetime | None]]:
    """Id, user_id and when they were erased. A thousand are asked for by one value and a statement
    that is planned once for each connection: hence the SQL."""
    given = {
        "project": project if isinstance(project, str) else project.pk,
        "names": orjson.dumps(list(user_ids)).decode(),
    }
    ours = [asked for asked in user_ids if is_id(asked, "cus")]
    if ours:
        found = prepared.rows(BY_EITHER, {**given, "ids": orjson.dumps(ours).decode()})
    else:
        found = prepared.rows(BY_NAME, given)
    return cast("Iterable[tuple[str, str, datetime | None]]", found)


def get(*, project: Project | str, user_id: str) -> Customer:
    """As :func:`find`; raises NotFound."""
    customer = find(project=project, user_id=user_id)
    if customer is None:
        raise NotFound(
            "No customer with this user_id. One is made on first use (a checkout, a grant, a "
            "record of use) or with POST /customers."
        )
    return customer


def lock(*, project_id: str, customer_id: str) -> Customer:
    """The customer's row, locked until the transaction ends: taken before any other lock.

    Rows that refer to the customer can be written meanwhile: their key does not change.
    """
    rows = Customer.objects.for_project(project_id).select_for_update(no_key=True)
    return rows.get(pk=customer_id)


def lock_many(*, project_id: str, customer_ids: Collection[str]) -> dict[str, Customer]:
    """As :func:`lock` for several, by id; always in the same order, so that nobody waits for one
    who waits for them."""
    rows = Customer.objects.for_project(project_id).filter(pk__in=customer_ids)
    return {row.pk: row for row in rows.select_for_update(no_key=True).order_by("pk")}


def bump(customer: Customer) -> int:
    """Count one more change of a locked customer; the new version."""
    same = Customer.objects.for_project(customer.project_id).filter(
        pk=customer.pk, version=customer.version
    )
    if not same.update(version=customer.version + 1):
        raise RuntimeError("This copy of the customer is out of date: lock the row and use that.")
    customer.version += 1
    return customer.version


def to_be_told() -> ProjectQuerySet[Customer]:
    """Every project's customers of whom somebody keeps an outdated copy."""
    rows = Customer.objects.across_projects().filter(details_changed_at__isnull=False)
    return rows.select_related("project")


def told(customer: Customer) -> None:
    """Copies say what this row says, unless it has changed since."""
    same = Customer.objects.for_project(customer.project_id).filter(
        pk=customer.pk,
        details_changed_at=customer.details_changed_at,
        email=customer.email,
        name=customer.name,
    )
    same.update(details_changed_at=None)
