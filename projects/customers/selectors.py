"""Customers of a project; ``lock`` one before changing what the customer has or may do."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import cast

import orjson
from django.db.models import Q

from common import prepared_statements
from common.errors import NotFound
from common.ids import is_id
from common.models import ProjectQuerySet, project_id_of
from common.prepared_queries import Parameter, PreparedQuery
from projects.models import Customer, Project

RAISE_VERSION = """
UPDATE projects_customer SET version = version + 1
WHERE project_id = %(project)s AND id = %(id)s AND version = %(version)s
RETURNING version
"""
NO_CUSTOMER = ""
"""Stands for the id of an unknown user: no row has it."""
SELECT_BY_USER_ID = """
SELECT id, user_id, deleted_at FROM projects_customer
WHERE project_id = %(project)s
  AND user_id = ANY (ARRAY(SELECT json_array_elements_text(%(names)s::json)))
"""
SELECT_BY_EITHER_ID = """
SELECT id, user_id, deleted_at FROM projects_customer
WHERE project_id = %(project)s
  AND user_id = ANY (ARRAY(SELECT json_array_elements_text(%(names)s::json)))
UNION
SELECT id, user_id, deleted_at FROM projects_customer
WHERE project_id = %(project)s
  AND id = ANY (ARRAY(SELECT json_array_elements_text(%(ids)s::json)))
"""

_BY_USER_ID = PreparedQuery(
    lambda: Customer.objects.for_project(Parameter("project_id")).filter(
        user_id=Parameter("user_id")
    )
)
_BY_ID = PreparedQuery(
    lambda: Customer.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id"))
)
_LOCKED = PreparedQuery(lambda: lock_query())  # noqa: PLW0108  # defined below


def of(project: Project | str, *, email: str | None = None) -> ProjectQuerySet[Customer]:
    """The project's customers without erased ones; with ``email`` those with that address."""
    customers = Customer.objects.for_project(project).filter(deleted_at__isnull=True)
    return customers if email is None else customers.filter(email=email)


def find(*, project: Project | str, user_id: str) -> Customer | None:
    """The customer with this user_id, else with this ``cus_…`` id, else None."""
    project_id = project_id_of(project)
    customer = _BY_USER_ID.first(project_id=project_id, user_id=user_id)
    if customer is None and is_id(user_id, "cus"):
        return _BY_ID.first(project_id=project_id, id=user_id)
    return customer


def owner_filter(*, project: Project | str, user_id: str, path: str = "customer") -> dict[str, str]:
    """Filter arguments for rows of the customer with this user_id or ``cus_…`` id.

    ``path`` leads from the row to its customer. Queries only for one of our ids.
    """
    if not is_id(user_id, "cus"):
        return {f"{path}__user_id": user_id}
    customer = find(project=project, user_id=user_id)
    return {f"{path}_id": customer.pk if customer else user_id}


def find_many(*, project: Project | str, user_ids: Collection[str]) -> dict[str, Customer]:
    """The customers by the user_id or ``cus_…`` that was asked for; unknown ones are absent."""
    ids = {user_id for user_id in user_ids if is_id(user_id, "cus")}
    is_named = Q(user_id__in=user_ids) | Q(pk__in=ids)
    rows = list(Customer.objects.for_project(project).filter(is_named))
    by_id = {row.pk: row for row in rows if row.pk in ids}
    return by_id | {row.user_id: row for row in rows if row.user_id in user_ids}


def ids(*, project: Project | str, user_ids: Collection[str]) -> dict[str, str | None]:
    """Customer ids by what was asked for: None for erased customers; unknown ones are absent."""
    customer_ids = [
        user_id for user_id in user_ids if user_id.startswith("cus_") and is_id(user_id, "cus")
    ]
    ids_by_name: dict[str, str | None] = {}
    rows = _select_ids(project, user_ids, customer_ids)
    for customer_id, user_id, deleted_at in rows:
        ids_by_name[user_id] = customer_id if deleted_at is None else None
    if customer_ids:
        for customer_id, user_id, _ in rows:
            ids_by_name.setdefault(customer_id, ids_by_name[user_id])
    return {name: ids_by_name[name] for name in user_ids if name in ids_by_name}


