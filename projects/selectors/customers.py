"""Find the tenants' users; ``lock`` before changing what one has or may do."""

from collections.abc import Collection

from django.db.models import F, Q

from common.errors import NotFound
from common.ids import is_id
from projects.models import Customer, Project


def find(*, project: Project | str, user_id: str) -> Customer | None:
    """The customer with this user_id (or ``cus_…`` id), or None."""
    customers = Customer.objects.for_project(project)
    if is_id(user_id, "cus"):
        return customers.filter(pk=user_id).first()
    return customers.filter(user_id=user_id).first()


def find_many(*, project: Project | str, user_ids: Collection[str]) -> dict[str, Customer]:
    """As :func:`find` for many at once, by what was asked for; the unknown are absent."""
    ids = {asked for asked in user_ids if is_id(asked, "cus")}
    is_asked = Q(pk__in=ids) | Q(user_id__in=set(user_ids) - ids)
    found: dict[str, Customer] = {}
    for customer in Customer.objects.for_project(project).filter(is_asked):
        found |= {name: customer for name in (customer.pk, customer.user_id) if name in user_ids}
    return found


def get(*, project: Project | str, user_id: str) -> Customer:
    """As :func:`find`; raises NotFound."""
    customer = find(project=project, user_id=user_id)
    if customer is None:
        raise NotFound("No customer with this user_id. It is made with the first checkout.")
    return customer


def lock(*, project_id: str, customer_id: str) -> Customer:
    """The customer's row, locked until the transaction ends: taken before any other lock."""
    return Customer.objects.for_project(project_id).select_for_update().get(pk=customer_id)


def bump(customer: Customer) -> int:
    """Count one more change of a locked customer; the new version."""
    Customer.objects.for_project(customer.project_id).filter(pk=customer.pk).update(
        version=F("version") + 1
    )
    customer.version += 1
    return customer.version