def _select_ids(
    project: Project | str, user_ids: Collection[str], customer_ids: Sequence[str]
) -> Sequence[tuple[str, str, datetime | None]]:
    """(id, user_id, deleted_at) of these users; those of ``user_ids`` that look like ids of ours
    are in ``customer_ids``. SQL: one parameter for a thousand, and a statement that is planned once
    per connection."""
    parameters = {
        "project": project_id_of(project),
        "names": orjson.dumps(list(user_ids)).decode(),
    }
    if customer_ids:
        rows = prepared_statements.fetch_rows(
            SELECT_BY_EITHER_ID, {**parameters, "ids": orjson.dumps(customer_ids).decode()}
        )
    else:
        rows = prepared_statements.fetch_rows(SELECT_BY_USER_ID, parameters)
    return cast("Sequence[tuple[str, str, datetime | None]]", rows)


def get(*, project: Project | str, user_id: str) -> Customer:
    """The customer with this user_id or ``cus_…`` id; raises NotFound."""
    customer = find(project=project, user_id=user_id)
    if customer is None:
        raise NotFound(
            "No customer with this user_id. The first use (a checkout, a grant, a usage record) or "
            "POST /customers creates it."
        )
    return customer


def lock(*, project_id: str, customer_id: str) -> Customer:
    """The customer's row, locked until the transaction ends; taken before any other lock.

    Rows that refer to the customer can still be written: its key does not change.
    """
    customer = _LOCKED.first(project_id=project_id, id=customer_id)
    if customer is None:
        raise Customer.DoesNotExist
    return customer


def lock_query() -> ProjectQuerySet[Customer]:
    """The query of :func:`lock`, with its parameters."""
    rows = Customer.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id"))
    return rows.select_for_update(no_key=True)


def lock_many(*, project_id: str, customer_ids: Collection[str]) -> dict[str, Customer]:
    """The customers by id, locked in the order of their ids, which prevents deadlocks."""
    rows = Customer.objects.for_project(project_id).filter(pk__in=customer_ids)
    return {row.pk: row for row in rows.select_for_update(no_key=True).order_by("pk")}


_raised: ContextVar[dict[str, int] | None] = ContextVar("raised_versions", default=None)
"""By customer id, the versions of the current :func:`one_version`."""


@contextmanager
def one_version() -> Iterator[None]:
    """Changes inside are one for everybody else, because one transaction commits them: they raise
    the version of a customer once, until :func:`end_version`."""
    token = _raised.set({})
    try:
        yield
    finally:
        _raised.reset(token)


def raise_version(customer: Customer) -> int:
    """Raise the version of a locked customer and return it; inside :func:`one_version` only the
    first time. Raises RuntimeError for an outdated row."""
    raised = _raised.get()
    if raised is not None and raised.get(customer.pk) == customer.version:
        return customer.version
    outdated = {"project": customer.project_id, "id": customer.pk, "version": customer.version}
    if prepared_statements.fetch_row(RAISE_VERSION, outdated) is None:
        raise RuntimeError("This copy of the customer is out of date: lock the row and use that.")
    customer.version += 1
    if raised is not None:
        raised[customer.pk] = customer.version
    return customer.version


def end_version(customer: Customer) -> None:
    """The facts of this version are complete: the next change has another one, also inside
    :func:`one_version`."""
    raised = _raised.get()
    if raised is not None:
        raised.pop(customer.pk, None)


def with_outdated_copies() -> ProjectQuerySet[Customer]:
    """Every project's customers whose copies elsewhere are outdated."""
    rows = Customer.objects.across_projects().filter(details_changed_at__isnull=False)
    return rows.select_related("project")


def record_copied(customer: Customer) -> None:
    """The copies are up to date with this row, unless it has changed since."""
    unchanged = Customer.objects.for_project(customer.project_id).filter(
        pk=customer.pk,
        details_changed_at=customer.details_changed_at,
        email=customer.email,
        name=customer.name,
    )
    unchanged.update(details_changed_at=None)
